// SPDX-License-Identifier: MIT
#include "xenstore.hpp"

#include "clock.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <system_error>
#include <unistd.h>

namespace {

// From Xen's io/xs_wire.h.
constexpr std::uint32_t kRead = 2;
constexpr std::uint32_t kWatch = 4;
constexpr std::uint32_t kWrite = 11;
constexpr std::uint32_t kWatchEvent = 15;
constexpr std::uint32_t kError = 16;
constexpr std::uint32_t kPayloadMax = 4096;

struct Header {
    std::uint32_t type;
    std::uint32_t request;
    std::uint32_t transaction;
    std::uint32_t length;
};

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

void read_all(int fd, void* data, std::size_t size) {
    auto* place = static_cast<char*>(data);
    while (size > 0) {
        const ssize_t got = ::read(fd, place, size);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) fail("reading from xenstore");
        place += got;
        size -= static_cast<std::size_t>(got);
    }
}

} // namespace

Xenstore::Xenstore() : fd_(open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC)) {
    if (fd_ < 0) fail("/dev/xen/xenbus (run --xenstore in a Xen guest, --stdout elsewhere)");
}

Xenstore::~Xenstore() { close(fd_); }

std::optional<std::string> Xenstore::read(const std::string& path) {
    return request(kRead, path + '\0');
}

bool Xenstore::write(const std::string& path, const std::string& value) {
    return request(kWrite, path + '\0' + value).has_value();
}

bool Xenstore::watch(const std::string& path) {
    return request(kWatch, path + '\0' + "token" + '\0').has_value();
}

bool Xenstore::wait_for_change(std::int64_t until_ns) {
    while (!changed_) {
        const std::int64_t left = until_ns - now_ns();
        if (left <= 0) return false;
        pollfd waiting{fd_, POLLIN, 0};
        // Rounded up: a wait of 0 ms would spin until the time has come.
        const int ready = poll(&waiting, 1, static_cast<int>(left / 1'000'000 + 1));
        if (ready < 0 && errno != EINTR) fail("waiting for xenstore");
        if (ready > 0 && receive().type == kWatchEvent) changed_ = true;
    }
    changed_ = false;
    return true;
}

std::optional<std::string> Xenstore::request(std::uint32_t type, const std::string& body) {
    const Header header{type, 0, 0, static_cast<std::uint32_t>(body.size())};
    const std::string message =
        std::string(reinterpret_cast<const char*>(&header), sizeof header) + body;
    // The driver takes a message in one piece or in parts, but never less than it is given.
    if (::write(fd_, message.data(), message.size()) != static_cast<ssize_t>(message.size()))
        fail("writing to xenstore");
    for (;;) {
        Message reply = receive();
        if (reply.type == kWatchEvent) {
            changed_ = true;
            continue;
        }
        if (reply.type == kError) return std::nullopt;
        return std::move(reply.body);
    }
}

Xenstore::Message Xenstore::receive() {
    Header header;
    read_all(fd_, &header, sizeof header);
    if (header.length > kPayloadMax) {
        errno = EPROTO;
        fail("reading from xenstore");
    }
    Message message{header.type, std::string(header.length, '\0')};
    read_all(fd_, message.body.data(), message.body.size());
    return message;
}
