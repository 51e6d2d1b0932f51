// SPDX-License-Identifier: MIT
// The few file operations of which half a result must never be seen.
#pragma once

#include "src/base/result.hpp"

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <sys/types.h>
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

/// Replaces the file at `path` by `bytes`: written beside it under a random name, synced, then
/// renamed over it, so that a reader (or a crash) sees the old contents or the new, never a part. A
/// link at `path` is replaced, not followed; its folder is opened as Folder::open() says. The
/// temporary is removed on failure. `mode`: the file's, whatever the umask; else 0644 less the
/// umask. Errors: also what is no regular file at `path`.
[[nodiscard]] Result<void> replace_file(const std::filesystem::path& path,
                                        std::span<const std::byte> bytes,
                                        std::optional<mode_t> mode = {});

/// Opens a regular file for reading. Errors: also a FIFO, which is not waited for, a device or a
/// folder.
[[nodiscard]] Result<FileDescriptor> open_to_read(const std::filesystem::path& path);

/// Reads a whole regular file of at most `limit` bytes; a larger one is an error.
[[nodiscard]] Result<std::vector<std::byte>> read_file(const std::filesystem::path& path,
                                                       std::size_t limit);

} // namespace intellisched
