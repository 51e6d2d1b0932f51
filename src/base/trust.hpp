// SPDX-License-Identifier: MIT
// Whose files root acts on. Anybody else acts with rights of their own only, and may trust whom
// they like: for them every check here succeeds.
#pragma once

#include "src/base/result.hpp"

#include <filesystem>
#include <sys/stat.h>

namespace intellisched {

/// Whether a user's files and links may decide what this process does: as root those of root, of
/// the user behind sudo (SUDO_UID) and of the owner of this program, who decides that anyway.
[[nodiscard]] bool trusted_user(uid_t user);

/// Whether nobody but trusted users can change what has this status. Group and others may have no
/// right to write; into a folder they may when it is sticky, as /tmp: what is in it counts by its
/// own owner. An access control list shows in the rights of the group.
[[nodiscard]] bool trusted(const struct stat& status);

/// The same for what is open as `fd`; `name` is for the message. Errors: others can change it.
[[nodiscard]] Result<void> check_trusted(int fd, const std::string& name);

/// The same for what stands at `path`, and for every folder and link on the way there, so that it
/// is still the same when it is opened by its name. Errors: others can change one of them; `path`
/// cannot be reached.
[[nodiscard]] Result<void> check_trusted_path(const std::filesystem::path& path);

} // namespace intellisched
