// SPDX-License-Identifier: MIT
// How good the choices of what-if are, beside the models': on the scenarios of a plan, in the
// simulator's truth.
//
//     what-if-study PLAN FOLDER [JOBS]      # generated scenarios are written to FOLDER
//
// Of each scenario 5 s are recorded under what it was booted with, with the plan's seed, and given
// to what-if and to the shipped models. The truth is measured with three other seeds, as of the
// same host a little later: what each configuration gains over that. Prints, between tabs, for each
// scenario, intent and knob: what there was to gain (the best one's), then what the choices of
// what-if, of the model, of both (the mean of the gains that they expect), and of the command
// (which recommends only what promises enough) gained, in percent. Of what-if's gains counts what
// is beyond their intervals.
// Then, by intent and knob, the part of all gains that each choice captured.
#include "bench/evaluation/on_plan.hpp"
#include "bench/experiment/runner.hpp"
#include "bench/what_if/remembered.hpp"
#include "bench/what_if/what_if.hpp"
#include "src/base/parallel.hpp"
#include "src/cli/pool_watch.hpp"
#include "src/cli/shared_options.hpp"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <map>
#include <mutex>

using namespace intellisched;

namespace {

constexpr std::array knobs{Knob::layout, Knob::rate_limit};
constexpr std::array choosers{"what-if", "model", "both", "recommended"};

/// Of the same scenario with other seeds: what is a matter of chance is so in each.
constexpr unsigned truth_runs = 3;

/// Of one scenario, intent and knob, in the truth.
struct Gains {
    double best = 0; ///< of all; 0 is what is in force
    std::array<double, choosers.size()> chosen{};
};

/// What each of the five options of a knob is expected to gain, or gains.
using ByOption = std::array<double, option_count>;

using what_if::Estimate;

ByOption options_of(Knob knob, const what_if::Configurations& all,
                    const std::vector<what_if::Row>& rows, Intent intent,
                    double (*value)(const Estimate&)) {
    ByOption gains{};
    for (std::size_t i = 0; i < gains.size(); ++i)
        gains[i] =
            value(rows[knob == Knob::layout ? all.layout[i] : all.limit[i]].gain[index(intent)]);
    return gains;
}

double mean_of(const Estimate& gain) { return gain.mean; }

/// What the option of the highest expected gain gains; one that promises nothing is not chosen.
double gain_of_choice(const ByOption& expected, const ByOption& truth) {
    const auto best = std::ranges::max_element(expected);
    return *best > 0 ? truth[static_cast<std::size_t>(best - expected.begin())] : 0;
}

Result<std::map<std::pair<Intent, Knob>, Gains>>
study(proto::Scenario scenario, const std::string& pool, const Models& models) {
    scenario.set_warmup_s(1);
    scenario.set_measured_s(5);
    auto host = TRY(SimHost::open(scenario));
    auto seen = TRY(what_if::Remembered::of(*host, false, 0));
    host.reset();
    const auto recording = TRY(replay::read_recording(seen, "recording"));
    what_if::MeasureOptions options;
    const auto simulated = TRY(what_if::what_if(recording, "recording", pool, {}, options));

    const auto& all = simulated.configurations;
    std::vector<proto::Scenario> later(truth_runs, scenario);
    for (auto& one : later) one.set_seed(scenario.seed() + 1 + (&one - later.data()));
    const auto truths = TRY(what_if::measure(later, pool, all.all, options));
    const auto truth = TRY(what_if::compare(all.all, pool, truths));

    std::map<std::pair<Intent, Knob>, Gains> gains;
    for (const Intent intent : all_intents) {
        seen.rewind();
        cli::WatchOptions watching;
        watching.source.pool = pool;
        watching.intent = std::string(to_string(intent));
        const auto watched = TRY(cli::watch(seen, watching, &models));
        for (const Knob knob : knobs) {
            const Verdict verdict =
                knob == Knob::layout ? cli::judge_layout(watched) : cli::judge_rate_limit(watched);
            const ByOption is = options_of(knob, all, truth, intent, mean_of);
            const ByOption replayed =
                options_of(knob, all, simulated.rows, intent, what_if::beyond_chance);
            const ByOption model = verdict.windows > 0 ? verdict.mean.expected_gain : ByOption{};
            ByOption both{}, recommended{};
            const double margin =
                knob == Knob::layout ? Margins().gain : cli::rate_limit_margins().gain;
            for (std::size_t i = 0; i < both.size(); ++i) {
                both[i] = (replayed[i] + model[i]) / 2;
                if (what_if::alike(simulated.likeness) && replayed[i] >= 0 && model[i] >= 0 &&
                    both[i] >= margin)
                    recommended[i] = both[i];
            }
            Gains& one = gains[{intent, knob}];
            one.best = std::max(std::ranges::max(is), 0.0);
            one.chosen = {gain_of_choice(replayed, is), gain_of_choice(model, is),
                          gain_of_choice(both, is), gain_of_choice(recommended, is)};
        }
    }
    return gains;
}

Result<void> work(const char* plan_path, const char* folder, unsigned jobs) {
    const auto plan = TRY(bench::read_plan(plan_path));
    const auto entries = TRY(bench::expand(plan, folder));
    const auto models = TRY(cli::bundle_path({}).and_then(read_bundle).and_then(Models::load));
    std::map<std::pair<Intent, Knob>, Gains> sums;
    std::mutex mutex;
    std::size_t studied = 0;
    TRY(in_parallel(jobs, entries.size(), [&](std::size_t i) -> Result<void> {
        const auto gains = study(bench::scenario_of(plan, entries[i], 0), entries[i].pool, models);
        const std::lock_guard lock(mutex);
        if (!gains) { // nothing happened there, or it cannot be replayed
            fmt::print("# {}: left out: {}\n", entries[i].name, gains.error().message);
            return {};
        }
        ++studied;
        for (const auto& [key, one] : *gains) {
            fmt::print("{}\t{}\t{}\t{:.2f}", entries[i].name, to_string(key.first),
                       to_string(key.second), 100 * one.best);
            Gains& sum = sums[key];
            sum.best += one.best;
            for (std::size_t c = 0; c < choosers.size(); ++c) {
                fmt::print("\t{:.2f}", 100 * one.chosen[c]);
                sum.chosen[c] += one.chosen[c];
            }
            fmt::print("\n");
        }
        std::fflush(stdout);
        return {};
    }));
    for (const auto& [key, sum] : sums) {
        fmt::print("# {}, {}, {} scenarios: {:.2f}% to gain in the mean; captured:",
                   to_string(key.first), to_string(key.second), studied,
                   100 * sum.best / static_cast<double>(std::max<std::size_t>(studied, 1)));
        for (std::size_t c = 0; c < choosers.size(); ++c)
            fmt::print(" {} {:.0f}%", choosers[c], 100 * sum.chosen[c] / std::max(sum.best, 1e-12));
        fmt::print("\n");
    }
    return {};
}

} // namespace

int main(int argc, char** argv) { return on_plan("what-if-study", argc, argv, work); }
