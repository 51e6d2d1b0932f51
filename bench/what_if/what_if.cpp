// SPDX-License-Identifier: MIT
#include "bench/what_if/what_if.hpp"

#include "src/policy/comparison.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

namespace intellisched::what_if {
namespace {

const proto::PoolTruth* pool_in(const proto::Truth& truth, const std::string& pool) {
    const auto found = std::ranges::find(truth.pools(), pool, &proto::PoolTruth::name);
    return found == truth.pools().end() ? nullptr : &*found;
}

double moves(const proto::PoolTruth& pool) {
    return static_cast<double>(pool.migrations_core() + pool.migrations_socket() +
                               pool.migrations_llc() + pool.migrations_remote());
}

/// Per second of all those truths.
double mean_rate(const std::vector<proto::Truth>& truths, const std::string& pool, auto count) {
    double sum = 0, seconds = 0;
    for (const proto::Truth& truth : truths) {
        seconds += truth.seconds();
        if (const auto* one = pool_in(truth, pool)) sum += count(truth, *one);
    }
    return seconds > 0 ? sum / seconds : 0;
}

double run_ns(const proto::Truth& truth, const std::string& pool) {
    double sum = 0;
    for (const proto::GuestTruth& guest : truth.guests())
        if (guest.pool() == pool) sum += guest.run_ns();
    return sum;
}

/// Of the recorded pool's domains; `name` is the pool's in the scenario.
Likeness likeness_of(const replay::Recording& recording, const Pool& pool, const std::string& name,
                     const std::vector<proto::Truth>& in_force) {
    Likeness likeness;
    likeness.cpus_replayed =
        mean_rate(in_force, name,
                  [&](const auto& truth, const auto&) { return run_ns(truth, name); }) /
        1e9;
    likeness.wakes_replayed = mean_rate(in_force, name, [](const auto&, const auto& one) {
        return static_cast<double>(one.wakeups());
    });
    std::set<unsigned> domains;
    for (const proto::Domain& domain : recording.host.snapshot.domains())
        if (domain.pool_id() == pool.id) domains.insert(domain.id());
    for (const auto& [key, stretches] : recording.collected.stretches().by_vcpu) {
        if (!domains.contains(key >> 16)) continue;
        for (const replay::Stretch& stretch : stretches)
            likeness.cpus_recorded += static_cast<double>(stretch.ran);
        likeness.wakes_recorded += static_cast<double>(stretches.size());
    }
    likeness.cpus_recorded /=
        static_cast<double>(recording.info.tsc_khz) * 1e3 * recording.seconds();
    likeness.wakes_recorded /= recording.seconds();
    return likeness;
}

/// The work of each guest's stretches becomes `part` of it.
void scale(proto::Scenario& scenario, const std::map<std::string, double>& part) {
    for (proto::Guest& guest : *scenario.mutable_guests()) {
        const auto found = part.find(guest.name());
        if (found == part.end()) continue;
        for (auto& vcpu :
             *guest.mutable_phases(0)->mutable_loads(0)->mutable_replay()->mutable_vcpus())
            for (auto* times : {vcpu.mutable_run_us(), vcpu.mutable_send_us()})
                for (double& us : *times)
                    us = std::max(std::round(us * found->second * 1e3) / 1e3, 0.001);
    }
}

/// By chance alone.
Estimate by_chance(std::span<const double> values) {
    const auto n = static_cast<double>(values.size());
    Estimate estimate;
    if (values.empty()) return estimate;
    estimate.mean = std::reduce(values.begin(), values.end()) / n;
    double squares = 0;
    for (const double value : values) squares += (value - estimate.mean) * (value - estimate.mean);
    constexpr double normal_95 = 1.96;
    estimate.error = values.size() < 2
                         ? std::nan("")
                         : student(normal_95, n - 1) * std::sqrt(squares / (n - 1) / n);
    return estimate;
}

} // namespace

Estimate estimate_of(std::span<const double> values, std::size_t readings) {
    if (readings < 2) return by_chance(values);
    const Estimate one = by_chance(values.first(values.size() / 2));
    const Estimate other = by_chance(values.last(values.size() / 2));
    return {.mean = (one.mean + other.mean) / 2,
            .error = (one.error + other.error + std::abs(one.mean - other.mean)) / 2};
}

double beyond_chance(const Estimate& estimate) {
    return std::copysign(std::max(std::abs(estimate.mean) - estimate.error, 0.0), estimate.mean);
}

double together(const Estimate& simulated, std::optional<double> predicted) {
    const double sure = beyond_chance(simulated);
    return predicted ? (sure + *predicted) / 2 : sure;
}

bool promises(const Estimate& simulated, std::optional<double> predicted, double margin) {
    return beyond_chance(simulated) >= 0 && predicted.value_or(0) >= 0 &&
           together(simulated, predicted.value_or(0)) >= margin;
}

bool alike(const Likeness& likeness) {
    const auto within = [](double replayed, double recorded, double part) {
        return std::abs(replayed - recorded) <= part * recorded;
    };
    return within(likeness.cpus_replayed, likeness.cpus_recorded, 1.0 / 6) &&
           within(likeness.wakes_replayed, likeness.wakes_recorded, 1.0 / 4);
}

Result<std::vector<Row>> compare(const std::vector<Change>& configurations, const std::string& pool,
                                 const Truths& truths, std::size_t readings) {
    // By intent and configuration: the differences, part by part.
    std::array<std::vector<std::vector<double>>, all_intents.size()> gains;
    for (auto& one : gains) one.resize(configurations.size());
    for (std::size_t k = 0; k < truths.front().size(); ++k) {
        std::vector<LayoutResult> results;
        for (const auto& of_one : truths) results.push_back(TRY(result_from(of_one.at(k), pool)));
        for (const Intent intent : all_intents) {
            const auto all = TRY(utilities(intent, results));
            for (std::size_t i = 0; i < all.size(); ++i)
                gains[index(intent)][i].push_back(all[i] - all.front());
        }
    }
    std::vector<Row> rows;
    for (std::size_t i = 0; i < configurations.size(); ++i) {
        Row row{.change = configurations[i]};
        for (const Intent intent : all_intents)
            row.gain[index(intent)] = estimate_of(gains[index(intent)][i], readings);
        row.moves =
            mean_rate(truths[i], pool, [](const auto&, const auto& one) { return moves(one); });
        rows.push_back(row);
    }
    return rows;
}

Configurations configurations_of(const Topology& topology, const Pool& pool, const Change& boot) {
    const Arrangement in_force =
        pool.arrangement.value_or(boot.arrangement.value_or(Arrangement{}));
    const unsigned limit =
        pool.rate_limit_us.value_or(boot.rate_limit_us.value_or(default_rate_limit_us));
    Configurations all{.in_force = {.arrangement = in_force, .rate_limit_us = limit}};
    std::vector<Partition> partitions{partition(topology, pool, in_force)};
    all.all.push_back({.rate_limit_us = limit}); // its layout is the scenario's
    for (const Layout layout : all_layouts) {
        const Arrangement wanted{layout, pool.can_rearrange ? no_cap : in_force.max_cpus};
        const Partition runqueues = partition(topology, pool, wanted);
        const auto same = std::ranges::find(partitions, runqueues);
        all.layout[index(layout)] = static_cast<std::size_t>(same - partitions.begin());
        if (same != partitions.end()) continue;
        partitions.push_back(runqueues);
        all.all.push_back({.arrangement = wanted, .rate_limit_us = limit});
    }
    for (std::size_t i = 0; i < rate_limits_us.size(); ++i) {
        if (rate_limits_us[i] == limit) continue;
        all.limit[i] = all.all.size();
        all.all.push_back({.rate_limit_us = rate_limits_us[i]});
    }
    return all;
}

Result<std::vector<proto::Scenario>>
scenarios_for(const replay::Recording& recording, const std::string& name, const std::string& pool,
              const Change& in_force, const proto::Costs& costs, const MeasureOptions& options) {
    const replay::Stretches& all = recording.collected.stretches();
    std::size_t wakes = 0;
    for (const auto& [key, stretches] : all.by_vcpu) wakes += stretches.size();
    // Of a busy host, the beginning of each part.
    const auto pieces = static_cast<unsigned>(1 + wakes / (std::size_t{parts} * most_wakes));
    auto cut = replay::cut(all, parts * pieces);
    std::vector<proto::Scenario> scenarios;
    for (const bool on_time : {false, true})
        for (unsigned i = 0; i < cut.size(); i += pieces) {
            auto one = TRY(replay::scenario_of(
                recording, on_time ? replay::timers_on_time(std::move(cut[i])) : cut[i], name,
                replay::Wakes::causal));
            one.mutable_costs()->MergeFrom(costs);
            scenarios.push_back(std::move(one));
        }
    // What a host's CPUs were slowed down by (other threads of the core, cold caches) is part of
    // the recorded time, and would come to it once more.
    MeasureOptions quiet = options;
    quiet.progress = [](auto, auto) {};
    const auto truths = TRY(measure(scenarios, pool, {in_force}, quiet));
    for (std::size_t i = 0; i < scenarios.size(); ++i) {
        std::map<std::string, double> part;
        for (const proto::GuestTruth& guest : truths.front()[i].guests())
            if (guest.run_ns() > 0 && guest.work_ns() > 0)
                part[guest.name()] = std::min(guest.work_ns() / guest.run_ns(), 1.0);
        scale(scenarios[i], part);
    }
    return scenarios;
}

Result<WhatIf> what_if(const replay::Recording& recording, const std::string& name,
                       const std::string& pool_name, const proto::Costs& costs,
                       const MeasureOptions& options) {
    if (recording.seconds() < least_s)
        return fail("{}: has {:.2f} s; {} are needed, and 5 are better", name, recording.seconds(),
                    least_s);
    const Pool pool = TRY(find_pool(recording.host.pools, pool_name));
    // In a scenario the first pool has Xen's name for it.
    const std::string in_scenario = pool.id == 0 ? "Pool-0" : pool.name;
    WhatIf result;
    result.seconds = recording.seconds();
    result.configurations =
        configurations_of(recording.host.topology, pool, booted(recording.info));
    const auto scenarios = TRY(scenarios_for(recording, name, in_scenario,
                                             result.configurations.all.front(), costs, options));
    auto truths = TRY(measure(scenarios, in_scenario, result.configurations.all, options));
    // A reading of the timers under which the replay is not like the host is the wrong one.
    const auto of_reading = [&](bool second) {
        Truths half = truths;
        for (auto& one : half) {
            const auto middle = one.begin() + static_cast<std::ptrdiff_t>(one.size() / 2);
            second ? one.erase(one.begin(), middle) : one.erase(middle, one.end());
        }
        return half;
    };
    const auto likeness = [&](const Truths& of) {
        return likeness_of(recording, pool, in_scenario, of.front());
    };
    const Truths slept = of_reading(false), on_time = of_reading(true);
    std::size_t readings = 2;
    if (const bool first = alike(likeness(slept)); first != alike(likeness(on_time))) {
        truths = first ? slept : on_time;
        readings = 1;
    }
    result.rows = TRY(compare(result.configurations.all, in_scenario, truths, readings));
    result.likeness = likeness(truths);
    return result;
}

} // namespace intellisched::what_if
