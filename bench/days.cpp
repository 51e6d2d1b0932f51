// SPDX-License-Identifier: MIT
// What the service is worth over a day of changing load: simulated hosts with the policy in charge,
// as it is shipped, against the same hosts under each layout.
//
// A day is of phases. Each is a generated scenario of a family of its own that runs for that long;
// all have the machine of the first, and its costs. One simulated host follows the other, with the
// layout that the one before had, and the policy goes on as if it were one: guests go and others
// come. (The simulator takes scenarios of 1000 s at most.) Drawn again are scenarios that do more
// in a second than --events, for the sake of time: short stretches of work on many CPUs at once are
// left out by that.
//
// Its scenarios are of seeds that nothing is trained from. What is tuned, is on days from 1001 on;
// those before are for the report.
#include "src/base/interrupt.hpp"
#include "src/base/parallel.hpp"
#include "src/bench/closed_loop.hpp"
#include "src/bench/day_figures.hpp"
#include "src/bench/plan.hpp"
#include "src/host/apply.hpp"
#include "src/host/simulator.hpp"
#include "src/model/score.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <fmt/ranges.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <mutex>
#include <random>
#include <set>

using namespace intellisched;
namespace fs = std::filesystem;
namespace pb = google::protobuf::util;

namespace {

constexpr std::array topologies{"1s4c2t", "1s8c1t", "2s4c2t", "2s8c2t", "4s4c1t"};
constexpr std::uint64_t first_seed = 770'000; // of the generator's; far from those of plans
constexpr unsigned drawn = 8;                 // scenarios of each family to choose from
constexpr double probe_s = 2;
constexpr int least_phases = 4;              // what is less is no day
constexpr std::size_t most_bytes = 64 << 20; // of a stored day
const std::string pool_name = "Pool-0";

struct Options {
    unsigned first = 1, seeds = 20, jobs = 1, phases = 8;
    double phase_s = 600, most_events = 12'000;
    std::string out, bundle = "models/default.bundle", intent = "balanced";
    bool json = false, details = false;
    PolicySettings settings;
};

std::string json_of(const google::protobuf::Message& message) {
    pb::JsonPrintOptions options;
    options.preserve_proto_field_names = true;
    options.always_print_primitive_fields = true;
    std::string text;
    (void)pb::MessageToJsonString(message, &text, options); // fails for google.protobuf.Any only
    return text + "\n";
}

/// Runs the scenario under one layout (or as it is booted) to its end.
Result<proto::Truth> run(const proto::Scenario& scenario, std::optional<Layout> layout) {
    auto host = SimHost::open(scenario, {.tracing = false, .stop = &interrupted});
    if (!host) return tl::unexpected(host.error());
    if (layout) {
        auto topology = topology_of((*host)->first_snapshot());
        if (!topology) return tl::unexpected(topology.error());
        auto pools = pools_of((*host)->first_snapshot());
        if (!pools) return tl::unexpected(pools.error());
        auto pool = find_pool(*pools, pool_name);
        if (!pool) return tl::unexpected(pool.error());
        auto applied = apply(**host, *topology, *pool, {*layout, no_cap}, false);
        if (!applied) return tl::unexpected(applied.error());
    }
    for (;;) {
        auto item = (*host)->next();
        if (!item) return tl::unexpected(item.error());
        if (!*item) return (*host)->truth();
    }
}

/// The phases of a day: the first of the scenarios, in random order, that are no more work than is
/// wanted, of different families; fewer than were asked for where there are no more.
Result<void> draw(const fs::path& folder, proto::Day& day) {
    const proto::DayOptions& options = day.options();
    bench::Plan plan;
    auto& generate = *plan.entries.emplace_back().mutable_generate();
    generate.set_family("all");
    generate.set_topology(options.topology());
    generate.set_count(drawn);
    generate.set_seed(first_seed + options.seed());
    auto entries = bench::expand(plan, folder);
    if (!entries) return tl::unexpected(entries.error());
    std::shuffle(entries->begin(), entries->end(), std::mt19937_64(options.seed()));
    std::set<std::string> families{"phases"}; // which is a day of its own
    for (const bench::Entry& entry : *entries) {
        if (families.contains(entry.family)) continue;
        proto::Scenario scenario = entry.scenario;
        if (day.phases_size() > 0) {
            *scenario.mutable_machine() = day.phases(0).scenario().machine();
            *scenario.mutable_costs() = day.phases(0).scenario().costs();
        }
        scenario.set_measured_s(probe_s);
        const auto probe = run(scenario, {});
        if (!probe) return tl::unexpected(probe.error());
        if (static_cast<double>(probe->events()) > options.most_events() * probe->seconds())
            continue;
        families.insert(entry.family);
        scenario.set_measured_s(options.phase_length_s());
        *day.add_phases()->mutable_scenario() = std::move(scenario);
        if (day.phases_size() == static_cast<int>(options.phases())) return {};
    }
    if (day.phases_size() >= least_phases) return {};
    return fail("day {}: only {} families on {} have a scenario of at most {:.0f} events a second; "
                "allow for more with --events",
                options.seed(), day.phases_size(), options.topology(), options.most_events());
}

Result<void> run_layouts(proto::DayPhase& phase) {
    auto host = SimHost::open(phase.scenario(), {.tracing = false, .stop = &interrupted});
    if (!host) return tl::unexpected(host.error());
    auto topology = topology_of((*host)->first_snapshot());
    if (!topology) return tl::unexpected(topology.error());
    auto pools = pools_of((*host)->first_snapshot());
    if (!pools) return tl::unexpected(pools.error());
    auto pool = find_pool(*pools, pool_name);
    if (!pool) return tl::unexpected(pool.error());
    const Representatives same = representatives(*topology, *pool, no_cap);
    for (const Layout layout : all_layouts) {
        phase.add_representative(std::string(to_string(same[index(layout)])));
        if (same[index(layout)] != layout) continue;
        auto truth = run(phase.scenario(), layout);
        if (!truth) return tl::unexpected(truth.error());
        proto::DayRun& made = *phase.add_runs();
        made.set_layout(std::string(to_string(layout)));
        *made.mutable_truth() = std::move(*truth);
    }
    return {};
}

Result<void> run_service(const Bundle& bundle, Intent intent, const PolicySettings& settings,
                         proto::Day& day) {
    auto classifier = Classifier::load(bundle);
    if (!classifier) return tl::unexpected(classifier.error());
    Nanoseconds counted = 0;
    std::array<double, layout_count> spent{};
    std::vector<std::string> endings;
    Layout layout = Layout::socket;
    bench::ClosedLoop loop(
        *classifier,
        {.pool = pool_name, .intent = intent, .settings = settings, .stop = &interrupted},
        {.acts = [&](const PoolVerdict& verdict) -> Result<void> {
             if (verdict.trial)
                 endings.push_back(fmt::format("{} {}", to_string(verdict.trial->to.layout),
                                               to_string(verdict.trial->ending)));
             return {};
         },
         .passed = [&]() -> Result<void> {
             spent[index(layout)] += static_cast<double>(loop.now() - counted) / 1e9;
             counted = loop.now();
             layout = loop.state().pool->in_force.layout;
             return {};
         }});
    for (proto::DayPhase& phase : *day.mutable_phases()) {
        auto host = SimHost::open(phase.scenario(), {.stop = &interrupted});
        if (!host) return tl::unexpected(host.error());
        spent = {};
        if (auto ran = loop.run(**host); !ran) return ran;
        if (interrupted) return fail("interrupted");
        auto truth = (*host)->truth();
        if (!truth) return tl::unexpected(truth.error());
        *phase.mutable_service() = std::move(*truth);
        phase.mutable_spent_s()->Assign(spent.begin(), spent.end());
    }
    day.set_bundle(bundle.manifest.id());
    day.set_intent(std::string(to_string(intent)));
    day.set_gain(settings.leave.gain);
    day.set_confidence(settings.leave.confidence);
    day.set_least_gain_part(settings.least_gain_part);
    day.set_switches(loop.switches());
    day.set_reverts(loop.reverts());
    day.mutable_endings()->Assign(endings.begin(), endings.end());
    return {};
}

/// The stored day if there is one of these options and this simulator; else one without phases.
proto::Day stored(const fs::path& path, const proto::DayOptions& options,
                  const std::string& simulator) {
    proto::Day day;
    const auto bytes = read_file(path, most_bytes);
    if (!bytes ||
        !pb::JsonStringToMessage(
             std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()), &day)
             .ok() ||
        !pb::MessageDifferencer::Equals(day.options(), options) || day.simulator() != simulator) {
        day.Clear();
        *day.mutable_options() = options;
        day.set_simulator(simulator);
    }
    return day;
}

