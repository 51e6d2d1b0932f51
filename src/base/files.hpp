// SPDX-License-Identifier: MIT
// The few file operations of which half a result must never be seen.
#pragma once

#include "src/base/result.hpp"

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace intellisched {

/// Closes its descriptor when it goes; -1 holds none.
class FileDescriptor {
  public:
    FileDescriptor() = default;
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept;
    ~FileDescriptor();
    [[nodiscard]] int get() const { return fd_; }

  private:
    int fd_ = -1;
};

/// Writes all of `bytes` to `fd`, going on after short writes and signals. `name` is for the
/// message.
[[nodiscard]] Result<void> write_all(int fd, std::span<const std::byte> bytes,
                                     const std::string& name);

/// Replaces the file at `path` by `bytes`: written beside it, synced, then renamed over it, so that
/// a reader (or a crash) sees the old contents or the new, never a part. The temporary is removed
/// on failure.
[[nodiscard]] Result<void> replace_file(const std::filesystem::path& path,
                                        std::span<const std::byte> bytes);

/// Reads a whole file of at most `limit` bytes; a larger one is an error.
[[nodiscard]] Result<std::vector<std::byte>> read_file(const std::filesystem::path& path,
                                                       std::size_t limit);

} // namespace intellisched
