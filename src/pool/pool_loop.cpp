// SPDX-License-Identifier: MIT
#include "src/pool/pool_loop.hpp"

#include "src/policy/workload.hpp"
#include "src/pool/live_score.hpp"

#include <boost/container_hash/hash.hpp>

namespace intellisched {

namespace {

/// Of the pool's CPUs, their cores, sockets and nodes, and the pool's granularity.
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

} // namespace

WindowSeen seen_of(const WindowStats& window, const FeatureVector& features,
                   const Prediction& prediction, const proto::HostSnapshot& snapshot,
                   const LookOptions& options) {
    LiveScore score = live_score(window, snapshot, options.intent, options.published);
    return {.observation = observation_of(window, prediction),
            .in_force = window.facts.in_force,
            .rate_limit_us = window.facts.rate_limit_us,
            .utility = score.utility,
            .workload = workload_of(features),
            .guests = std::move(score.guests)};
}

Result<Look> look(const WindowStats& window, const proto::HostSnapshot& snapshot,
                  const Models& models, const LookOptions& options) {
    const PoolFacts& facts = window.facts;
    Look out{.features = feature_vector(window), .seen = {}};
    const auto prediction =
        TRY(models.layout.predict({&out.features, options.intent, option_of(facts.current),
                                   classes_of(facts.representatives), options.costs}));
    out.seen = seen_of(window, out.features, prediction, snapshot, options);
    if (models.rate_limit)
        out.seen.of_rate_limit = TRY(models.rate_limit->predict(
            {&out.features, options.intent, rate_limit_option(facts), all_options, options.costs}));
    return out;
}

Option rate_limit_option(const PoolFacts& facts) {
    return nearest_limit(facts.rate_limit_us.value_or(default_rate_limit_us));
}

PoolSeen pool_seen(const PoolFacts& facts, const Topology& topology, const Pool& pool,
                   const Change& boot) {
    return {.topology = topology_hash(topology, pool),
            .can_rearrange = facts.can_rearrange,
            .same = facts.representatives,
            .in_force = facts.in_force,
            .current = facts.current,
            .exact = facts.exact,
            .boot = boot.arrangement.value_or(Arrangement{}),
            .rate_limit_us = facts.rate_limit_us,
            .boot_rate_limit_us = boot.rate_limit_us.value_or(default_rate_limit_us)};
}

} // namespace intellisched
