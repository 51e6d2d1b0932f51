// SPDX-License-Identifier: MIT
#include "bench/experiment/results.hpp"

#include "bench/training/samples.hpp"
#include "collector/window/schema.hpp"
#include "src/base/folder.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace intellisched::bench {
namespace {

namespace fs = std::filesystem;

/// Of the plan's layouts, the one that is measured for the partition of `layout`; nothing when the
/// plan has none of it.
std::optional<Layout> leader(const Plan& plan, const Representatives& same, Layout layout) {
    for (const Layout one : plan.layouts)
        if (same[index(one)] == same[index(layout)]) return one;
    return std::nullopt;
}

/// So many numbers, some of them perhaps not known (NaN): as check_sample() wants them.
bool well_formed(const google::protobuf::RepeatedField<float>& numbers, std::size_t count) {
    return static_cast<std::size_t>(numbers.size()) == count &&
           std::none_of(numbers.begin(), numbers.end(),
                        [](float value) { return std::isinf(value); });
}

std::string hashed(std::string_view bytes) {
    std::uint64_t hash = 0xcbf29ce484222325U; // FNV-1a
    for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return fmt::format("{:016x}", hash);
}

} // namespace

Result<RunResult> outcome_of(const proto::Run& run) {
    const auto bad = [&](std::string_view what) {
        return fail("entry {}, layout {}: {}; the results are damaged, start in another directory",
                    printable(run.entry(), 64), printable(run.layout(), 32), what);
    };
    if (!layout_from_string(run.layout())) return bad("no such layout");
    RunResult outcome;
    outcome.fingerprint = run.fingerprint();
    outcome.error = printable(run.error(), 512);
    outcome.simulator = run.simulator();
    outcome.scenario = run.scenario();
    if (!outcome.error.empty()) return outcome;
    if (run.representative_size() != static_cast<int>(layout_count)) return bad("no five classes");
    for (std::size_t l = 0; l < layout_count; ++l) {
        const auto same = layout_from_string(run.representative(static_cast<int>(l)));
        if (!same) return bad("a class of no layout");
        outcome.representatives[l] = *same;
    }
    outcome.shared = !run.same_as().empty();
    if (outcome.shared) return outcome;
    outcome.result = TRY(result_from(run.truth(), run.pool()));
    for (const proto::Run::Window& window : run.windows()) {
        if (!well_formed(window.features(), feature_schema().size()))
            return bad("features of another schema");
        outcome.windows.emplace_back(window.features().begin(), window.features().end());
    }
    // Other versions have other constants.
    if (!run.costs().empty() && run.costs_size() != static_cast<int>(sample_costs.size()))
        return fail(
            "entry {}, layout {}: it has {} costs of the machine, where this program has {}; "
            "another version of it made the results, so use that one, or start in another "
            "directory",
            printable(run.entry(), 64), printable(run.layout(), 32), run.costs_size(),
            sample_costs.size());
    if (!run.costs().empty() && !well_formed(run.costs(), sample_costs.size()))
        return bad("costs that a machine cannot have");
    outcome.costs.assign(run.costs().begin(), run.costs().end());
    return outcome;
}

Result<std::map<RunKey, RunResult>> read_results(const fs::path& directory) {
    std::map<RunKey, RunResult> outcomes;
    const fs::path path = directory / results_name;
    std::error_code error;
    if (!fs::exists(path, error)) return outcomes;
    auto reader = TRY(RecordReader::open(path, results_format, Author::trusted));
    for (;;) {
        proto::Run run;
        auto got = TRY(reader.next(run));
        if (!got) return outcomes;
        // Windows of another schema are no samples: that run is made again.
        if (run.error().empty() && run.schema_version() != feature_schema_version) continue;
        auto outcome = outcome_of(run);
        if (!outcome) return fail("{}: {}", path.string(), outcome.error().message);
        outcomes[{run.entry(), *layout_from_string(run.layout()), run.repeat()}] =
            std::move(*outcome);
    }
}

Result<Results> Results::open(const fs::path& directory) {
    const auto folder = TRY(Folder::open(directory, /*make=*/true));
    TRY(folder.check_trusted());
    const fs::path path = directory / results_name;
    auto file = TRY(RecordWriter::resume(path, results_format));
    Results results(std::move(file));
    results.outcomes_ = TRY(read_results(directory));
    return results;
}
Result<void> Results::add(const proto::Run& run) {
    auto outcome = TRY(outcome_of(run));
    TRY(file_.append(run));
    outcomes_[{run.entry(), *layout_from_string(run.layout()), run.repeat()}] = std::move(outcome);
    return {};
}

const RunResult* Results::find(const RunKey& key) const {
    const auto found = outcomes_.find(key);
    return found == outcomes_.end() ? nullptr : &found->second;
}

