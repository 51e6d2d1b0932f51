// SPDX-License-Identifier: MIT
#include "bench/training/train.hpp"

#include "bench/cli/commands.hpp"
#include "bench/training/samples.hpp"
#include "src/base/interrupt.hpp"
#include "src/cli/output.hpp"

namespace intellisched::cli {
namespace {

struct TrainArguments {
    std::string samples;
    std::string out;
    bool json = false;
    TrainOptions training;
};

Result<Model> train_model(const std::vector<proto::Sample>& samples, TrainOptions options) {
    Progress progress;
    options.progress = [&](std::size_t rounds, std::size_t total) {
        progress.show(fmt::format("training: {} of {} rounds", rounds, total));
    };
    auto model = train(samples, options);
    if (model) TRY(check_trials(*model, samples, options));
    return model;
}

std::string told(const Model& model, const std::string& path) {
    const auto& manifest = model.manifest;
    const auto& summary = manifest.training();
    std::string text =
        fmt::format("{}: model {} ({}) of the {}, {} samples of {} scenarios, version "
                    "{} of the score\nheld out by workload family:\n",
                    path, manifest.id(), printable(manifest.name()), manifest.knob(),
                    summary.samples(), summary.scenarios(), manifest.score_version());
    for (const auto& one : summary.held_out())
        text += fmt::format("  {:<10}  accuracy {:.1f}%, mean regret {:.2f}%; the boot default: "
                            "mean regret {:.2f}%\n",
                            one.intent(), one.accuracy() * 100, one.regret() * 100,
                            one.default_regret() * 100);
    return text;
}

Result<int> train_bundle(TrainArguments& options) {
    // A model decides what root does to a host.
    const auto samples = TRY(read_samples(options.samples, Author::trusted));
    const auto about = [&](Knob knob) {
        std::vector<proto::Sample> some;
        std::ranges::copy_if(samples, std::back_inserter(some),
                             [&](const auto& sample) { return knob_of(sample) == knob; });
        return some;
    };
    options.training.stop = &interrupted;
    Bundle bundle = TRY(train_model(about(Knob::layout), options.training));
    if (const auto some = about(Knob::rate_limit); !some.empty())
        bundle.rate_limit = TRY(train_model(some, options.training));
    TRY(write_bundle(bundle, options.out));

    std::string text = options.json ? json_output(bundle.manifest) : told(bundle, options.out);
    if (bundle.rate_limit)
        text += options.json ? json_output(bundle.rate_limit->manifest)
                             : told(*bundle.rate_limit, options.out);
    TRY(print(text));
    return done;
}

} // namespace

void add_train(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("train", "make a model bundle from samples");
    auto options = std::make_shared<TrainArguments>();
    auto& training = options->training;
    command->add_option("--samples", options->samples, "directory of *.samples files")->required();
    command->add_option("--out", options->out, "the bundle to write")->required();
    command->add_option("--name", training.name, "what recommend shall call the model");
    command->add_option("--source", training.source, "where the scores come from, in words");
    command->add_flag("--snapshot", training.snapshot,
                      "without the features that need a trace: for counters and topology alone");
    command->add_option("--jobs", training.jobs, "threads; they change nothing in the model")
        ->capture_default_str()
        ->check(CLI::Range(1U, 1024U));
    add_learning(*command, training);
    command->add_flag("--json", options->json, "print each model's manifest as JSON");
    command->callback(
        [options, &action] { action = [options] { return train_bundle(*options); }; });
}

} // namespace intellisched::cli
