// SPDX-License-Identifier: MIT
#include "src/base/counted.hpp"
#include "src/base/interrupt.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/explanation.hpp"
#include "src/cli/output.hpp"
#include "src/cli/pool_watch.hpp"
#include "src/cli/recommendation_text.hpp"
#include "src/cli/shared_options.hpp"
#include "src/layout/snapshot.hpp"
#include "src/model/classifier.hpp"
#include "src/model/inputs.hpp"
#include "src/model/sample.hpp"
#include "src/pool/pool_loop.hpp"
#include "src/proto/recommendation.pb.h"
#include "src/proto/text.hpp"

#include <algorithm>

namespace intellisched::cli {
namespace {

struct RecommendArguments {
    WatchOptions watch;
    std::string costs_file;
    bool explain = false;
    bool json = false;
};

/// What there is to say beside the verdict: of the layout in force, of what is missing or odd.
std::vector<std::string> remarks(const Watched& watched) {
    const PoolFacts& facts = watched.facts;
    std::vector<std::string> remarks = remarks_on(watched);
    const std::string in_force = to_string(facts.in_force);
    const auto runqueues = facts.runqueues_in_force.size();
    if (!facts.explained) {
        remarks.push_back(fmt::format("{} is in force by name, but the trace shows {}, which it "
                                      "does not give",
                                      in_force, counted(runqueues, "runqueue")));
        return remarks;
    }
    if (!facts.exact)
        remarks.push_back(fmt::format(
            "{} is in force, which is {}; the table's layouts are without a cap: `{}` gives the {} "
            "that the model speaks of",
            in_force, counted(runqueues, "runqueue"),
            layout_command(facts.pool, facts.pool_id, facts.can_rearrange, facts.current),
            facts.runqueues[index(facts.current)]));
    else if (facts.current != facts.in_force.layout)
        remarks.push_back(fmt::format("{} is in force, which is the same runqueues as {}", in_force,
                                      to_string(facts.current)));
    return remarks;
}

/// Of those that a verdict rests on.
std::vector<ExplainedWindow> usable(const std::vector<ExplainedWindow>& windows,
                                    const std::vector<Observation>& seen) {
    std::vector<ExplainedWindow> used;
    for (std::size_t i = 0; i < std::min(windows.size(), seen.size()); ++i)
        if (!rejected(seen[i], InputGate())) used.push_back(windows[i]);
    return used;
}

/// What the bundle tells of the model's worth under the intent.
void add_held_out(auto& to, const Classifier& model, std::string_view intent) {
    for (const proto::HeldOut& one : model.manifest().training().held_out())
        if (one.intent() == intent) *to.mutable_held_out() = one;
}

proto::Recommendation message(const Classifier& classifier, const Watched& watched,
                              const Verdict& verdict) {
    const PoolFacts& facts = watched.facts;
    const auto& manifest = classifier.manifest();
    proto::Recommendation out;
    out.set_pool(facts.pool);
    out.set_current(std::string(to_string(facts.current)));
    out.set_runqueues(static_cast<std::uint32_t>(facts.runqueues_in_force.size()));
    out.set_max_cpus(facts.in_force.max_cpus);
    if (facts.rate_limit_us) out.set_rate_limit_us(*facts.rate_limit_us);
    out.set_recommended(std::string(to_string(layout_of(verdict.option))));
    out.set_verdict(std::string(to_string(verdict.decision)));
    out.set_favoured(std::string(to_string(layout_of(verdict.favourite))));
    out.set_confidence(verdict.mean.probability[index(verdict.option)]);
    out.set_expected_gain(verdict.mean.expected_gain[index(verdict.option)]);
    for (Layout layout : all_layouts) {
        auto* row = out.add_layouts();
        row->set_layout(std::string(to_string(layout)));
        row->set_probability(verdict.mean.probability[index(layout)]);
        row->set_expected_gain(verdict.mean.expected_gain[index(layout)]);
        row->set_runqueues(facts.runqueues[index(layout)]);
        row->set_in_force(layout == facts.current);
        for (Layout other : all_layouts)
            if (other != layout &&
                facts.representatives[index(other)] == facts.representatives[index(layout)])
                row->add_equivalent_to(std::string(to_string(other)));
    }
    for (const Reason& reason : verdict.reasons) out.add_reasons(reason.text);
    if (verdict.decision == Decision::switch_option) {
        out.set_command(layout_command(facts.pool, facts.pool_id, facts.can_rearrange,
                                       layout_of(verdict.option)));
        out.set_undo(layout_undo(facts.pool, facts.pool_id, facts.can_rearrange, facts.in_force));
    }
    for (const std::string& remark : remarks(watched)) out.add_reasons(remark);
    // The others are of `diagnose`, or told by the verdict.
    for (const Findings::Finding& finding : watched.findings.list(watched.snapshot))
        if (finding.code == "stalled-vcpu" || finding.code == "outweighed" ||
            finding.code == "rate-limit")
            out.add_reasons(finding.text);
    out.mutable_model()->set_id(manifest.id());
    out.mutable_model()->set_schema(manifest.schema_version());
    out.mutable_model()->set_name(manifest.name());
    out.mutable_model()->set_samples(manifest.training().samples());
    out.mutable_model()->set_source(manifest.training().source());
    out.mutable_model()->set_score_version(score_version_of(manifest));
    out.set_windows(verdict.windows);
    out.set_needed_gain(Margins().gain);
    return out;
}

void add_rate_limit(proto::Recommendation& out, const Watched& watched, const Verdict& verdict) {
    const Option current = rate_limit_option(watched.facts);
    auto& to = *out.mutable_rate_limit();
    const auto in_force = watched.facts.rate_limit_us;
    to.set_recommended_us(verdict.option == current && in_force ? *in_force
                                                                : limit_of(verdict.option));
    to.set_favoured_us(limit_of(verdict.favourite));
    to.set_verdict(std::string(to_string(verdict.decision)));
    to.set_windows(verdict.windows);
    to.set_needed_gain(rate_limit_margins().gain);
    to.set_confidence(verdict.mean.probability[index(verdict.option)]);
    to.set_expected_gain(verdict.mean.expected_gain[index(verdict.option)]);
    for (const Option option : all_options) {
        auto& row = *to.add_rate_limits();
        row.set_rate_limit_us(limit_of(option));
        row.set_probability(verdict.mean.probability[index(option)]);
        row.set_expected_gain(verdict.mean.expected_gain[index(option)]);
    }
    for (const Reason& reason : verdict.reasons) to.add_reasons(reason.text);
    if (in_force && *in_force != limit_of(current))
        to.add_reasons(fmt::format("{} is in force, which is judged as {}",
                                   rate_limit_text(*in_force), rate_limit_text(limit_of(current))));
    if (verdict.decision != Decision::switch_option) return;
    const auto command = [&](unsigned us) {
        return rate_limit_command(watched.facts.pool, watched.facts.pool_id, us);
    };
    to.set_command(command(limit_of(verdict.option)));
    to.set_undo(command(in_force.value_or(default_rate_limit_us)));
}

/// The machine's costs from a file of them.
Result<void> read_costs(RecommendArguments& options) {
    if (options.costs_file.empty()) return {};
    proto::Costs costs;
    TRY(parse_text_file(options.costs_file, costs));
    const auto values = costs_for_sample(costs);
    options.watch.costs.assign(values.begin(), values.end());
    return {};
}

Result<int> recommend(RecommendArguments& options) {
    TRY(read_costs(options));
    const auto intent = intent_from_string(options.watch.intent);
    const Bundle bundle = TRY(bundle_path(options.watch.bundle).and_then(read_bundle));
    const auto models = TRY(Models::load(bundle));
    const auto watched = TRY(watch(options.watch, &models));
    if (interrupted)
        fmt::print(stderr, "intellisched: interrupted; the verdict is of what was seen so far\n");

    const Verdict verdict = judge_layout(watched);
    proto::Recommendation out = message(models.layout, watched, verdict);
    const Verdict limit = judge_rate_limit(watched);
    add_held_out(*out.mutable_model(), models.layout, options.watch.intent);
    if (models.rate_limit) {
        add_rate_limit(out, watched, limit);
        add_held_out(*out.mutable_rate_limit(), *models.rate_limit, options.watch.intent);
    }
    if (options.explain) {
        const auto add = [&](const Classifier& model, Knob knob, const Verdict& judged,
                             const std::vector<Observation>& seen, auto& to) -> Result<void> {
            if (judged.windows == 0) {
                to.add_reasons("nothing is explained: no window could be used");
                return {};
            }
            return explain(model, usable(watched.windows, seen),
                           {.knob = knob,
                            .option = judged.favourite,
                            .intent = *intent,
                            .costs = options.watch.costs},
                           *to.mutable_explanation());
        };
        TRY(add(models.layout, Knob::layout, verdict, watched.observations, out));
        if (models.rate_limit)
            TRY(add(*models.rate_limit, Knob::rate_limit, limit, watched.rate_limit,
                    *out.mutable_rate_limit()));
    }
    TRY(print(options.json ? json_output(out) : recommendation_text(out, options.watch.intent)));
    const bool abstains = verdict.decision == Decision::abstain &&
                          (!models.rate_limit || limit.decision == Decision::abstain);
    return abstains ? abstained : done;
}

} // namespace

void add_recommend(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "recommend",
        "name the best layout and rate limit for a cpupool, with verdicts and their reasons");
    auto options = std::make_shared<RecommendArguments>();
    options->watch.add_to(*command);
    options->watch.add_model_to(*command);
    command->add_option("--costs", options->costs_file,
                        "what things cost on this machine: a file that `intellisched-bench "
                        "calibrate` wrote; without it the model does without");
    command->add_flag("--explain", options->explain,
                      "say what of the load speaks for and against what the models favour");
    command->add_flag("--json", options->json, "print JSON");
    command->callback([options, &action] { action = [options] { return recommend(*options); }; });
}

} // namespace intellisched::cli
