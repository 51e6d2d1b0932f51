// SPDX-License-Identifier: MIT
#include "collector/window/features.hpp"
#include "src/base/interrupt.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/output.hpp"
#include "src/cli/shared_options.hpp"
#include "src/cli/source.hpp"
#include "src/host/observe.hpp"
#include "src/model/classifier.hpp"
#include "src/model/inputs.hpp"
#include "src/model/sample.hpp"
#include "src/model/score.hpp"
#include "src/policy/findings.hpp"
#include "src/pool/pool_loop.hpp"
#include "src/proto/recommendation.pb.h"
#include "src/proto/text.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <set>

namespace intellisched::cli {
namespace {

struct RecommendArguments {
    Source source;
    double seconds = 10;
    std::string intent = "balanced";
    std::string bundle;
    std::string costs_file;
    std::vector<float> costs; ///< that the file names, as the model takes them; or none
    bool explain = false;
    bool json = false;
};

/// One window of the pool, kept for the explanation.
struct Seen {
    FeatureVector features;
    PoolFacts facts;
};

/// What came of watching the pool.
struct Watched {
    PoolFacts facts; ///< of the last window
    std::vector<Seen> windows;
    std::vector<Observation> observations;
    Findings findings;
    proto::HostSnapshot snapshot; ///< the last one
    std::vector<std::string> odd; ///< what does not fit the host: its CPUs, its clocks
};

// Explaining takes about 2 ms a window; a few, evenly spread, say as much as all of them.
constexpr std::size_t explained_windows = 16;
constexpr std::size_t explained_features = 8;

/// Whether the pool is the same machine to the model: its CPUs, its runqueues, and what each layout
/// would make of them.
bool same_configuration(const PoolFacts& a, const PoolFacts& b) {
    return a.in_force == b.in_force && a.rate_limit_us == b.rate_limit_us &&
           a.runqueues_in_force == b.runqueues_in_force && a.representatives == b.representatives &&
           a.runqueues == b.runqueues;
}

Result<Watched> watch(const RecommendArguments& options, const Classifier& classifier,
                      Intent intent) {
    auto host = TRY(options.source.open());

    Watched watched;
    std::optional<Pool> pool;
    Result<void> predicted;
    std::uint64_t events = 0, decisions = 0;
    Progress progress;
    const auto start = std::chrono::steady_clock::now();
    const auto elapsed = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    ObserveOptions observation;
    observation.tap = [&](const HostItem& item) -> Result<void> {
        const auto* seen = std::get_if<HostView>(&item);
        if (!seen) return {};
        auto found = TRY(find_pool(seen->pools, options.source.pool));
        if (found.scheduler != "credit2")
            return fail("cpupool '{}' runs the {} scheduler, which has no runqueue layouts; "
                        "intellisched is for credit2 pools",
                        printable(found.name), printable(found.scheduler));
        pool = std::move(found);
        watched.snapshot = seen->snapshot;
        return {};
    };
    observation.stop = [&] {
        if (options.source.live())
            progress.show(fmt::format("watching cpupool {}: {:.0f} of {:.0f} s",
                                      options.source.pool, elapsed(), options.seconds));
        return interrupted || !predicted || (options.source.live() && elapsed() >= options.seconds);
    };
    auto observed = observe(*host, observation, [&](const WindowStats& stats) {
        if (!pool || stats.facts.pool_id != pool->id || !predicted) return;
        if (!same_configuration(watched.facts, stats.facts)) {
            watched.findings = {};
            watched.observations.clear(); // what was seen of another pool speaks of that one
            watched.windows.clear();
        }
        watched.facts = stats.facts;
        watched.findings.add(stats);
        events += stats.events;
        decisions += stats.decisions;
        auto looked =
            look(stats, watched.snapshot, classifier, {.intent = intent, .costs = options.costs});
        if (!looked) {
            predicted = tl::unexpected(looked.error());
            return;
        }
        watched.observations.push_back(looked->seen.observation);
        watched.windows.push_back({std::move(looked->features), stats.facts});
    });
    if (!observed) return tl::unexpected(observed.error());
    if (!predicted) return tl::unexpected(predicted.error());
    if (!pool) return fail("the host gave no snapshot of its pools; nothing can be recommended");
    watched.odd = observed->told();
    for (const auto& [cpu, seconds] : observed->clocks)
        watched.odd.push_back(clock_text(cpu, seconds));
    if (watched.observations.empty())
        return fail("cpupool '{}': the trace is too short for one window of a second; record or "
                    "watch for longer",
                    printable(pool->name));
    if (events > 0 && decisions == 0)
        return fail("cpupool '{}': the trace has no credit2 records; record it with the event mask "
                    "0x2f000 on a pool that runs credit2",
                    printable(pool->name));
    return watched;
}

/// The weights of the features for a layout, averaged over some of the windows.
Result<std::vector<Contribution>> explain(const Classifier& classifier, const Watched& watched,
                                          Intent intent, std::span<const float> costs,
                                          Layout layout) {
    const std::size_t count = watched.windows.size();
    const std::size_t used = std::min(count, explained_windows);
    std::map<std::size_t, Contribution> sums;
    std::map<std::size_t, unsigned> values;
    for (std::size_t i = 0; i < used; ++i) {
        const Seen& seen = watched.windows[i * count / used];
        auto contributions = TRY(classifier.explain(
            {&seen.features, intent, seen.facts.current, seen.facts.representatives, costs}, layout,
            model_feature_count()));
        for (const Contribution& one : contributions) {
            Contribution& sum = sums[one.feature];
            sum.feature = one.feature;
            sum.weight += one.weight / static_cast<double>(used);
            if (std::isnan(one.value)) continue;
            sum.value += one.value;
            ++values[one.feature];
        }
    }
    std::vector<Contribution> result;
    for (auto& [feature, sum] : sums) {
        const unsigned n = values[feature];
        sum.value = n > 0 ? sum.value / n : std::numeric_limits<double>::quiet_NaN();
        result.push_back(sum);
    }
    std::sort(result.begin(), result.end(), [](const Contribution& a, const Contribution& b) {
        return std::abs(a.weight) > std::abs(b.weight);
    });
    result.resize(std::min(result.size(), explained_features));
    return result;
}

/// What there is to say beside the verdict: of the layout in force, of what does not fit the host.
std::vector<std::string> remarks(const Watched& watched) {
    const PoolFacts& facts = watched.facts;
    std::vector<std::string> remarks = watched.odd;
    const std::string in_force = to_string(facts.in_force);
    const auto runqueues = facts.runqueues_in_force.size();
    if (!facts.explained) {
        remarks.push_back(fmt::format("{} is in force by name, but the trace shows {} runqueues, "
                                      "which it does not give",
                                      in_force, runqueues));
        return remarks;
    }
    if (!facts.exact)
        remarks.push_back(fmt::format("{} is in force, which is {} runqueues; the table's layouts "
                                      "are without a cap: `intellisched apply --pool {} --layout "
                                      "{}` gives the {} that the model speaks of",
                                      in_force, runqueues, facts.pool, to_string(facts.current),
                                      facts.runqueues[index(facts.current)]));
    else if (facts.current != facts.in_force.layout)
        remarks.push_back(fmt::format("{} is in force, which is the same runqueues as {}", in_force,
                                      to_string(facts.current)));
    return remarks;
}

proto::Recommendation message(const Classifier& classifier, const Watched& watched,
                              const Verdict& verdict) {
    const PoolFacts& facts = watched.facts;
    const auto& manifest = classifier.manifest();
    proto::Recommendation out;
    out.set_pool(facts.pool);
    out.set_current(std::string(to_string(facts.current)));
    out.set_runqueues(static_cast<std::uint32_t>(facts.runqueues_in_force.size()));
    if (facts.rate_limit_us) out.set_rate_limit_us(*facts.rate_limit_us);
    out.set_recommended(std::string(to_string(verdict.layout)));
    out.set_verdict(std::string(to_string(verdict.decision)));
    out.set_confidence(verdict.mean.probability[index(verdict.layout)]);
    out.set_expected_gain(verdict.mean.expected_gain[index(verdict.layout)]);
    for (Layout layout : all_layouts) {
        auto* row = out.add_layouts();
        row->set_layout(std::string(to_string(layout)));
        row->set_probability(verdict.mean.probability[index(layout)]);
        row->set_expected_gain(verdict.mean.expected_gain[index(layout)]);
        row->set_runqueues(facts.runqueues[index(layout)]);
        for (Layout other : all_layouts)
            if (other != layout &&
                facts.representatives[index(other)] == facts.representatives[index(layout)])
                row->add_equivalent_to(std::string(to_string(other)));
    }
    for (const Reason& reason : verdict.reasons) out.add_reasons(reason.text);
    for (const std::string& remark : remarks(watched)) out.add_reasons(remark);
    for (const std::string& finding : watched.findings.text(watched.snapshot))
        out.add_reasons(finding);
    out.mutable_model()->set_id(manifest.id());
    out.mutable_model()->set_schema(manifest.schema_version());
    out.mutable_model()->set_name(manifest.name());
    out.mutable_model()->set_samples(manifest.training().samples());
    out.mutable_model()->set_source(manifest.training().source());
    out.mutable_model()->set_score_version(score_version_of(manifest));
    out.set_windows(verdict.windows);
    return out;
}

void add_explanation(proto::Recommendation& out, const Classifier& classifier,
                     const std::vector<Contribution>& contributions) {
    const auto schema = feature_schema();
    for (const Contribution& one : contributions) {
        auto* row = out.add_explanation();
        row->set_feature(classifier.manifest().feature_names(static_cast<int>(one.feature)));
        row->set_value(one.value);
        row->set_contribution(one.weight);
        if (one.feature < schema.size()) {
            row->set_unit(std::string(schema[one.feature].unit));
            row->set_meaning(std::string(schema[one.feature].meaning));
        } else if (one.feature < first_intent_input()) {
            row->set_meaning(
                fmt::format("the machine's {}", sample_costs.at(one.feature - schema.size())));
        } else {
            const auto intent = all_intents.at(one.feature - first_intent_input());
            row->set_unit("0 or 1");
            row->set_meaning(fmt::format("the intent is {}", to_string(intent)));
        }
    }
}

/// A feature's value as a person would write it.
std::string value_text(double value, const std::string& unit) {
    if (std::isnan(value)) return "not seen";
    if (unit == "0 or 1") return value > 0.5 ? "yes" : "no";
    if (unit == "fraction") return fmt::format("{:.1f}%", value * 100);
    if (unit.empty() || unit == "count" || unit == "ratio") return fmt::format("{:.4g}", value);
    return fmt::format("{:.4g} {}", value, unit);
}

std::string table(const proto::Recommendation& r, std::string_view intent, Layout explained) {
    std::string text = fmt::format(
        "cpupool {}: layout {}{} now, intent {}, {} windows\n\n", printable(r.pool()), r.current(),
        r.has_rate_limit_us() ? ", rate limit " + rate_limit_text(r.rate_limit_us()) : "", intent,
        r.windows());
    text += fmt::format("{:<8}{:>13}{:>15}{:>11}   {}\n", "layout", "probability", "expected gain",
                        "runqueues", "equivalent to");
    for (const auto& row : r.layouts()) {
        const bool current = row.layout() == r.current(), chosen = row.layout() == r.recommended();
        std::string same;
        for (const auto& other : row.equivalent_to()) same += (same.empty() ? "" : ", ") + other;
        const std::string_view mark = current ? "current" : chosen ? "<- recommended" : "";
        text += fmt::format("{:<8}{:>12.1f}%{:>14.1f}%{:>11}   ", row.layout(),
                            row.probability() * 100, row.expected_gain() * 100, row.runqueues());
        text += mark.empty() ? fmt::format("{}\n", same.empty() ? "-" : same)
                             : fmt::format("{:<18} {}\n", same.empty() ? "-" : same, mark);
    }
    text += fmt::format("\nverdict: {}{}\n", r.verdict(),
                        r.verdict() == "switch" ? " to " + r.recommended() : "");
    for (const auto& reason : r.reasons()) text += fmt::format("  - {}\n", reason);
    if (!r.explanation().empty()) {
        text += fmt::format("\nwhat speaks for (+) and against (-) {}, in log-odds:\n",
                            to_string(explained));
        for (const auto& row : r.explanation())
            text += fmt::format("  {:+6.2f}  {} = {} ({})\n", row.contribution(), row.meaning(),
                                value_text(row.value(), row.unit()), row.feature());
    }
    const auto& model = r.model();
    text += fmt::format("\nmodel {} ({}), {} samples; {}\n", model.name(), model.id(),
                        model.samples(), model.source());
    if (model.score_version() != score_version)
        text += fmt::format("its gains are of version {} of the score, this program's is version "
                            "{}: read them as an order, not as percents\n",
                            model.score_version(), score_version);
    return text;
}

/// The machine's costs from a file of them.
Result<void> read_costs(RecommendArguments& options) {
    if (options.costs_file.empty()) return {};
    proto::Costs costs;
    TRY(parse_text_file(options.costs_file, costs));
    const auto values = costs_for_sample(costs);
    options.costs.assign(values.begin(), values.end());
    return {};
}

Result<int> recommend(RecommendArguments& options) {
    TRY(read_costs(options));
    const auto intent = intent_from_string(options.intent);
    auto bundle = TRY(bundle_path(options.bundle).and_then(read_bundle));
    auto classifier = TRY(Classifier::load(bundle));
    auto watched = TRY(watch(options, classifier, *intent));

    const Verdict verdict =
        judge(watched.observations, watched.facts.current, watched.facts.representatives);
    proto::Recommendation out = message(classifier, watched, verdict);
    if (options.explain) {
        auto contributions =
            TRY(explain(classifier, watched, *intent, options.costs, verdict.favourite));
        add_explanation(out, classifier, contributions);
    }
    TRY(print(options.json ? to_json(out) : table(out, options.intent, verdict.favourite)));
    return verdict.decision == Decision::abstain ? abstained : done;
}

} // namespace

void add_recommend(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "recommend", "name the best layout for a cpupool, with a verdict and its reasons");
    auto options = std::make_shared<RecommendArguments>();
    options->source.add_to(*command);
    options->source.add_trace_options(*command);
    command->add_option("--seconds", options->seconds, "how long to watch a live host")
        ->capture_default_str()
        ->check(seconds_range());
    command->add_option("--intent", options->intent, "throughput, latency or balanced")
        ->capture_default_str()
        ->check(CLI::IsMember({"throughput", "latency", "balanced"}));
    command->add_option("--bundle", options->bundle,
                        "the model bundle (default: $INTELLISCHED_BUNDLE, else the installed one)");
    command->add_option("--costs", options->costs_file,
                        "what things cost on this machine: protobuf text of Costs "
                        "(src/proto/scenario.proto); without it the model does without");
    command->add_flag("--explain", options->explain, "show the features that moved the prediction");
    command->add_flag("--json", options->json, "print JSON");
    command->callback([options, &action] { action = [options] { return recommend(*options); }; });
}

} // namespace intellisched::cli
