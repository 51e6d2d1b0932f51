// SPDX-License-Identifier: MIT
// File operations that never leave half a result.
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

/// Writes all of `bytes` to `fd`, continuing after short writes and signals. `name` is for the
/// message.
[[nodiscard]] Result<void> write_all(int fd, std::span<const std::byte> bytes,
                                     const std::string& name);

/// Replaces the file at `path` by `bytes`: written beside it under a random name, synced, then
/// renamed over it. So a reader (or a crash) sees the old contents or the new, never a part. A link
/// at `path` is replaced, not followed; its folder is opened as Folder::open() says. The temporary
/// file is removed on failure. `mode`: the file's mode, whatever the umask; by default 0644 less
/// the umask. Errors: those of the file system; something other than a regular file is at `path`.
[[nodiscard]] Result<void> replace_file(const std::filesystem::path& path,
                                        std::span<const std::byte> bytes,
                                        std::optional<mode_t> mode = {});

/// Opens a regular file for reading. Errors: those of the file system; a FIFO (which is not waited
/// for), a device or a folder.
[[nodiscard]] Result<FileDescriptor> open_to_read(const std::filesystem::path& path);

/// Reads a whole regular file of at most `limit` bytes; a larger one is an error.
[[nodiscard]] Result<std::vector<std::byte>> read_file(const std::filesystem::path& path,
                                                       std::size_t limit);

} // namespace intellisched
