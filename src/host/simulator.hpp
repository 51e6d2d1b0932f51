// SPDX-License-Identifier: MIT
// The simulator as a program: where it is, and what it does besides serving a SimHost.
#pragma once

#include "src/base/result.hpp"

#include <cstdint>
#include <filesystem>
#include <string>

namespace intellisched {

/// $CREDIT2_SIM if it is set; else beside this program, in the build tree of this program, on PATH.
/// Errors: nowhere; the message says how to get it.
[[nodiscard]] Result<std::filesystem::path> find_simulator();

/// Has the simulator make up `count` scenarios of a workload family on a topology ("2s8c2t") and
/// write them below `folder`, once: those of the same four are taken as they are there. Returns the
/// folder that has these and nothing else, as *.scenario. Errors: no simulator, and what it says.
[[nodiscard]] Result<std::filesystem::path> generate_scenarios(const std::filesystem::path& folder,
                                                               const std::string& family,
                                                               const std::string& topology,
                                                               unsigned count, std::uint64_t seed);

/// The last line of what a program wrote to stderr, fit for a message of ours.
[[nodiscard]] std::string last_line(std::string_view words);

} // namespace intellisched
