// SPDX-License-Identifier: MIT
#include "src/service/live_score.hpp"

#include <limits>

namespace intellisched {

WindowSeen window_seen(const WindowStats& stats, const FeatureVector& features,
                       const proto::HostSnapshot& /*snapshot*/, const Prediction& prediction,
                       Intent /*intent*/) {
    return {.observation = {stats.coverage(), stats.decisions, prediction, stats.rearrangements},
            .in_force = stats.facts.in_force,
            .utility = std::numeric_limits<double>::quiet_NaN(),
            .workload = workload_of(features)};
}

PoolSeen pool_seen(const PoolFacts& facts, const Topology& topology, const Pool& pool,
                   const Arrangement& boot) {
    std::uint64_t hash = 0xcbf29ce484222325U; // FNV-1a
    const auto add = [&](std::uint64_t value) {
        for (unsigned i = 0; i < 8; ++i, value >>= 8)
            hash = (hash ^ (value & 0xff)) * 0x100000001b3U;
    };
    add(static_cast<std::uint64_t>(pool.granularity));
    for (const unsigned id : pool.cpus)
        if (const Cpu* cpu = topology.find(id))
            for (const unsigned part : {cpu->id, cpu->core, cpu->socket, cpu->node}) add(part);
    return {.topology = hash,
            .can_rearrange = facts.can_rearrange,
            .same = facts.representatives,
            .in_force = facts.in_force,
            .current = facts.current,
            .exact = facts.exact,
            .boot = boot};
}

} // namespace intellisched
