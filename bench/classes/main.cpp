// SPDX-License-Identifier: MIT
// The classes of guests: samples from simulated hosts, the model that is made of them, and what it
// is worth on what it has not seen.
//
//     guest-classes collect --plan bench/plans/classes.plan --out FILE [--jobs N]
//     guest-classes learn --samples FILE --bundle models/default.bundle --source TEXT
//     guest-classes judge --samples FILE
//
// `learn` puts the model into the bundle, whose other models stay as they are to the byte.
#include "bench/classes/collect.hpp"
#include "bench/classes/learn.hpp"
#include "src/model/bundle.hpp"

#include <CLI/CLI.hpp>

using namespace intellisched;

namespace {

struct Options {
    std::string plan, samples, bundle, source, folder;
    unsigned jobs = 1;
    ClassLearning learning;
};

Result<void> collect(const Options& options) {
    const std::string folder =
        options.folder.empty() ? options.samples + ".scenarios" : options.folder;
    const auto samples = TRY(collect_guests(options.plan, folder, options.jobs));
    TRY(write_guests(samples, options.samples));
    fmt::print("{}: {} guests\n", options.samples, samples.size());
    return {};
}

Result<void> learn(const Options& options) {
    const auto samples = TRY(read_guests(options.samples));
    Bundle bundle = TRY(read_bundle(options.bundle));
    auto model = TRY(learn_classes(samples, options.learning));
    model.manifest.set_source(options.source);
    fmt::print(
        "{}: classes of guests, from {} of {} scenarios, told from a confidence of {:.2f} on; "
        "{} bytes\n",
        options.bundle, model.manifest.samples(), model.manifest.scenarios(),
        model.manifest.least_confidence(), compress_model(model.ubj).size());
    bundle.guest_classes = std::move(model);
    return write_bundle(std::move(bundle), options.bundle);
}

Result<void> judge(const Options& options) {
    const auto samples = TRY(read_guests(options.samples));
    for (const auto& [by, words] :
         {std::pair{HeldOutBy::topology, "topology"}, std::pair{HeldOutBy::scenario, "scenario"}}) {
        const auto judged = TRY(judge_classes(samples, options.learning, by));
        fmt::print("held out by {}: {}\n", words, text_of(judged));
    }
    return {};
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("The classes of guests: samples, the model, and what it is worth.");
    app.require_subcommand(1);
    Options options;
    const auto add = [&](const char* name, const char* text) {
        auto* command = app.add_subcommand(name, text);
        command
            ->add_option(name == std::string("collect") ? "--out" : "--samples", options.samples,
                         "file of samples")
            ->required();
        return command;
    };
    auto* collecting = add("collect", "run a plan on simulated hosts, and write a sample a guest");
    collecting->add_option("--plan", options.plan, "what to run")->required();
    collecting->add_option("--scenarios", options.folder,
                           "folder of generated scenarios (default: beside the samples)");
    collecting->add_option("--jobs", options.jobs, "runs at a time; they change nothing")
        ->check(CLI::Range(1, 1024));
    auto* learning = add("learn", "make the model, and put it into a bundle");
    learning->add_option("--bundle", options.bundle, "the bundle to change")->required();
    learning->add_option("--source", options.source, "where the truth comes from, in words");
    auto* judging = add("judge", "hold out each topology, and parts of the scenarios");
    for (auto* command : {learning, judging}) {
        command->add_option("--rounds", options.learning.rounds, "of boosting")
            ->capture_default_str();
        command->add_option("--depth", options.learning.max_depth, "of a tree")
            ->capture_default_str();
        command->add_option("--learning-rate", options.learning.learning_rate)
            ->capture_default_str();
        command->add_option("--leaf", options.learning.leaf, "least weight of a leaf")
            ->capture_default_str();
        command->add_option("--seed", options.learning.seed, "the same gives the same bytes")
            ->capture_default_str();
    }
    CLI11_PARSE(app, argc, argv);
    const auto done = collecting->parsed() ? collect(options)
                      : learning->parsed() ? learn(options)
                                           : judge(options);
    if (done) return 0;
    fmt::print(stderr, "guest-classes: {}\n", done.error().message);
    return 1;
}
