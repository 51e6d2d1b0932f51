// SPDX-License-Identifier: MIT
// What the live score is worth: whether it puts the layouts of a scenario in the order in which the
// truth does. A plan's scenarios run under each layout; what windows show (src/pool/live_score)
// is held against what the guests achieved (src/model/score).
//
//     live-score PLAN FOLDER [JOBS]      # generated scenarios are written to FOLDER
//
// For each scenario and intent the utilities of the layouts less the best one's, the truth's and,
// in brackets, the live ones; the rank correlation (Spearman) of the two. Then by intent: its mean
// and median; of the pairs of layouts whose truth is further apart than that, those that the live
// score orders alike; the correlation and the slope of live over true differences; what choosing by
// the live score would cost, beside staying with socket; and how far the windows of one run
// deviate.
#include "bench/evaluation/on_plan.hpp"
#include "bench/experiment/runner.hpp"
#include "src/base/parallel.hpp"
#include "src/host/apply.hpp"
#include "src/host/observe.hpp"
#include "src/model/score.hpp"
#include "src/pool/live_score.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <map>
#include <numeric>

using namespace intellisched;

namespace {

using ByIntent = std::array<std::vector<double>, all_intents.size()>;

struct Run {
    std::size_t entry = 0;
    Knob knob = Knob::layout;
    Option option{};
    unsigned repeat = 0;
    LayoutResult truth;
    ByIntent windows; ///< live utilities, those that are numbers
};

double mean(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation(const std::vector<double>& values) {
    double squares = 0;
    for (const double value : values) squares += std::pow(value - mean(values), 2);
    return std::sqrt(squares / static_cast<double>(values.size()));
}

/// Of each value, those below it and half of the others that are equal.
std::vector<double> ranks(const std::vector<double>& values) {
    std::vector<double> ranks;
    for (const double one : values) {
        double rank = 0;
        for (const double other : values) rank += other < one ? 1 : other == one ? 0.5 : 0;
        ranks.push_back(rank);
    }
    return ranks;
}

/// NaN where all are alike.
double correlation(const std::vector<double>& a, const std::vector<double>& b) {
    double both = 0, of_a = 0, of_b = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double x = a[i] - mean(a), y = b[i] - mean(b);
        both += x * y, of_a += x * x, of_b += y * y;
    }
    return both / std::sqrt(of_a * of_b);
}

Result<void> measure(const bench::Plan& plan, const bench::Entry& entry, Run& run) {
    const proto::Scenario scenario = bench::scenario_of(plan, entry, run.repeat);
    auto host = TRY(SimHost::open(scenario));
    const HostView& seen = host->first_view();
    const Pool pool = TRY(find_pool(seen.pools, entry.pool));
    const bool layouts = run.knob == Knob::layout;
    const Arrangement wanted{layouts ? layout_of(run.option) : Layout::socket, no_cap};
    const unsigned limit_us = layouts ? default_rate_limit_us : limit_of(run.option);
    TRY(apply(*host, seen.topology, pool, {.arrangement = wanted, .rate_limit_us = limit_us},
              false));

    ObserveOptions options;
    proto::HostSnapshot snapshot;
    options.tap = [&](const HostItem& item) -> Result<void> {
        if (const auto* now = std::get_if<HostView>(&item)) snapshot = now->snapshot;
        return {};
    };
    double seconds = 0; // of windows so far
    auto observed = observe(*host, options, [&](const WindowStats& stats) {
        if (stats.facts.pool_id != pool.id) return;
        const double began = seconds;
        seconds += stats.seconds();
        if (began < 0.9 * scenario.warmup_s() || !bench::usable(stats, pool, wanted)) return;
        for (const Intent intent : all_intents)
            if (const double value = live_score(stats, snapshot, intent).utility;
                !std::isnan(value))
                run.windows[index(intent)].push_back(value);
    });
    if (!observed) return tl::unexpected(observed.error());
    auto truth = TRY(host->truth());
    run.truth = TRY(result_from(truth, entry.pool));
    return {};
}

struct Compared {
    std::vector<double> rank_correlations, truths, lives, by_live, by_boot, noise;
    std::map<double, std::array<unsigned, 2>> pairs; ///< by least difference: all, alike
};

Result<void> compare(const std::string& name, Knob knob, std::span<const Run* const> runs,
                     Intent intent, Compared& compared) {
    std::vector<LayoutResult> results;
    for (const Run* run : runs) results.push_back(run->truth);
    const auto utility = utilities(intent, results);
    if (!utility) return {}; // nothing happened there
    std::map<Option, std::pair<std::vector<double>, std::vector<double>>> by_option;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        auto& [truth, live] = by_option[runs[i]->option];
        truth.push_back((*utility)[i]);
        const auto& windows = runs[i]->windows[index(intent)];
        if (windows.empty()) return fail("{}: no window has a live score", name);
        live.insert(live.end(), windows.begin(), windows.end());
        compared.noise.push_back(deviation(windows));
    }
    std::vector<Option> options;
    std::vector<double> truth, live;
    for (const auto& [option, both] : by_option) {
        options.push_back(option);
        truth.push_back(mean(both.first));
        live.push_back(mean(both.second));
    }
    const auto best = static_cast<std::size_t>(std::ranges::max_element(live) - live.begin());
    const double most = std::ranges::max(truth);
    std::string line;
    for (std::size_t i = 0; i < options.size(); ++i)
        line += fmt::format("  {} {:.3f} ({:.3f})", name_of(knob, options[i]), truth[i] - most,
                            live[i] - live[best]);
    const double rank_correlation = correlation(ranks(truth), ranks(live));
    fmt::print("{:28} {:10} {:5.2f} {}\n", name, to_string(intent), rank_correlation, line);

