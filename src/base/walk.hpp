// SPDX-License-Identifier: MIT
#pragma once

#include "src/base/files.hpp"

namespace intellisched {

/// Where a path leads.
struct Walked {
    FileDescriptor fd;     ///< O_PATH
    std::string untrusted; ///< the first thing on the way, or at the end, that others than
                           ///< trusted users can change; "": none
};

/// Walks along `path` from folder to folder, each opened by the descriptor of the one before,
/// because others could replace a folder by a link meanwhile. `make`: creates missing folders.
/// Errors: those of the file system; a link of a user who is not trusted.
[[nodiscard]] Result<Walked> walk(const std::filesystem::path& path, bool make = false);

} // namespace intellisched
