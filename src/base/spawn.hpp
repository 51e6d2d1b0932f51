// SPDX-License-Identifier: MIT
// Starts another program with exactly the descriptors that it is given.
#pragma once

#include "src/base/result.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

namespace intellisched {

/// A descriptor of ours, and the number that it has in the child.
struct GivenDescriptor {
    int ours = -1;
    int there = -1;
};

/// Numbers in a child are below this.
inline constexpr int above_given_descriptors = 16;

/// Starts `program` with these arguments (without its own name). Standard input and output are
/// /dev/null unless given. The child has a process group of its own, so that Ctrl-C reaches only
/// this process, and signals as a shell leaves them. Errors: the system's.
[[nodiscard]] Result<pid_t> spawn(const std::filesystem::path& program,
                                  std::vector<std::string> arguments,
                                  std::span<const GivenDescriptor> given);

} // namespace intellisched
