// SPDX-License-Identifier: MIT
#include "bench/experiment/results.hpp"

#include "bench/experiment/scores.hpp"
#include "bench/training/samples.hpp"
#include "collector/window/schema.hpp"
#include "src/base/folder.hpp"
#include "src/base/random.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace intellisched::bench {
namespace {

namespace fs = std::filesystem;

/// Of these layouts, the one that is measured for the partition of `layout`; nothing when none is.
std::optional<Layout> leader(std::span<const Layout> layouts, const Representatives& same,
                             Layout layout) {
    for (const Layout one : layouts)
        if (same[index(one)] == same[index(layout)]) return one;
    return std::nullopt;
}

RunKey key_of(const Entry& entry, const Cell& cell, unsigned repeat) {
    return {entry.name, cell.layout, repeat, cell.limit_us};
}
RunKey key_of(const proto::Run& run, Layout layout) {
    return {run.entry(), layout, run.repeat(),
            run.has_rate_limit_us() ? run.rate_limit_us() : default_rate_limit_us};
}

Result<const RunResult*> good_run(const Results& results, const Entry& entry, const Cell& cell,
                                  unsigned repeat) {
    const RunResult* outcome = results.find(key_of(entry, cell, repeat));
    const std::string name = cell.limit_us == default_rate_limit_us
                                 ? fmt::format("layout {}", to_string(cell.layout))
                                 : fmt::format("layout {} with a rate limit of {} us",
                                               to_string(cell.layout), cell.limit_us);
    if (!outcome) return fail("{} was not run", name);
    if (!outcome->error.empty()) return fail("{}", outcome->error);
    return outcome;
}

/// Fills in the scores of what is measured. `same` are the partitions of the first run.
Result<Scored> score(const Plan& plan, const Results& results, const Representatives& same,
                     Scored scored) {
    Repeats repeats;
    for (std::size_t option = 0; option < option_count; ++option) {
        const auto& cell = scored.measured[option];
        if (!cell) continue;
        for (unsigned repeat = 0; repeat < plan.repeats; ++repeat) {
            const RunResult* outcome = TRY(good_run(results, *scored.entry, *cell, repeat));
            if (outcome->shared || outcome->representatives != same)
                return fail("layout {}: its runqueues were others in another run",
                            to_string(cell->layout));
            repeats[option].push_back(outcome->result);
        }
    }
    for (const Intent intent : plan.intents) {
        auto one = TRY(scores(intent, repeats));
        scored.scores.push_back(std::move(one));
    }
    scored.parts = TRY(mean_parts(repeats));
    return scored;
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
        outcomes[key_of(run, *layout_from_string(run.layout()))] = std::move(*outcome);
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
    outcomes_[key_of(run, *layout_from_string(run.layout()))] = std::move(outcome);
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
    if (plan.rate_limits)
        for (const unsigned limit : rate_limits_us) all += fmt::format(" {} us", limit);
    if (repeat < plan.traced) all += " traced";
    if (plan.live()) all += fmt::format(" live {} {}", plan.warmup_s, plan.measured_s);
    if (!entry.start.empty()) all += " start " + entry.start;
    return hashed(all);
}

std::string identity(const proto::Scenario& scenario) {
    return hashed(scenario.SerializeAsString());
}

std::optional<Layout> limited_layout(const Plan& plan, const Entry& entry) {
    if (!plan.rate_limits) return std::nullopt;
    std::uint64_t state = 0;
    for (const char c : entry.name) state = splitmix64(state) ^ static_cast<unsigned char>(c);
    constexpr Layout boot = layout_of(boot_option);
    if (splitmix64(state) % 2 == 0 && std::ranges::find(plan.layouts, boot) != plan.layouts.end())
        return boot;
    return plan.layouts[splitmix64(state) % plan.layouts.size()];
}

std::vector<Cell> cells_of(const Plan& plan, const Entry& entry) {
    std::vector<Cell> cells;
    for (const Layout layout : plan.layouts) cells.push_back({layout});
    if (const auto layout = limited_layout(plan, entry))
        for (const unsigned limit : rate_limits_us)
            if (limit != default_rate_limit_us) cells.push_back({*layout, limit});
    return cells;
}

Result<Scored> score_entry(const Plan& plan, const Entry& entry, const Results& results) {
    const RunResult* first = TRY(good_run(results, entry, {plan.layouts.front()}, 0));
    Scored scored{.entry = &entry,
                  .classes = classes_of(first->representatives),
                  .scores = {},
                  .measured = {}};
    for (const Layout layout : all_layouts)
        if (const auto from = leader(plan.layouts, first->representatives, layout))
            scored.measured[index(layout)] = Cell{*from};
    return score(plan, results, first->representatives, std::move(scored));
}

Result<Scored> score_limits(const Plan& plan, const Entry& entry, const Results& results) {
    const Layout layout = limited_layout(plan, entry).value();
    const RunResult* first = TRY(good_run(results, entry, {plan.layouts.front()}, 0));
    const Representatives& same = first->representatives;
    const auto by_default = leader(plan.layouts, same, layout);
    Scored scored{.entry = &entry,
                  .knob = Knob::rate_limit,
                  .classes = all_options,
                  .scores = {},
                  .measured = {}};
    for (const Option option : all_options) {
        const unsigned limit = limit_of(option);
        scored.measured[index(option)] =
            limit == default_rate_limit_us ? Cell{*by_default} : Cell{layout, limit};
    }
    return score(plan, results, same, std::move(scored));
}

std::vector<proto::Sample> samples_of(const Plan& plan, const Scored& scored,
                                      const Results& results) {
    std::vector<proto::Sample> samples;
    if (!std::ranges::all_of(scored.measured, [](const auto& one) { return one.has_value(); }))
        return samples;
    for (const Option option : all_options)
        for (unsigned repeat = 0; repeat < plan.repeats; ++repeat) {
            if (scored.classes[index(option)] != option) continue; // an equivalent one has them
            const RunResult* outcome =
                results.find(key_of(*scored.entry, *scored.measured[index(option)], repeat));
            if (!outcome) continue;
            const std::size_t count = std::min<std::size_t>(plan.windows, outcome->windows.size());
            for (std::size_t w = 0; w < count; ++w) {
                proto::Sample& sample = samples.emplace_back();
                sample.set_schema_version(feature_schema_version);
                sample.set_scenario(scored.entry->name);
                sample.set_family(scored.entry->family);
                sample.set_topology(scored.entry->topology);
                sample.set_knob(std::string(to_string(scored.knob)));
                sample.set_current(name_of(scored.knob, option));
                for (const Option same : scored.classes)
                    sample.add_representative(name_of(scored.knob, same));
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
        std::vector<Result<Scored>> all{score_entry(plan, *entry, results)};
        if (plan.rate_limits) all.push_back(score_limits(plan, *entry, results));
        for (const auto& scored : all) {
            if (!scored) continue; // the report tells
            for (const proto::Sample& sample : samples_of(plan, *scored, results)) {
                auto record = encode_record(sample.SerializeAsString());
                if (!record) return fail("{}: {}", printable(name), record.error().message);
                bytes += *record;
            }
        }
    }
    return bytes;
}

} // namespace intellisched::bench