    if (!std::isnan(rank_correlation)) compared.rank_correlations.push_back(rank_correlation);
    compared.by_live.push_back(1 - std::exp(truth[best] - most));
    const auto boot = std::ranges::find(options, boot_option);
    if (boot != options.end())
        compared.by_boot.push_back(
            1 - std::exp(truth[static_cast<std::size_t>(boot - options.begin())] - most));
    for (std::size_t i = 0; i < options.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) {
            const double apart = truth[i] - truth[j], seen = live[i] - live[j];
            compared.truths.insert(compared.truths.end(), {apart, -apart});
            compared.lives.insert(compared.lives.end(), {seen, -seen});
            for (const double least : {0.005, 0.02, 0.05}) {
                if (std::abs(apart) <= least) continue;
                ++compared.pairs[least][0];
                if (apart * seen > 0) ++compared.pairs[least][1];
            }
        }
    return {};
}

void sum_up(Knob knob, Intent intent, Compared& compared) {
    auto& all = compared.rank_correlations;
    if (all.empty()) return;
    std::ranges::sort(all);
    fmt::print("\n{}, {}: rank correlation of {} scenarios: mean {:.2f}, median {:.2f}\n",
               words_of(knob), to_string(intent), all.size(), mean(all), all[all.size() / 2]);
    for (const auto& [least, counts] : compared.pairs)
        fmt::print("  pairs more than {:.1f}% apart: {} of {} ordered alike\n", 100 * least,
                   counts[1], counts[0]);
    const double r = correlation(compared.truths, compared.lives);
    fmt::print("  differences: correlation {:.2f}, slope {:.2f}; windows deviate by {:.3f}\n", r,
               r * deviation(compared.lives) / deviation(compared.truths), mean(compared.noise));
    fmt::print("  regret: by the live score {:.2f}%, {} {:.2f}%\n", 100 * mean(compared.by_live),
               text_of(knob, boot_option), 100 * mean(compared.by_boot));
}

Result<void> work(const char* plan_path, const char* folder, unsigned jobs) {
    auto plan = TRY(bench::read_plan(plan_path));
    auto entries = TRY(bench::expand(plan, folder));
    std::vector<Run> runs;
    for (std::size_t e = 0; e < entries.size(); ++e) {
        const auto host = TRY(SimHost::open(entries[e].scenario)); // for the layouts that differ
        const HostView& seen = host->first_view();
        const Representatives same =
            representatives(seen.topology, TRY(find_pool(seen.pools, entries[e].pool)), no_cap);
        for (const Layout layout : all_layouts)
            for (unsigned repeat = 0; same[index(layout)] == layout && repeat < plan.repeats;
                 ++repeat)
                runs.push_back({e, Knob::layout, option_of(layout), repeat, {}, {}});
        for (const Option limit : all_options)
            for (unsigned repeat = 0; repeat < plan.repeats; ++repeat)
                runs.push_back({e, Knob::rate_limit, limit, repeat, {}, {}});
    }
    auto done = in_parallel(jobs, runs.size(), [&](std::size_t i) {
        return measure(plan, entries[runs[i].entry], runs[i]);
    });
    if (!done) return done;
    for (const Knob knob : all_knobs)
        for (const Intent intent : plan.intents) {
            Compared compared;
            for (std::size_t e = 0; e < entries.size(); ++e) {
                std::vector<const Run*> of_entry;
                for (const Run& run : runs)
                    if (run.entry == e && run.knob == knob) of_entry.push_back(&run);
                TRY(compare(entries[e].name, knob, of_entry, intent, compared));
            }
            sum_up(knob, intent, compared);
            fmt::print("\n");
        }
    return {};
}

} // namespace

int main(int argc, char** argv) { return on_plan("live-score", argc, argv, work); }
