// SPDX-License-Identifier: MIT
#include "collector/window/facts.hpp"

#include <algorithm>
#include <set>

namespace intellisched {
namespace {

/// Whether an affinity (empty: every CPU) leaves out a CPU of the pool.
bool narrows(const google::protobuf::RepeatedField<std::uint32_t>& affinity, const Pool& pool) {
    if (affinity.empty()) return false;
    return !std::all_of(pool.cpus.begin(), pool.cpus.end(), [&](unsigned cpu) {
        return std::find(affinity.begin(), affinity.end(), cpu) != affinity.end();
    });
}

} // namespace

void set_layouts(PoolFacts& facts, const Topology& told, const Pool& pool, const Arrangement& boot,
                 const SeenRunqueues& seen) {
    facts.in_force = pool.arrangement.value_or(boot);
    facts.can_rearrange = pool.can_rearrange;
    Explained now = explain_runqueues(told, pool, facts.in_force, seen);
    Topology topology = told;
    topology.threads_per_core = now.threads_per_core;
    facts.explained = now.explained;

    const unsigned max_cpus = pool.can_rearrange ? no_cap : facts.in_force.max_cpus;
    const Partitions candidates = partitions(topology, pool, max_cpus);
    facts.representatives = representatives(candidates);
    facts.exact = false;
    for (Layout l : all_layouts) {
        const Partition& candidate = candidates[index(l)];
        facts.runqueues[index(l)] = static_cast<unsigned>(candidate.size());
        // Of several, the one that has its name.
        if (candidate == now.runqueues && (!facts.exact || l == facts.in_force.layout)) {
            facts.exact = true;
            facts.current = l;
        }
    }
    if (!facts.exact) facts.current = facts.in_force.layout;
    facts.runqueues_in_force = std::move(now.runqueues);
}

PoolFacts pool_facts(const proto::HostSnapshot& snapshot, const Topology& topology,
                     const Pool& pool, const Arrangement& boot, const SeenRunqueues& seen) {
    PoolFacts facts;
    facts.pool_id = pool.id;
    facts.pool = pool.name;
    facts.rate_limit_us = pool.rate_limit_us;
    set_layouts(facts, topology, pool, boot, seen);

    std::set<std::pair<unsigned, unsigned>> cores;
    std::set<unsigned> sockets, nodes;
    for (unsigned id : pool.cpus) {
        const Cpu* cpu = topology.find(id);
        if (!cpu) continue;
        ++facts.cpus;
        cores.emplace(cpu->socket, cpu->core);
        sockets.insert(cpu->socket);
        nodes.insert(cpu->node);
    }
    facts.cores = static_cast<unsigned>(cores.size());
    facts.sockets = static_cast<unsigned>(sockets.size());
    facts.nodes = static_cast<unsigned>(nodes.size());

    unsigned lightest = UINT32_MAX, heaviest = 0, capped = 0, pinned = 0, soft = 0;
    for (const proto::Domain& domain : snapshot.domains()) {
        if (domain.pool_id() != pool.id) continue;
        ++facts.domains;
        unsigned online = 0, held = 0;
        for (const proto::Vcpu& vcpu : domain.vcpus()) {
            if (!vcpu.online()) continue;
            ++online;
            if (narrows(vcpu.hard_affinity(), pool)) ++held;
            if (narrows(vcpu.soft_affinity(), pool)) ++soft;
        }
        facts.turned.push_back({domain.id(), domain.weight(), domain.cap(), held});
        pinned += held;
        facts.vcpus += online;
        facts.largest_domain = std::max(facts.largest_domain, online);
        if (domain.cap() != 0) capped += online;
        if (domain.weight() == 0) continue; // not known
        lightest = std::min(lightest, domain.weight());
        heaviest = std::max(heaviest, domain.weight());
    }
    if (heaviest > 0) facts.weight_spread = static_cast<double>(heaviest) / lightest;
    if (facts.vcpus > 0) {
        facts.capped = static_cast<double>(capped) / facts.vcpus;
        facts.pinned = static_cast<double>(pinned) / facts.vcpus;
        facts.soft_affine = static_cast<double>(soft) / facts.vcpus;
    }
    return facts;
}

} // namespace intellisched