Result<proto::Day> make_day(const Options& options, const Bundle& bundle, Intent intent,
                            const std::string& simulator, unsigned seed) {
    proto::DayOptions wanted;
    wanted.set_seed(seed);
    wanted.set_topology(topologies[(seed - 1) % topologies.size()]);
    wanted.set_phases(options.phases);
    wanted.set_phase_length_s(options.phase_s);
    wanted.set_most_events(options.most_events);
    const fs::path path = fs::path(options.out) / fmt::format("day-{:02}.json", seed);
    proto::Day day = stored(path, wanted, simulator);
    const auto store = [&]() -> Result<void> {
        const std::string text = json_of(day);
        return replace_file(path, std::as_bytes(std::span(text)));
    };
    if (day.phases().empty()) {
        if (auto done = draw(fs::path(options.out) / "generated", day); !done)
            return tl::unexpected(done.error());
        for (proto::DayPhase& phase : *day.mutable_phases())
            if (auto done = run_layouts(phase); !done) return tl::unexpected(done.error());
        if (auto done = store(); !done) return tl::unexpected(done.error());
    }
    const Margins& leave = options.settings.leave;
    if (day.bundle() != bundle.manifest.id() || day.intent() != to_string(intent) ||
        day.gain() != leave.gain || day.confidence() != leave.confidence ||
        day.least_gain_part() != options.settings.least_gain_part) {
        if (auto done = run_service(bundle, intent, options.settings, day); !done)
            return tl::unexpected(done.error());
        if (auto done = store(); !done) return tl::unexpected(done.error());
    }
    return day;
}

