// SPDX-License-Identifier: MIT
#include "src/service/live_score.hpp"

#include "src/calibrate/findings.hpp"
#include "src/model/estimate.hpp"
#include "src/model/score.hpp"
#include "src/policy/workload.hpp"

#include <algorithm>
#include <boost/container_hash/hash.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

namespace intellisched {
namespace {

constexpr double no_utility = std::numeric_limits<double>::quiet_NaN();

const double smt_speed = calibrate::constant("smt_speed").standard;
const double refill_socket_us = calibrate::constant("refill_socket_us").standard;
const double refill_remote_us = calibrate::constant("refill_remote_us").standard;

constexpr double least_speed = 0.1; // a choice

/// What moves between cores leave of the pool's running time.
double speed_of_moves(const WindowStats& stats) {
    const auto moves = [&](Distance distance) {
        return static_cast<double>(stats.moves[static_cast<std::size_t>(distance)]);
    };
    const double refill_us = moves(Distance::socket) * refill_socket_us +
                             (moves(Distance::node) + moves(Distance::remote)) * refill_remote_us;
    const double running_us = stats.running / stats.tsc_hz * 1e6;
    return running_us > 0 ? std::max(1 - refill_us / running_us, least_speed) : 1;
}

} // namespace

double live_utility(const WindowStats& stats, const proto::HostSnapshot& snapshot, Intent intent,
                    const Published& published) {
    if (stats.rearrangements > 0) return no_utility;
    proto::Truth truth = estimate({&stats, 1}, snapshot, 1 - smt_speed);
    // Results go by name, and a name is no identity here.
    for (proto::GuestTruth& guest : *truth.mutable_guests())
        guest.set_name(std::to_string(guest.domid()));
    auto result = result_from(truth, stats.facts.pool);
    if (!result) return no_utility;
    const double speed = speed_of_moves(stats);
    for (auto& [id, guest] : result->guests)
        if (guest.work > 0 && guest.demand && *guest.demand > 0)
            guest.work *= speed / (*guest.demand * 1e9);
    for (const auto& [id, work] : published.work)
        if (const auto guest = result->guests.find(std::to_string(id));
            guest != result->guests.end())
            guest->second.work = work;
    const auto utility = utilities(intent, {&*result, 1});
    return utility && std::isfinite(utility->front()) ? utility->front() : no_utility;
}

std::uint64_t guests_hash(const proto::HostSnapshot& snapshot, unsigned pool_id) {
    std::vector<std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>> guests;
    for (const proto::Domain& domain : snapshot.domains()) {
        if (domain.pool_id() != pool_id || domain.id() == 0) continue;
        const auto online = std::count_if(domain.vcpus().begin(), domain.vcpus().end(),
                                          [](const proto::Vcpu& vcpu) { return vcpu.online(); });
        guests.emplace_back(domain.id(), online, domain.weight(), domain.cap());
    }
    std::sort(guests.begin(), guests.end());
    return boost::hash_value(guests);
}

std::uint64_t topology_hash(const Topology& topology, const Pool& pool) {
    std::size_t hash = static_cast<std::size_t>(pool.granularity);
    for (const unsigned id : pool.cpus) {
        boost::hash_combine(hash, id);
        const Cpu* cpu = topology.find(id);
        boost::hash_combine(hash, cpu != nullptr);
        if (cpu == nullptr) continue;
        boost::hash_combine(hash, cpu->core);
        boost::hash_combine(hash, cpu->socket);
        boost::hash_combine(hash, cpu->node);
    }
    return hash;
}

WindowSeen window_seen(const WindowStats& stats, const FeatureVector& features,
                       const proto::HostSnapshot& snapshot, const Prediction& prediction,
                       Intent intent, const Published& published) {
    std::size_t guests = guests_hash(snapshot, stats.facts.pool_id);
    if (published.hash != 0) boost::hash_combine(guests, published.hash);
    return {.observation = {.coverage = stats.coverage(),
                            .decisions = stats.decisions,
                            .prediction = prediction,
                            .rearrangements = stats.rearrangements},
            .in_force = stats.facts.in_force,
            .utility = live_utility(stats, snapshot, intent, published),
            .workload = workload_of(features),
            .guests = guests};
}

Result<WindowSeen> window_seen(const WindowStats& stats, const FeatureVector& features,
                               const proto::HostSnapshot& snapshot, const Classifier& classifier,
                               Intent intent, const Published& published) {
    const auto prediction = classifier.predict(
        {&features, intent, stats.facts.current, stats.facts.representatives, {}});
    if (!prediction) return tl::unexpected(prediction.error());
    return window_seen(stats, features, snapshot, *prediction, intent, published);
}

PoolSeen pool_seen(const PoolFacts& facts, const Topology& topology, const Pool& pool,
                   const Arrangement& boot) {
    return {.topology = topology_hash(topology, pool),
            .can_rearrange = facts.can_rearrange,
            .same = facts.representatives,
            .in_force = facts.in_force,
            .current = facts.current,
            .exact = facts.exact,
            .boot = boot};
}

} // namespace intellisched
