// SPDX-License-Identifier: MIT
#include "src/cli/pool_watch.hpp"

#include "src/base/counted.hpp"
#include "src/base/interrupt.hpp"
#include "src/cli/output.hpp"
#include "src/cli/shared_options.hpp"
#include "src/host/observe.hpp"
#include "src/layout/snapshot.hpp"
#include "src/pool/pool_loop.hpp"

#include <algorithm>
#include <chrono>

namespace intellisched::cli {

void WatchOptions::add_to(CLI::App& command) {
    source.add_to(command);
    source.add_trace_options(command);
    command.add_option("--seconds", seconds, "how long to watch a live host")
        ->capture_default_str()
        ->transform(seconds_range());
}

void WatchOptions::add_model_to(CLI::App& command) {
    command.add_option("--intent", intent, "throughput, latency or balanced")
        ->capture_default_str()
        ->check(CLI::IsMember({"throughput", "latency", "balanced"}));
    command.add_option("--bundle", bundle,
                       "the model bundle (default: $INTELLISCHED_BUNDLE, else the installed one)");
}

namespace {

/// Whether the pool is the same machine to the model: its CPUs, its configuration, and what each
/// layout would make of its runqueues.
bool same_configuration(const PoolFacts& a, const PoolFacts& b) {
    return a.in_force == b.in_force && a.rate_limit_us == b.rate_limit_us &&
           a.runqueues_in_force == b.runqueues_in_force && a.representatives == b.representatives &&
           a.runqueues == b.runqueues;
}

/// Whether somebody turned a guest's weight, cap or hard affinity. Guests that came or went are
/// none.
bool guest_turned(const PoolFacts& before, const PoolFacts& now) {
    return std::ranges::any_of(now.turned, [&](const GuestTurned& guest) {
        const auto found = std::ranges::find(before.turned, guest.domain, &GuestTurned::domain);
        return found != before.turned.end() && *found != guest;
    });
}

Result<void> look_at(const WindowStats& stats, const Models& models, const WatchOptions& options,
                     Intent intent, Watched& watched) {
    const LookOptions how{.intent = intent, .costs = options.costs};
    auto looked = TRY(look(stats, watched.snapshot, models, how));
    watched.observations.push_back(looked.seen.observation);
    if (const auto of_rate_limit = looked.seen.about(Knob::rate_limit))
        watched.rate_limit.push_back(*of_rate_limit);
    watched.windows.push_back({std::move(looked.features), stats.facts});
    return {};
}

} // namespace

Result<Watched> watch(const WatchOptions& options, const Models* models) {
    const auto host = TRY(options.source.open());
    return watch(*host, options, models);
}

Result<Watched> watch(Host& host, const WatchOptions& options, const Models* models) {
    const Intent intent = *intent_from_string(options.intent);

    Watched watched;
    std::optional<Pool> pool;
    Result<void> predicted;
    std::uint64_t windows = 0, events = 0, decisions = 0;
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
    auto observed = observe(host, observation, [&](const WindowStats& stats) {
        if (!pool || stats.facts.pool_id != pool->id || !predicted) return;
        if (!same_configuration(watched.facts, stats.facts)) {
            watched.before = static_cast<unsigned>(windows);
            watched.turned = 0;
            watched.findings = {};
            watched.observations.clear(); // what was seen of another pool speaks of that one
            watched.rate_limit.clear();
            watched.windows.clear();
        }
        // What guests got and were due with other weights says nothing of those that they have.
        const bool turned = windows > watched.before && guest_turned(watched.facts, stats.facts);
        if (turned) {
            watched.turned = static_cast<unsigned>(windows) + 1 - watched.before;
            watched.findings = {};
        }
        watched.facts = stats.facts;
        if (!turned) watched.findings.add(stats); // else it is of both
        events += stats.events;
        decisions += stats.decisions;
        ++windows;
        if (models) predicted = look_at(stats, *models, options, intent, watched);
    });
    if (!observed) return tl::unexpected(observed.error());
    if (!predicted) return tl::unexpected(predicted.error());
    if (!pool) return fail("the host gave no snapshot of its pools; nothing can be recommended");
    watched.odd = observed->told();
    for (const auto& [cpu, seconds] : observed->clocks)
        watched.odd.push_back(clock_text(cpu, seconds));
    if (windows == 0)
        return fail("cpupool '{}': the trace is too short for one window of a second; record or "
                    "watch for longer",
                    printable(pool->name));
    if (events > 0 && decisions == 0)
        return fail("cpupool '{}': the trace has no credit2 records; record it with the event mask "
                    "0x2f000 on a pool that runs credit2",
                    printable(pool->name));
    return watched;
}

std::vector<std::string> remarks_on(const Watched& watched, bool lost_is_told) {
    std::vector<std::string> remarks;
    if (std::string lost = watched.findings.lost_text(); !lost.empty() && !lost_is_told)
        remarks.push_back(std::move(lost));
    if (std::string clocks = watched.findings.clocks_text(); !clocks.empty())
        remarks.push_back(std::move(clocks));
    if (watched.before > 0)
        remarks.push_back(fmt::format("{} of before a change of the pool: of its CPUs, its layout "
                                      "or its rate limit",
                                      counted(watched.before, "window is left out, which was",
                                              "windows are left out, which were")));
    if (watched.turned > 0)
        remarks.push_back(fmt::format("of what is said of guests {} of before a change of a "
                                      "guest's weight, cap or hard affinity",
                                      counted(watched.turned, "window is left out, which was",
                                              "windows are left out, which were")));
    remarks.insert(remarks.end(), watched.odd.begin(), watched.odd.end());
    return remarks;
}

Verdict judge_layout(const Watched& watched) {
    return judge(watched.observations, Knob::layout, option_of(watched.facts.current),
                 classes_of(watched.facts.representatives));
}

Margins rate_limit_margins() {
    Margins margins;
    margins.gain = PolicySettings().switch_margins.gain;
    return margins;
}

Verdict judge_rate_limit(const Watched& watched) {
    return judge(watched.rate_limit, Knob::rate_limit, rate_limit_option(watched.facts),
                 all_options, {}, rate_limit_margins());
}

} // namespace intellisched::cli