Result<bench::PhaseFigures> figures_of(const proto::DayPhase& phase, Intent intent) {
    std::vector<LayoutResult> results;
    std::map<std::string, std::size_t> place;
    for (const proto::DayRun& run : phase.runs()) {
        auto result = result_from(run.truth(), pool_name);
        if (!result) return tl::unexpected(result.error());
        place[run.layout()] = results.size();
        results.push_back(std::move(*result));
    }
    auto service = result_from(phase.service(), pool_name);
    if (!service) return tl::unexpected(service.error());
    results.push_back(std::move(*service));
    const auto utility = utilities(intent, results);
    if (!utility) return tl::unexpected(utility.error());
    const proto::Scenario& scenario = phase.scenario();
    bench::PhaseFigures figures{.seconds = scenario.warmup_s() + scenario.measured_s(),
                                .utility = {},
                                .service = utility->back(),
                                .spent = {}};
    if (phase.representative_size() != layout_count || phase.spent_s_size() != layout_count)
        return fail("it is not complete; remove the file");
    for (std::size_t l = 0; l < layout_count; ++l) {
        const auto run = place.find(phase.representative(static_cast<int>(l)));
        if (run == place.end()) return fail("it is not complete; remove the file");
        figures.utility[l] = (*utility)[run->second];
        figures.spent[l] = phase.spent_s(static_cast<int>(l));
    }
    return figures;
}

std::string percent(double utility) { return fmt::format("{:+.2f}%", 100 * std::expm1(utility)); }

std::string row(const std::string& name, const std::string& topology, const std::string& best,
                const proto::DayFigures& day) {
    return fmt::format("{:>6}  {:<8} {:<7} {:>10} {:>11} {:>10.2f}% {:>14} {:>8.2f}% {:>7.1f} "
                       "{:>7.1f}\n",
                       name, topology, best, percent(day.against_socket()),
                       percent(day.against_static()), 100 * std::exp(day.against_oracle()),
                       percent(day.oracle_against_socket()), 100 * day.time_worse(),
                       day.switches_an_hour(), day.reverts_an_hour());
}

