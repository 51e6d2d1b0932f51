// SPDX-License-Identifier: MIT
// What several targets need: an input cut into pieces, and files to put them in.
#pragma once

#include "src/base/files.hpp"
#include "src/proto/records.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <string_view>
#include <unistd.h>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace intellisched::fuzz {

/// In memory where there is such a place, since every input is written out; removed at exit.
class Directory {
  public:
    Directory() {
        std::error_code ignored;
        const std::filesystem::path parent = std::filesystem::is_directory("/dev/shm", ignored)
                                                 ? "/dev/shm"
                                                 : std::filesystem::temp_directory_path();
        std::string name = (parent / "intellisched_fuzzXXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        path_ = name;
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

inline void spill(const std::filesystem::path& path, std::string_view bytes) {
    const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    if (!write_all(file.get(), std::as_bytes(std::span(bytes)), path.string())) std::abort();
}

/// The first bytes of `input`, as many as its first two bytes say; they are gone from it then.
inline std::string_view take(std::string_view& input) {
    if (input.size() < 2) return input = {};
    const std::size_t size = static_cast<unsigned char>(input[0]) |
                             static_cast<std::size_t>(static_cast<unsigned char>(input[1])) << 8;
    const std::string_view taken = input.substr(2, size);
    input.remove_prefix(2 + taken.size());
    return taken;
}

/// The opposite: a piece that take() gives again. For at most 65535 bytes.
inline std::string piece(std::string_view bytes) {
    const std::string length{static_cast<char>(bytes.size() & 0xff),
                             static_cast<char>(bytes.size() >> 8 & 0xff)};
    return length + std::string(bytes);
}

/// A record with a right checksum, which a fuzzer would not guess; nothing for what no record
/// holds.
inline std::string as_record(std::string_view payload) {
    return encode_record(payload).value_or(std::string());
}

} // namespace intellisched::fuzz
