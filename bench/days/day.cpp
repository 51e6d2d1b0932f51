// SPDX-License-Identifier: MIT
#include "bench/days/day.hpp"

#include "bench/days/closed_loop.hpp"
#include "bench/days/recorded_days.hpp"
#include "bench/experiment/plan.hpp"
#include "src/base/interrupt.hpp"
#include "src/host/apply.hpp"
#include "src/host/simulator.hpp"
#include "src/model/score.hpp"
#include "src/policy/state_message.hpp"
#include "src/proto/records.hpp"
#include "src/proto/text.hpp"

#include <algorithm>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <random>
#include <set>

namespace intellisched {
namespace {

namespace fs = std::filesystem;
namespace pb = google::protobuf::util;

constexpr std::uint64_t first_seed = 770'000; // of the generator's; far from those of plans
constexpr unsigned drawn = 8;                 // scenarios of each family to choose from
constexpr double probe_s = 2;
constexpr std::size_t most_bytes = 64 << 20; // of a stored day, or of a phase's windows
const std::string pool_name = "Pool-0";
constexpr const char* incomplete = "its day-NN.json is not complete; remove that file";

/// The scenario's host with one configuration; what is absent of it is as it is booted.
Result<std::unique_ptr<SimHost>> open_with(const proto::Scenario& scenario, const Change& change,
                                           bool tracing) {
    auto host = SimHost::open(scenario, {.tracing = tracing, .stop = &interrupted});
    if (!host || change.empty()) return host;
    const HostView& seen = (*host)->first_view();
    const Pool pool = TRY(find_pool(seen.pools, pool_name));
    TRY(apply(**host, seen.topology, pool, change, false));
    return host;
}

/// Runs the scenario under one configuration to its end.
Result<proto::Truth> run(const proto::Scenario& scenario, const Change& change) {
    auto host = TRY(open_with(scenario, change, /*tracing=*/false));
    for (;;) {
        auto item = TRY(host->next());
        if (!item) return host->truth();
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
    auto entries = TRY(bench::expand(plan, folder));
    std::shuffle(entries.begin(), entries.end(), std::mt19937_64(options.seed()));
    std::set<std::string> families{"phases"}; // which is a day of its own
    for (const bench::Entry& entry : entries) {
        if (families.contains(entry.family)) continue;
        proto::Scenario scenario = entry.scenario;
        if (day.phases_size() > 0) {
            *scenario.mutable_machine() = day.phases(0).scenario().machine();
            *scenario.mutable_costs() = day.phases(0).scenario().costs();
        }
        scenario.set_measured_s(probe_s);
        const auto probe = TRY(run(scenario, {}));
        if (static_cast<double>(probe.events()) > options.most_events() * probe.seconds()) continue;
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

Result<void> run_options(proto::DayPhase& phase) {
    auto host = TRY(SimHost::open(phase.scenario(), {.tracing = false, .stop = &interrupted}));
    const HostView& seen = host->first_view();
    const Pool pool = TRY(find_pool(seen.pools, pool_name));
    const Representatives same = representatives(seen.topology, pool, no_cap);
    for (const Layout layout : all_layouts) {
        phase.add_representative(std::string(to_string(same[index(layout)])));
        if (same[index(layout)] != layout) continue;
        auto truth = TRY(run(phase.scenario(), turn(Knob::layout, option_of(layout))));
        proto::DayRun& made = *phase.add_runs();
        made.set_layout(std::string(to_string(layout)));
        *made.mutable_truth() = std::move(truth);
    }
    for (const Option limit : all_options) {
        if (limit == boot_option) continue;
        auto truth = TRY(run(phase.scenario(), turn(Knob::rate_limit, limit)));
        proto::DayRun& made = *phase.add_runs();
        made.set_layout(std::string(to_string(same[index(Layout::socket)])));
        made.set_rate_limit_us(limit_of(limit));
        *made.mutable_truth() = std::move(truth);
    }
    return {};
}

std::string ending_of(const TrialReport& trial) {
    return fmt::format("{} {}", to_string(trial.to), to_string(trial.ending));
}

Result<void> run_service(const DayRequest& request, proto::Day& day) {
    const auto models = TRY(Models::load(request.bundle));
    Nanoseconds counted = 0;
    std::array<double, option_count * option_count> spent{};
    std::vector<std::string> endings;
    std::size_t now_in = index(boot_option) * option_count + index(boot_option);
    bench::ClosedLoop loop(models,
                           {.pool = pool_name,
                            .intent = request.intent,
                            .stock = request.stock,
                            .settings = request.policy,
                            .stop = &interrupted},
                           {.acts = [&](const PoolVerdict& verdict) -> Result<void> {
                                if (verdict.trial) endings.push_back(ending_of(*verdict.trial));
                                return {};
                            },
                            .passed = [&]() -> Result<void> {
                                spent[now_in] += static_cast<double>(loop.now() - counted) / 1e9;
                                counted = loop.now();
                                const PoolSeen& pool = *loop.state().pool;
                                now_in = index(pool.option(Knob::layout)) * option_count +
                                         index(pool.option(Knob::rate_limit));
                                return {};
                            }});
    for (proto::DayPhase& phase : *day.mutable_phases()) {
        auto host = TRY(SimHost::open(phase.scenario(), {.stop = &interrupted}));
        spent = {};
        TRY(loop.run(*host));
        if (interrupted) return fail("interrupted");
        *phase.mutable_service() = TRY(host->truth());
        phase.mutable_spent_s()->Assign(spent.begin(), spent.end());
    }
    day.set_bundle(request.bundle.manifest.id());
    day.set_intent(std::string(to_string(request.intent)));
    day.set_gain(request.policy.switch_margins.gain);
    day.set_confidence(request.policy.switch_margins.confidence);
    day.set_least_gain_part(request.policy.least_gain_part);
    day.set_knobs(name_of_knobs(knobs_of(request.policy, request.stock, request.replay)));
    day.set_switches(loop.switches());
    day.set_reverts(loop.reverts());
    day.mutable_endings()->Assign(endings.begin(), endings.end());
    return {};
}

/// The phase under one layout, from its file, or recorded now.
Result<State> recorded(const fs::path& path, const proto::Scenario& scenario, Layout layout,
                       const Models& models, Intent intent) {
    proto::PolicyState message;
    if (const auto bytes = read_file(path, most_bytes);
        bytes &&
        parse_bounded({reinterpret_cast<const char*>(bytes->data()), bytes->size()}, message))
        if (auto state = state_of(message); state && state->pool) return state;
    auto host = TRY(open_with(scenario, turn(Knob::layout, option_of(layout)), /*tracing=*/true));
    auto state = bench::record(*host, models, intent, pool_name, &interrupted);
    if (!state) return tl::unexpected(state.error());
    if (interrupted) return fail("interrupted");
    const std::string bytes = message_of(*state).SerializeAsString();
    TRY(replace_file(path, std::as_bytes(std::span(bytes))));
    return state;
}

/// The policy goes through the day as it was recorded under each layout.
Result<void> replay_service(const DayRequest& request, proto::Day& day) {
    const auto models = TRY(Models::load(request.bundle));
    const fs::path folder =
        request.out / "windows" /
        fmt::format("{}-{}-{}", day.simulator(), request.bundle.manifest.id().substr(0, 12),
                    to_string(request.intent));
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return fail("{}: {}", folder.string(), error.message());
    std::vector<bench::RecordedPhase> phases;
    for (int p = 0; p < day.phases_size(); ++p) {
        const proto::DayPhase& phase = day.phases(p);
        bench::RecordedPhase& made = phases.emplace_back();
        if (phase.representative_size() != layout_count) return fail(incomplete);
        for (const Layout layout : all_layouts) {
            const auto same =
                layout_from_string(phase.representative(static_cast<int>(index(layout))));
            if (!same) return fail(incomplete);
            made.same[index(layout)] = *same;
            if (*same != layout) continue;
            auto run = TRY(recorded(
                folder / fmt::format("day-{:02}-{}-{}", day.options().seed(), p, to_string(layout)),
                phase.scenario(), layout, models, request.intent));
            made.length = run.now;
            made.runs.emplace(layout, std::move(run));
        }
        for (const Layout same : made.same)
            if (!made.runs.contains(same)) return fail(incomplete);
    }
    const bench::ReplayedDay replayed = bench::replay(phases, request.intent, request.policy);
    day.set_switches(replayed.switches);
    day.set_reverts(replayed.reverts);
    day.clear_endings();
    for (const TrialReport& trial : replayed.trials) day.add_endings(ending_of(trial));
    for (int p = 0; p < day.phases_size(); ++p) {
        const auto& spent = replayed.spent[static_cast<std::size_t>(p)];
        day.mutable_phases(p)->clear_service();
        auto& told = *day.mutable_phases(p)->mutable_spent_s();
        told.Clear();
        for (const double in_layout : spent)
            for (const Option limit : all_options) told.Add(limit == boot_option ? in_layout : 0);
    }
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

} // namespace

std::vector<Knob> knobs_of(const PolicySettings& policy, bool stock, bool replay) {
    std::vector<Knob> knobs;
    if (!stock) knobs.push_back(Knob::layout);
    if (policy.tune_rate_limit && !replay) knobs.push_back(Knob::rate_limit);
    return knobs;
}

std::string name_of_knobs(std::span<const Knob> knobs) {
    return knobs.size() == 1 ? std::string(to_string(knobs.front())) : "both";
}

Result<proto::Day> make_day(const DayRequest& request) {
    const fs::path path = request.out / fmt::format("day-{:02}.json", request.options.seed());
    proto::Day day = stored(path, request.options, request.simulator);
    const auto store = [&]() -> Result<void> {
        const std::string text = to_json(day);
        return replace_file(path, std::as_bytes(std::span(text)));
    };
    if (day.phases().empty()) {
        TRY(draw(request.out / "generated", day));
        for (proto::DayPhase& phase : *day.mutable_phases()) TRY(run_options(phase));
        TRY(store());
    }
    if (request.replay) {
        TRY(replay_service(request, day));
        return day;
    }
    const PolicySettings& policy = request.policy;
    if (day.bundle() != request.bundle.manifest.id() || day.intent() != to_string(request.intent) ||
        day.gain() != policy.switch_margins.gain ||
        day.confidence() != policy.switch_margins.confidence ||
        day.least_gain_part() != policy.least_gain_part ||
        day.knobs() != name_of_knobs(knobs_of(request.policy, request.stock, request.replay))) {
        TRY(run_service(request, day));
        TRY(store());
    }
    return day;
}

Result<bench::PhaseFigures> figures_of(const proto::DayPhase& phase, Intent intent) {
    std::vector<LayoutResult> results;
    std::map<std::pair<std::string, unsigned>, std::size_t> place;
    for (const proto::DayRun& run : phase.runs()) {
        auto result = TRY(result_from(run.truth(), pool_name));
        const unsigned limit_us =
            run.has_rate_limit_us() ? run.rate_limit_us() : default_rate_limit_us;
        place[{run.layout(), limit_us}] = results.size();
        results.push_back(std::move(result));
    }
    if (phase.has_service()) {
        auto service = TRY(result_from(phase.service(), pool_name));
        results.push_back(std::move(service));
    }
    const auto utility = TRY(utilities(intent, results));
    const proto::Scenario& scenario = phase.scenario();
    if (phase.representative_size() != layout_count ||
        phase.spent_s_size() != option_count * option_count)
        return fail(incomplete);
    bench::PhaseFigures figures{.seconds = scenario.warmup_s() + scenario.measured_s(),
                                .utility = {},
                                .by_limit = {},
                                .service = phase.has_service() ? utility.back() : 0,
                                .spent = {}};
    for (const Option option : all_options) {
        const auto layout = place.find(
            {phase.representative(static_cast<int>(index(option))), default_rate_limit_us});
        const auto limit = place.find(
            {phase.representative(static_cast<int>(index(boot_option))), limit_of(option)});
        if (layout == place.end() || limit == place.end()) return fail(incomplete);
        figures.utility[index(option)] = utility[layout->second];
        figures.by_limit[index(option)] = utility[limit->second];
        for (const Option with : all_options)
            figures.spent[index(option)][index(with)] =
                phase.spent_s(static_cast<int>(index(option) * option_count + index(with)));
    }
    if (phase.has_service()) return figures;
    // Replayed: of each layout as much as it was in force.
    for (const Option layout : all_options)
        figures.service += figures.utility[index(layout)] *
                           figures.spent[index(layout)][index(boot_option)] / figures.seconds;
    return figures;
}

} // namespace intellisched
