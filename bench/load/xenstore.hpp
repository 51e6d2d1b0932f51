// SPDX-License-Identifier: MIT
// A guest's own end of xenstore, through /dev/xen/xenbus. Speaks the public wire
// protocol (Xen's io/xs_wire.h) itself, because libxenstore has no static build.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

class Xenstore {
  public:
    // Throws std::system_error when the device cannot be opened (not a Xen guest).
    Xenstore();
    ~Xenstore();
    Xenstore(const Xenstore&) = delete;
    Xenstore& operator=(const Xenstore&) = delete;

    // Paths are relative to the guest's own area, /local/domain/<id>.
    std::optional<std::string> read(const std::string& path); // nothing: no such node
    bool write(const std::string& path, const std::string& value);
    bool watch(const std::string& path);

    // Waits for a watched node to change, until `until_ns` of now_ns(); false: time is up.
    bool wait_for_change(std::int64_t until_ns);

  private:
    struct Message {
        std::uint32_t type;
        std::string body;
    };

    std::optional<std::string> request(std::uint32_t type, const std::string& body);
    Message receive();

    int fd_;
    bool changed_ = false; // a watch fired while we waited for a reply
};
