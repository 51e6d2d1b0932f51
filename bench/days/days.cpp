// SPDX-License-Identifier: MIT
// What the service is worth over a day of changing load: simulated hosts with the policy in charge,
// as it is shipped, against the same hosts under each layout and under each rate limit.
//
// A day is of phases. Each is a generated scenario of a family of its own that runs for that long;
// all have the machine of the first, and its costs. One simulated host follows the other, with the
// configuration that the one before had, and the policy goes on as if it were one: guests go and
// others come. (The simulator takes scenarios of 1000 s at most.) Drawn again are scenarios that do
// more in a second than --events, for the sake of time: short stretches of work on many CPUs at
// once are left out by that.
//
// With --replay the policy goes through windows that were recorded under each layout instead, which
// takes a fifth of a second a day: policies can be compared on many days.
//
// Its scenarios are of seeds that nothing is trained from. What is tuned, is on days from 1001 on;
// those before are for the report.
#include "bench/days/day.hpp"
#include "bench/days/day_text.hpp"
#include "bench/experiment/simulators.hpp"
#include "src/base/interrupt.hpp"
#include "src/base/parallel.hpp"
#include "src/host/simulator.hpp"
#include "src/proto/json_output.hpp"
#include "src/proto/text.hpp"

#include <CLI/CLI.hpp>

using namespace intellisched;

namespace {

constexpr std::array topologies{"1s4c2t", "1s8c1t", "2s4c2t", "2s8c2t", "4s4c1t"};

struct Options {
    unsigned first = 1, seeds = 20, jobs = 1, phases = 8;
    double phase_s = 600, most_events = 12'000;
    std::string out, bundle = "models/default.bundle", intent = "balanced", knobs = "both";
    bool json = false, details = false, replay = false;
    PolicySettings settings;
};

Result<void> work(const Options& options) {
    const Intent intent = *intent_from_string(options.intent);
    const auto bundle = TRY(read_bundle(options.bundle));
    const auto simulator = TRY(find_simulator());
    const auto pinned = TRY(bench::PinnedProgram::open(simulator));
    std::vector<proto::Day> days(options.seeds);
    PolicySettings settings = options.settings;
    settings.tune_rate_limit = options.knobs != "layout";
    const bool stock = options.knobs == "rate-limit";
    const std::vector<Knob> knobs = knobs_of(settings, stock, options.replay);
    auto made = in_parallel(options.jobs, days.size(), [&](std::size_t i) -> Result<void> {
        const auto seed = options.first + static_cast<unsigned>(i);
        proto::DayOptions wanted;
        wanted.set_seed(seed);
        wanted.set_topology(topologies[(seed - 1) % topologies.size()]);
        wanted.set_phases(options.phases);
        wanted.set_phase_length_s(options.phase_s);
        wanted.set_most_events(options.most_events);
        const DayRequest request{wanted, options.out,       bundle,        intent, settings,
                                 stock,  pinned.identity(), options.replay};
        auto day = make_day(request);
        if (!day) return fail("day {}: {}", seed, day.error().message);
        days[i] = std::move(*day);
        fmt::print(stderr, "day {} is done\n", seed);
        return {};
    });
    if (!made) return made;

    proto::DaysReport report;
    report.set_intent(options.intent);
    report.set_bundle(bundle.manifest.id());
    report.set_phases(options.phases);
    report.set_gain(options.settings.switch_margins.gain);
    report.set_confidence(options.settings.switch_margins.confidence);
    report.set_least_gain_part(options.settings.least_gain_part);
    report.set_phase_length_s(options.phase_s);
    report.set_replayed(options.replay);
    report.set_knobs(name_of_knobs(knobs));
    for (const proto::Day& day : days) {
        std::vector<bench::PhaseFigures> phases;
        for (const proto::DayPhase& phase : day.phases()) {
            auto figures = figures_of(phase, intent);
            if (!figures)
                return fail("day {}, {}: {}", day.options().seed(), phase.scenario().name(),
                            figures.error().message);
            phases.push_back(*figures);
        }
        const double hours = day.phases_size() * options.phase_s / 3600;
        proto::DayFigures& figures = *report.add_days() = bench::day_figures(phases, knobs);
        figures.set_seed(day.options().seed());
        figures.set_topology(day.options().topology());
        figures.set_switches_an_hour(day.switches() / hours);
        figures.set_reverts_an_hour(day.reverts() / hours);
        if (options.details) fmt::print("{}\n", bench::details_of(day, phases));
    }
    bench::sum_up(report);
    fmt::print("{}", options.json ? json_output(report) : bench::text_of(report));
    return {};
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("What the service is worth over days of changing load on simulated hosts.");
    Options options;
    app.add_option("--out", options.out,
                   "folder for the days, one file each; what is there is not made again")
        ->required();
    app.add_option("--seeds", options.seeds, "days, on five kinds of host in turn")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    app.add_option("--first-seed", options.first, "of the days")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    app.add_option("--jobs", options.jobs, "days at a time")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    app.add_option("--bundle", options.bundle, "the model")->capture_default_str();
    app.add_option("--intent", options.intent, "throughput, latency or balanced")
        ->check(CLI::IsMember({"throughput", "latency", "balanced"}))
        ->capture_default_str();
    app.add_option("--gain", options.settings.switch_margins.gain,
                   "that a layout has to promise for a switch: 0.02 is 2%")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    app.add_option("--least-gain-part", options.settings.least_gain_part,
                   "part of --gain that is enough where the layout has not changed for long")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    app.add_option("--confidence", options.settings.switch_margins.confidence,
                   "the probability that it is better than the current one")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    app.add_option("--phases", options.phases,
                   "of a day: one a family, fewer where more families exceed --events")
        ->check(CLI::Range(least_phases, 12))
        ->capture_default_str();
    app.add_option("--phase-seconds", options.phase_s, "of virtual time")
        ->check(CLI::Range(10, 1000))
        ->capture_default_str();
    app.add_option("--events", options.most_events, "of the simulation a second, in a phase")
        ->check(CLI::Range(1'000, 10'000'000))
        ->capture_default_str();
    app.add_option("--knobs", options.knobs,
                   "what the policy may turn: layout, rate-limit (a stock hypervisor) or both")
        ->check(CLI::IsMember({"layout", "rate-limit", "both"}))
        ->capture_default_str();
    app.add_flag("--replay", options.replay,
                 "record the windows under each layout once, and have the policy go through those: "
                 "for comparing policies, and better than the service fares (recorded_days.hpp)");
    app.add_flag("--details", options.details, "show the phases, too");
    app.add_flag("--json", options.json, "print the report as JSON");
    CLI11_PARSE(app, argc, argv);
    watch_signals();
    if (auto done = work(options); !done) {
        fmt::print(stderr, "days: {}\n", done.error().message);
        return 1;
    }
    return 0;
}
