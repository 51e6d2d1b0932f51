// SPDX-License-Identifier: MIT
// What the programs `intellisched` and `intellisched-bench` have in common: a command line of
// commands, signals, the log, a bound on memory, and exit statuses.
#pragma once

#include "src/base/result.hpp"

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>

namespace intellisched::cli {

// Exit statuses of the contract: 2 is CLI11's and run_program()'s.
inline constexpr int done = 0;
inline constexpr int failed = 1;
inline constexpr int wrong_usage = 2;
inline constexpr int abstained = 3;

/// What a command runs; it returns an exit status, or the error to print.
using Action = std::function<Result<int>()>;

/// Parses the command line of `app`, to which its commands have been added, and runs the command
/// that was asked for. Returns the exit status of the program.
[[nodiscard]] int run_program(CLI::App& app, const Action& action, int argc, char** argv);

} // namespace intellisched::cli
