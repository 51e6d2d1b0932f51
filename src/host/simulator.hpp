// SPDX-License-Identifier: MIT
// The simulator as a program.
#pragma once

#include "src/base/result.hpp"

#include <filesystem>
#include <string>
#include <string_view>

namespace intellisched {

/// Finds credit2-sim: $CREDIT2_SIM if it is set, else as find_companion(). Root takes none that
/// others than trusted users can change (check_trusted_path()). Errors: not found; the message says
/// how to get it.
[[nodiscard]] Result<std::filesystem::path> find_simulator();

/// The last line of what a program wrote to stderr, made safe for a message.
[[nodiscard]] std::string last_line(std::string_view words);

} // namespace intellisched
