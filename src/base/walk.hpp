// SPDX-License-Identifier: MIT
#pragma once

#include "src/base/files.hpp"

namespace intellisched {

/// Where a path leads.
struct Walked {
    FileDescriptor fd;     ///< O_PATH
    std::string untrusted; ///< the first of what stands on the way, or there, that others than
                           ///< trusted users can change; "": nothing
};

/// Goes along `path` from one folder to the next, each by its descriptor, as root must where others
/// could exchange one for a link. `make`: folders that are missing are made. Errors: those of the
/// file system; a link of a user who is not trusted.
[[nodiscard]] Result<Walked> walk(const std::filesystem::path& path, bool make = false);

} // namespace intellisched
