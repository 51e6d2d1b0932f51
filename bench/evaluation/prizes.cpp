// SPDX-License-Identifier: MIT
// What there is to gain: the best layout and the best rate limit of each scenario of a plan, and by
// how much they are better than the default (socket, 1000 us), in the simulator's truth.
//
//     prizes PLAN FOLDER [JOBS]      # generated scenarios are written to FOLDER
//
// All layouts without a cap run with the default limit, all limits under socket, each with the same
// load. Prints for each scenario and intent, between tabs: the best layout and its gain, the best
// limit and its gain, both in percent, and the gain of each choice. Then by intent and number of
// sockets the mean gains, and the same without the largest.
#include "bench/evaluation/on_plan.hpp"
#include "bench/experiment/runner.hpp"
#include "src/base/parallel.hpp"
#include "src/host/apply.hpp"
#include "src/host/observe.hpp"
#include "src/model/score.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/core.h>
#include <map>
#include <numeric>

using namespace intellisched;

namespace {

/// What a pool may be given. `limit_us` is Xen's sched_ratelimit_us; 0 is none.
struct Choice {
    Layout layout = Layout::socket;
    unsigned limit_us = 1000;
    bool operator==(const Choice&) const = default;
};
constexpr Choice standard{};
constexpr std::array limits_us{0U, 100U, 300U, 1000U, 3000U, 10000U};

struct Run {
    std::size_t entry = 0;
    unsigned repeat = 0;
    Choice choice;
    LayoutResult truth;
};

/// By choice, the mean utility of the repeats.
using Utilities = std::vector<std::pair<Choice, double>>;

Result<void> measure(const bench::Plan& plan, const bench::Entry& entry, Run& run) {
    proto::Scenario scenario = bench::scenario_of(plan, entry, run.repeat);
    scenario.set_xen_args(
        fmt::format("{} sched_ratelimit_us={}", scenario.xen_args(), run.choice.limit_us));
    auto host = TRY(SimHost::open(scenario, {.tracing = false}));
    const HostView& seen = host->first_view();
    const Pool pool = TRY(find_pool(seen.pools, entry.pool));
    TRY(apply(*host, seen.topology, pool, {.arrangement = Arrangement{run.choice.layout, no_cap}},
              false));
    TRY(observe(*host, {}, [](const WindowStats&) {}));
    run.truth = TRY(result_from(TRY(host->truth()), entry.pool));
    return {};
}

Utilities mean_utilities(Intent intent, std::span<const Run> runs) {
    std::vector<LayoutResult> results;
    for (const Run& run : runs) results.push_back(run.truth);
    const auto all = utilities(intent, results);
    Utilities means;
    if (!all) return means; // nothing happened there
    for (const Run& run : runs) {
        if (std::ranges::find(means, run.choice, &Utilities::value_type::first) != means.end())
            continue;
        double sum = 0, count = 0;
        for (std::size_t i = 0; i < runs.size(); ++i)
            if (runs[i].choice == run.choice) sum += (*all)[i], ++count;
        means.emplace_back(run.choice, sum / count);
    }
    return means;
}

struct Prize {
    Choice best = standard;
    double gain = 0; ///< over the default
};

/// The best of the choices that `among` lets through, the default among them.
template<class Among> Prize prize(const Utilities& utilities, Among among) {
    double of_standard = 0, most = -INFINITY;
    Prize found;
    for (const auto& [choice, utility] : utilities) {
        if (choice == standard) of_standard = utility;
        if (among(choice) && utility > most) most = utility, found.best = choice;
    }
    found.gain = std::exp(most - of_standard) - 1;
    return found;
}

/// "cpu=-0.52 all=0.10 0us=-1.00 ...": over the default, in percent.
std::string gains_text(const Utilities& utilities) {
    const double base =
        std::ranges::find(utilities, standard, &Utilities::value_type::first)->second;
    std::string text;
    for (const auto& [choice, utility] : utilities)
        text +=
            fmt::format("{}{}={:.2f}", text.empty() ? "" : " ",
                        choice.limit_us == standard.limit_us ? std::string(to_string(choice.layout))
                                                             : fmt::format("{}us", choice.limit_us),
                        100 * (std::exp(utility - base) - 1));
    return text;
}

/// Mean, and mean without the largest.
std::array<double, 2> means(std::vector<double> gains) {
    const double sum = std::accumulate(gains.begin(), gains.end(), 0.0);
    const auto count = static_cast<double>(gains.size());
    return {sum / count, (sum - std::ranges::max(gains)) / std::max(count - 1, 1.0)};
}

Result<std::vector<Run>> runs_of(const bench::Plan& plan, std::span<const bench::Entry> entries) {
    std::vector<Run> runs;
    for (std::size_t e = 0; e < entries.size(); ++e) {
        const auto host = TRY(SimHost::open(entries[e].scenario)); // for the layouts that differ
        const HostView& seen = host->first_view();
        const Representatives same =
            representatives(seen.topology, TRY(find_pool(seen.pools, entries[e].pool)), no_cap);
        std::vector<Choice> choices;
        for (const Layout layout : all_layouts)
            if (layout == standard.layout ||
                (same[index(layout)] == layout && same[index(standard.layout)] != layout))
                choices.push_back({layout, standard.limit_us});
        for (const unsigned limit : limits_us)
            if (limit != standard.limit_us) choices.push_back({standard.layout, limit});
        for (const Choice& choice : choices)
            for (unsigned repeat = 0; repeat < plan.repeats; ++repeat)
                runs.push_back({e, repeat, choice, {}});
    }
    return runs;
}

Result<void> work(const char* plan_path, const char* folder, unsigned jobs) {
    const auto plan = TRY(bench::read_plan(plan_path));
    const auto entries = TRY(bench::expand(plan, folder));
    auto runs = TRY(runs_of(plan, entries));
    TRY(in_parallel(jobs, runs.size(),
                    [&](std::size_t i) { return measure(plan, entries[runs[i].entry], runs[i]); }));
    for (const Intent intent : plan.intents) {
        std::map<unsigned, std::array<std::vector<double>, 2>> by_sockets;
        for (std::size_t e = 0; e < entries.size(); ++e) {
            const auto own = std::ranges::equal_range(runs, e, {}, &Run::entry);
            const auto utilities = mean_utilities(intent, std::span(own.begin(), own.end()));
            if (utilities.empty()) continue;
            const Prize layout = prize(utilities, [](const Choice& choice) {
                return choice.limit_us == standard.limit_us;
            });
            const Prize limit = prize(
                utilities, [](const Choice& choice) { return choice.layout == standard.layout; });
            fmt::print("{}\t{}\t{}\t{:.2f}\t{}\t{:.2f}\t{}\n", entries[e].name, to_string(intent),
                       to_string(layout.best.layout), 100 * layout.gain, limit.best.limit_us,
                       100 * limit.gain, gains_text(utilities));
            auto& gains = by_sockets[entries[e].scenario.machine().sockets()];
            gains[0].push_back(layout.gain);
            gains[1].push_back(limit.gain);
        }
        for (const auto& [sockets, gains] : by_sockets) {
            const auto layout = means(gains[0]), limit = means(gains[1]);
            fmt::print("# {}, {} sockets, {} scenarios: layout {:.2f}% ({:.2f}% without the "
                       "largest), limit {:.2f}% ({:.2f}%)\n",
                       to_string(intent), sockets, gains[0].size(), 100 * layout[0],
                       100 * layout[1], 100 * limit[0], 100 * limit[1]);
        }
    }
    return {};
}

} // namespace

int main(int argc, char** argv) { return on_plan("prizes", argc, argv, work); }
