// SPDX-License-Identifier: MIT
// The commands of `intellisched-bench`, one file each, as src/cli/commands.hpp has the others.
#pragma once

#include "src/cli/program.hpp"

namespace intellisched::cli {

void add_bench(CLI::App& app, Action& action);
void add_train(CLI::App& app, Action& action);
void add_evaluate(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_calibrate(CLI::App& app, Action& action);
void add_import(CLI::App& app, Action& action);
void add_demo(CLI::App& app, Action& action);

} // namespace intellisched::cli
