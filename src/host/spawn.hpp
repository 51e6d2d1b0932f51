// SPDX-License-Identifier: MIT
// Starts another program with just the descriptors that it shall have.
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

/// No child is given one of that number or above.
inline constexpr int above_given_descriptors = 16;

/// Starts `program` with these arguments (not its own name). Where nothing is given its standard
/// input and output are /dev/null. It is in a process group of its own, so that Ctrl-C is ours to
/// act on, and its signals are as a shell leaves them. Errors: the system's.
[[nodiscard]] Result<pid_t> spawn(const std::filesystem::path& program,
                                  std::vector<std::string> arguments,
                                  std::span<const GivenDescriptor> given);

} // namespace intellisched