bool Results::has(const RunKey& key, const std::string& fingerprint) const {
    const RunResult* outcome = find(key);
    return outcome && outcome->error.empty() && outcome->fingerprint == fingerprint;
}

std::string fingerprint(const Entry& entry, const proto::Scenario& scenario, const Plan& plan,
                        unsigned repeat, const std::string& simulator) {
    // Which layouts there are decides which of equivalent ones is run.
    std::string all = scenario.SerializeAsString() + '\0' + entry.pool + '\0' + entry.family +
                      '\0' + entry.topology + '\0' + simulator;
    for (const Layout layout : plan.layouts) all += to_string(layout);
    if (repeat < plan.traced) all += " traced";
    if (plan.live()) all += fmt::format(" live {} {}", plan.warmup_s, plan.measured_s);
    if (!entry.start.empty()) all += " start " + entry.start;
    return hashed(all);
}

std::string identity(const proto::Scenario& scenario) {
    return hashed(scenario.SerializeAsString());
}

Result<Scored> score_entry(const Plan& plan, const Entry& entry, const Results& results) {
    Scored scored{.entry = &entry, .representatives = {}, .scores = {}, .measured = {}};
    const auto good = [&](Layout layout, unsigned repeat) -> Result<const RunResult*> {
        const RunResult* outcome = results.find({entry.name, layout, repeat});
        if (!outcome) return fail("layout {} was not run", to_string(layout));
        if (!outcome->error.empty()) return fail("{}", outcome->error);
        return outcome;
    };
    auto first = TRY(good(plan.layouts.front(), 0));
    scored.representatives = first->representatives;

    Repeats repeats;
    for (const Layout layout : all_layouts) {
        const auto from = leader(plan, scored.representatives, layout);
        if (!from) continue;
        scored.measured[index(layout)] = true;
        for (unsigned repeat = 0; repeat < plan.repeats; ++repeat) {
            auto outcome = TRY(good(*from, repeat));
            if (outcome->shared || outcome->representatives != scored.representatives)
                return fail("layout {}: its runqueues were others in another run",
                            to_string(*from));
            repeats[index(layout)].push_back(outcome->result);
        }
    }
    for (const Intent intent : plan.intents) {
        auto one = TRY(scores(intent, repeats));
        scored.scores.push_back(std::move(one));
    }
    scored.parts = TRY(mean_parts(repeats));
    return scored;
}

std::vector<proto::Sample> samples_of(const Plan& plan, const Scored& scored,
                                      const Results& results) {
    std::vector<proto::Sample> samples;
    if (!std::all_of(scored.measured.begin(), scored.measured.end(), [](bool m) { return m; }))
        return samples;
    for (const Layout layout : plan.layouts)
        for (unsigned repeat = 0; repeat < plan.repeats; ++repeat) {
            const RunResult* outcome = results.find({scored.entry->name, layout, repeat});
            if (!outcome || outcome->shared) continue;
            const std::size_t count = std::min<std::size_t>(plan.windows, outcome->windows.size());
            for (std::size_t w = 0; w < count; ++w) {
                proto::Sample& sample = samples.emplace_back();
                sample.set_schema_version(feature_schema_version);
                sample.set_scenario(scored.entry->name);
                sample.set_family(scored.entry->family);
                sample.set_topology(scored.entry->topology);
                sample.set_current_layout(std::string(to_string(layout)));
                for (const Layout same : scored.representatives)
                    sample.add_representative(std::string(to_string(same)));
                const auto& features = outcome->windows[w];
                sample.mutable_features()->Assign(features.begin(), features.end());
                sample.mutable_scores()->Assign(scored.scores.begin(), scored.scores.end());
                sample.set_score_version(score_version);
                for (const ScoreParts& parts : scored.parts)
                    *sample.add_parts() = message_of(parts);
                sample.mutable_costs()->Assign(outcome->costs.begin(), outcome->costs.end());
            }
        }
    return samples;
}

Result<std::string> samples_file(const Plan& plan, std::span<const Entry> entries,
                                 const Results& results) {
    std::map<std::string_view, const Entry*> by_name;
    for (const Entry& entry : entries) by_name[entry.name] = &entry;
    std::string bytes = encode_header(samples_format);
    for (const auto& [name, entry] : by_name) {
        const auto scored = score_entry(plan, *entry, results);
        if (!scored) continue; // the report tells
        for (const proto::Sample& sample : samples_of(plan, *scored, results)) {
            auto record = encode_record(sample.SerializeAsString());
            if (!record) return fail("{}: {}", printable(name), record.error().message);
            bytes += *record;
        }
    }
    return bytes;
}

} // namespace intellisched::bench
