// SPDX-License-Identifier: MIT
// The commands of `intellisched`, one file each. A command adds itself to the command line and
// leaves behind what is to be run when it is the one that was asked for.
#pragma once

#include "src/base/result.hpp"

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>

namespace intellisched::cli {

// Exit statuses of the contract: 2 is CLI11's and main's.
inline constexpr int done = 0;
inline constexpr int failed = 1;
inline constexpr int wrong_usage = 2;
inline constexpr int abstained = 3;

/// Set by main to what the command returns: an exit status, or the error to print.
using Action = std::function<Result<int>()>;

void add_recommend(CLI::App& app, Action& action);
void add_record(CLI::App& app, Action& action);
void add_import(CLI::App& app, Action& action);
void add_features(CLI::App& app, Action& action);
void add_train(CLI::App& app, Action& action);
void add_evaluate(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_demo(CLI::App& app, Action& action);
void add_apply(CLI::App& app, Action& action);
void add_calibrate(CLI::App& app, Action& action);
void add_daemon(CLI::App& app, Action& action);
void add_status(CLI::App& app, Action& action);
void add_top(CLI::App& app, Action& action);
void add_history(CLI::App& app, Action& action);
void add_pause_and_resume(CLI::App& app, Action& action);

} // namespace intellisched::cli
