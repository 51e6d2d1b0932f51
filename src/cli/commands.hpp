// SPDX-License-Identifier: MIT
// The commands of `intellisched`, one file each. A command adds itself to the command line, and
// sets `action` if it is the one that was asked for.
#pragma once

#include "src/cli/program.hpp"

namespace intellisched::cli {

void add_recommend(CLI::App& app, Action& action);
void add_guests(CLI::App& app, Action& action);
void add_diagnose(CLI::App& app, Action& action);
void add_apply(CLI::App& app, Action& action);
void add_record(CLI::App& app, Action& action);
void add_features(CLI::App& app, Action& action);
void add_daemon(CLI::App& app, Action& action);
void add_status(CLI::App& app, Action& action);
void add_top(CLI::App& app, Action& action);
void add_history(CLI::App& app, Action& action);
void add_report(CLI::App& app, Action& action);
void add_pause_and_resume(CLI::App& app, Action& action);

} // namespace intellisched::cli
