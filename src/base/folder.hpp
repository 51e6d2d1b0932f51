// SPDX-License-Identifier: MIT
// Folders to write into, safe even if their owner is hostile: every file is new, and goes to the
// folder that was opened, whatever its owner changes meanwhile.
#pragma once

#include "src/base/files.hpp"

#include <optional>
#include <sys/types.h>

namespace intellisched {

class Folder {
  public:
    /// Opens a folder. Root follows no link of a user it does not trust (trusted_user()): it could
    /// lead anywhere. `make`: creates missing folders. Errors: those of the file system; such a
    /// link.
    [[nodiscard]] static Result<Folder> open(const std::filesystem::path& path, bool make = false);

    /// Creates a file. Errors: something of that name exists, even a link.
    [[nodiscard]] Result<FileDescriptor> create(const std::string& name) const;

    /// replace_file() in this folder.
    [[nodiscard]] Result<void> replace(const std::string& name, std::span<const std::byte> bytes,
                                       std::optional<mode_t> mode = {}) const;

    /// Writes a new file, all of it or nothing, as replace() does. Errors: those of the file
    /// system; something of that name exists, even a link.
    [[nodiscard]] Result<void> write_new(const std::string& name, std::span<const std::byte> bytes,
                                         std::optional<mode_t> mode = {}) const;

    /// Syncs the folder itself, so that the names in it survive a crash.
    [[nodiscard]] Result<void> sync() const;

    /// Errors: others than trusted users can change its contents, or replace it.
    [[nodiscard]] Result<void> check_trusted() const;

    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    Folder(FileDescriptor fd, std::filesystem::path path, std::string untrusted)
        : fd_(std::move(fd)), path_(std::move(path)), untrusted_(std::move(untrusted)) {}
    /// `flags`: renameat2()'s.
    [[nodiscard]] Result<void> put(const std::string& name, std::span<const std::byte> bytes,
                                   std::optional<mode_t> mode, unsigned flags) const;

    FileDescriptor fd_;
    std::filesystem::path path_;
    std::string untrusted_; ///< what on the way to it others can change; "": nothing
};

} // namespace intellisched