std::string text_of(const proto::DaysReport& report) {
    std::string text = fmt::format(
        "Days of {} phases of {:.0f} s, intent {}, model {}, switches at {:.1f}% (in the end "
        "{:.1f}%) and {:.0f}% sure\n\n{:>6}  {:<8} {:<7} {:>10} {:>11} "
        "{:>11} {:>14} {:>9} {:>7} {:>7}\n{:>6}  {:<8} {:<7} {:>10} {:>11} {:>11} {:>14} {:>9} "
        "{:>7} {:>7}\n",
        report.phases(), report.phase_length_s(), report.intent(), report.bundle().substr(0, 12),
        report.gain() * 100, report.gain() * report.least_gain_part() * 100,
        report.confidence() * 100, "", "", "best", "service", "service", "service", "oracle",
        "worse", "", "", "day", "host", "static", "to socket", "to static", "of oracle",
        "to socket", "time", "switch", "revert");
    for (const proto::DayFigures& day : report.days())
        text += row(fmt::to_string(day.seed()), day.topology(), day.best_static(), day);
    text += row("mean", "", "", report.mean()) + row("median", "", "", report.median()) +
            row("worst", "", "", report.worst());
    return text + "\nworse time: part of it in a layout more than 2% worse than socket in that "
                  "phase; switches and reverts: an hour\n";
}

std::string details_of(const proto::Day& day, std::span<const bench::PhaseFigures> phases) {
    std::string text = fmt::format("day {} on {}; trials: {}\n", day.options().seed(),
                                   day.options().topology(), fmt::join(day.endings(), ", "));
    for (std::size_t i = 0; i < phases.size(); ++i) {
        const auto& [seconds, utility, service, spent] = phases[i];
        const double socket = utility[index(Layout::socket)];
        text +=
            fmt::format("  {:<24} service {:>8}", day.phases(static_cast<int>(i)).scenario().name(),
                        percent(service - socket));
        for (const Layout layout : all_layouts)
            text += fmt::format("  {} {:>7} {:>3.0f} s", to_string(layout),
                                percent(utility[index(layout)] - socket), spent[index(layout)]);
        text += "\n";
    }
    return text;
}

Result<void> work(const Options& options) {
    const Intent intent = *intent_from_string(options.intent);
    const auto bundle = read_bundle(options.bundle);
    if (!bundle) return tl::unexpected(bundle.error());
    const auto simulator = find_simulator();
    if (!simulator) return tl::unexpected(simulator.error());
    const auto pinned = PinnedProgram::open(*simulator);
    if (!pinned) return tl::unexpected(pinned.error());
    std::vector<proto::Day> days(options.seeds);
    auto made = in_parallel(options.jobs, days.size(), [&](std::size_t i) -> Result<void> {
        const auto seed = options.first + static_cast<unsigned>(i);
        auto day = make_day(options, *bundle, intent, pinned->identity(), seed);
        if (!day) return fail("day {}: {}", seed, day.error().message);
        days[i] = std::move(*day);
        fmt::print(stderr, "day {} is done\n", seed);
        return {};
    });
    if (!made) return made;

    proto::DaysReport report;
    report.set_intent(options.intent);
    report.set_bundle(bundle->manifest.id());
    report.set_phases(options.phases);
    report.set_gain(options.settings.leave.gain);
    report.set_confidence(options.settings.leave.confidence);
    report.set_least_gain_part(options.settings.least_gain_part);
    report.set_phase_length_s(options.phase_s);
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
        proto::DayFigures& figures = *report.add_days() = bench::day_figures(phases);
        figures.set_seed(day.options().seed());
        figures.set_topology(day.options().topology());
        figures.set_switches_an_hour(day.switches() / hours);
        figures.set_reverts_an_hour(day.reverts() / hours);
        if (options.details) fmt::print("{}\n", details_of(day, phases));
    }
    bench::sum_up(report);
    fmt::print("{}", options.json ? json_of(report) : text_of(report));
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
    app.add_option("--gain", options.settings.leave.gain,
                   "that a layout has to promise for a switch: 0.02 is 2%")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    app.add_option("--least-gain-part", options.settings.least_gain_part,
                   "part of --gain that is enough where the layout has not changed for long")
        ->check(CLI::Range(0.0, 1.0))
        ->capture_default_str();
    app.add_option("--confidence", options.settings.leave.confidence,
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
