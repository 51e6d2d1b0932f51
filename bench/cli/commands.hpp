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
void add_what_if(CLI::App& app, Action& action);
void add_demo(CLI::App& app, Action& action);

/// --knob of commands that read samples.
inline CLI::Option* add_knob(CLI::App& command, Knob& knob) {
    return command
        .add_option_function<std::string>(
            "--knob", [&knob](const std::string& name) { knob = *knob_from_string(name); },
            "of the samples, those about: layout (the default), or rate-limit")
        ->check(CLI::IsMember({"layout", "rate-limit"}));
}

/// A number in the range. CLI::Range takes NaN for one.
inline CLI::Validator real_within(double least, double most) {
    return {[=](std::string& text) -> std::string {
                double value = 0;
                if (CLI::detail::lexical_cast(text, value) && value >= least && value <= most)
                    return {};
                return fmt::format("{} to {} are accepted, not '{}'", least, most,
                                   printable(text, 32));
            },
            fmt::format("{} to {}", least, most)};
}

/// The options of what trains a model; `to` is a Learning or TrainOptions.
void add_learning(CLI::App& command, auto& to) {
    command.add_option("--rounds", to.rounds, "boosting rounds (trees an option and ensemble)")
        ->capture_default_str()
        ->check(CLI::Range(1U, 1000U));
    command.add_option("--depth", to.max_depth, "depth of a tree, at most")
        ->capture_default_str()
        ->check(CLI::Range(1U, 12U));
    command.add_option("--learning-rate", to.learning_rate, "shrinkage of each round")
        ->capture_default_str()
        ->check(real_within(1e-6, 1));
    command.add_option("--leaf", to.leaf, "least weight of a leaf: about as many rows, or more")
        ->capture_default_str()
        ->check(real_within(1e-6, 1e9));
    command.add_option("--seed", to.seed, "the same seed gives the same model to the byte")
        ->capture_default_str();
}

} // namespace intellisched::cli
