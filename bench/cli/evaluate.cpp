// SPDX-License-Identifier: MIT
#include "bench/cli/commands.hpp"
#include "bench/evaluation/novelty_study.hpp"
#include "bench/evaluation/report.hpp"
#include "bench/evaluation/study.hpp"
#include "bench/experiment/comparison.hpp"
#include "bench/training/samples.hpp"
#include "src/base/files.hpp"
#include "src/base/interrupt.hpp"
#include "src/cli/output.hpp"

#include <algorithm>
#include <cmath>
#include <thread>

namespace intellisched::cli {
namespace {

struct EvaluateArguments {
    std::string samples;
    std::string bundle;
    std::vector<std::string> other_samples; ///< for the bundle
    std::vector<std::string> hold_out;
    std::string out;
    Knob knob = Knob::layout;
    bool snapshot = false, ablate = false, novelty = false, json = false;
    Learning learning;
    unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
};

std::vector<Group> groups_of(const EvaluateArguments& options) {
    std::vector<Group> groups;
    for (const auto& [name, group] :
         {std::pair{"family", Group::family}, std::pair{"topology", Group::topology},
          std::pair{"scenario", Group::scenario}})
        for (const std::string& wanted : options.hold_out)
            if (wanted == name || (wanted == "all" && group != Group::scenario)) {
                groups.push_back(group);
                break;
            }
    return groups;
}

/// The family, and the sockets where a topology's name ("2s8c2t") tells them.
std::string part_of(const proto::Sample& sample) {
    const std::string& topology = sample.topology();
    const std::size_t digits = topology.find_first_not_of("0123456789");
    if (digits == 0 || digits == std::string::npos || topology[digits] != 's')
        return sample.family();
    return fmt::format("{} on {} socket{}", sample.family(), topology.substr(0, digits),
                       topology.substr(0, digits) == "1" ? "" : "s");
}

void add_choices(const Case& one, const Prediction& prediction, std::vector<bench::Choice>& to) {
    if (knob_of(*one.sample) != Knob::layout) return; // runs are compared by layout
    if (one.intent != Intent::throughput || !under_default(one)) return;
    for (const auto& [method, outcome] : {std::pair{"model", judge(one, prediction)},
                                          std::pair{"policy", judge_cautiously(one, prediction)}})
        to.push_back({one.sample->scenario(), method, part_of(*one.sample),
                      layout_of(one.classes[index(outcome.chosen)]),
                      layout_of(one.classes[index(boot_option)])});
}

Result<void> study(const EvaluateArguments& options, std::span<const proto::Sample> samples,
                   proto::EvaluationReport& report) {
    const auto runs = TRY(bench::read_results(options.samples));
    std::vector<bench::Choice> choices;
    Learning learning = options.learning;
    learning.stop = &interrupted;
    if (options.snapshot) learning.inputs = snapshot_inputs();
    for (const Group group : groups_of(options)) {
        Progress progress;
        const StudyOptions study{
            .learners = all_learners(learning, options.ablate),
            .seed = learning.seed,
            .jobs = options.jobs,
            .progress =
                [&](std::size_t done, std::size_t total) {
                    progress.show(fmt::format("evaluating: {} of {} folds", done, total));
                },
            .stop = &interrupted,
            .said =
                [&](const Case& one, const Prediction& prediction) {
                    if (group == Group::family) add_choices(one, prediction, choices);
                }};
        for (auto& section : TRY(hold_out(samples, group, study)))
            *report.add_sections() = std::move(section);
    }
    for (auto& comparison : bench::compare(runs, choices))
        *report.add_comparisons() = std::move(comparison);
    return {};
}

Result<void> judge_given(const EvaluateArguments& options, std::span<const proto::Sample> samples,
                         proto::EvaluationReport& report) {
    const auto bundle = TRY(read_bundle(options.bundle));
    const auto classifier = TRY(Classifier::load(bundle));
    const auto add = [&](std::span<const proto::Sample> some, const std::string& directory) {
        return judge_bundle(classifier, some, fmt::format("{} on {}", options.bundle, directory))
            .map([&](std::vector<proto::EvaluationSection> sections) {
                for (auto& section : sections) *report.add_sections() = std::move(section);
            });
    };
    TRY(add(samples, options.samples));
    for (const std::string& directory : options.other_samples) {
        auto others = TRY(read_samples(directory));
        TRY(keep_knob(others, options.knob));
        TRY(add(others, directory));
    }
    return {};
}

/// Only of simulated hosts are all costs known.
page::About about(const EvaluateArguments& options, std::span<const proto::Sample> samples) {
    const auto simulated =
        static_cast<std::size_t>(std::ranges::count_if(samples, [](const proto::Sample& one) {
            return one.costs_size() > 0 &&
                   std::ranges::none_of(one.costs(), [](float cost) { return std::isnan(cost); });
        }));
    const bool all = simulated == samples.size();
    return {.subject = (options.bundle.empty() ? "Samples " : options.bundle + " on samples ") +
                       options.samples,
            .date = page::today(),
            .origin = all ? "simulated, with Xen's own credit2"
                      : simulated == 0
                          ? "measured"
                          : fmt::format("{} of {} samples simulated, the others measured",
                                        simulated, samples.size()),
            .costs = simulated > 0 ? "machine costs as the samples have them" : ""};
}

Result<int> evaluate(const EvaluateArguments& options) {
    auto samples = TRY(read_samples(options.samples));
    TRY(keep_knob(samples, options.knob));
    proto::EvaluationReport report;
    if (options.hold_out.empty() && options.bundle.empty() && !options.novelty)
        return fail(
            "nothing to evaluate: ask for --hold-out all, for --novelty, or for a --bundle");
    if (!options.other_samples.empty() && options.bundle.empty())
        return fail("--costs-sensitivity needs the --bundle that is to be judged");
    TRY(study(options, samples, report));
    if (!options.bundle.empty()) TRY(judge_given(options, samples, report));
    if (options.novelty) {
        *report.mutable_novelty() = TRY(study_novelty(
            samples, options.snapshot ? snapshot_inputs() : every_input(), options.learning.seed));
    }
    if (!options.out.empty()) {
        const std::string page = evaluation_page(report, about(options, samples));
        TRY(replace_file(options.out, std::as_bytes(std::span(page))));
    }
    std::string text = options.json ? json_output(report) : evaluation_text(report);
    if (!options.out.empty() && !options.json)
        text += fmt::format("\nthe report as a page: {}\n", options.out);
    TRY(print(text));
    return done;
}

} // namespace

void add_evaluate(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "evaluate", "judge training on what it has not seen, and a bundle on other samples");
    auto options = std::make_shared<EvaluateArguments>();
    command->add_option("--samples", options->samples, "directory of *.samples files")->required();
    add_knob(*command, options->knob);
    command
        ->add_option(
            "--hold-out", options->hold_out,
            "train without each family, topology or scenario (ten folds of those) in turn, "
            "and test on it; all: family and topology")
        ->check(CLI::IsMember({"family", "topology", "scenario", "all"}));
    command->add_flag("--ablate", options->ablate,
                      "also without machine costs, without the trace, without the topology");
    command->add_flag("--snapshot", options->snapshot, "without the features that need a trace");
    command->add_flag("--novelty", options->novelty,
                      "how well windows unlike the training are told from ordinary ones");
    command->add_option("--bundle", options->bundle, "judge this bundle on the samples as well");
    command->add_option("--costs-sensitivity", options->other_samples,
                        "judge it on these samples, made with other machine costs, too");
    add_learning(*command, options->learning);
    command->add_option("--jobs", options->jobs, "folds at a time")
        ->capture_default_str()
        ->check(CLI::Range(1U, 1024U));
    command->add_option("--out", options->out, "write the report as an HTML page");
    command->add_flag("--json", options->json, "print the report as JSON");
    command->callback([options, &action] { action = [options] { return evaluate(*options); }; });
}

} // namespace intellisched::cli
