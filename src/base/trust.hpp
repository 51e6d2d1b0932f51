// SPDX-License-Identifier: MIT
// Whose files root may act on. Any other user acts with rights of their own only, so for them every
// check here succeeds.
#pragma once

#include "src/base/result.hpp"

#include <filesystem>
#include <sys/stat.h>

namespace intellisched {

/// Whether a user's files and links may decide what this process does. Root trusts root, the user
/// behind sudo (SUDO_UID) and the owner of this program, who decides that anyway.
[[nodiscard]] bool trusted_user(uid_t user);

/// Whether only trusted users can change the file of this status. Group and others must have no
/// right to write, except into a sticky folder such as /tmp, where each file counts by its own
/// owner. (An access control list shows in the rights of the group.)
[[nodiscard]] bool trusted(const struct stat& status);

/// The same for the open file `fd`; `name` is for the message. Errors: others can change it.
[[nodiscard]] Result<void> check_trusted(int fd, const std::string& name);

/// The same for what is at `path`, and for every folder and link on the way there, so that opening
/// it by name opens what was checked. Errors: others can change one of them; `path` cannot be
/// reached.
[[nodiscard]] Result<void> check_trusted_path(const std::filesystem::path& path);

} // namespace intellisched
