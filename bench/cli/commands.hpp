// SPDX-License-Identifier: MIT
// The commands of `intellisched-bench`, one file each, as src/cli/commands.hpp has the others.
#pragma once

#include "src/cli/program.hpp"
#include "src/model/option.hpp"

namespace intellisched::cli {

void add_bench(CLI::App& app, Action& action);
void add_train(CLI::App& app, Action& action);
void add_evaluate(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_calibrate(CLI::App& app, Action& action);
void add_import(CLI::App& app, Action& action);
void add_demo(CLI::App& app, Action& action);

/// --knob of commands that read samples.
inline CLI::Option* add_knob(CLI::App& command, Knob& knob) {
    return command
        .add_option_function<std::string>(
            "--knob", [&knob](const std::string& name) { knob = *knob_from_string(name); },
            "of the samples, those about: layout (the default), or rate-limit")
        ->check(CLI::IsMember({"layout", "rate-limit"}));
}

} // namespace intellisched::cli
