// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/placement.hpp"

#include <algorithm>
#include <bit>
#include <set>

namespace sim {

using intellisched::Cpu;
using intellisched::Topology;

namespace {

using Nodes = std::uint32_t; ///< a bit each

Nodes nodes_of(const Topology& topology, const std::vector<unsigned>& cpus) {
    Nodes nodes = 0;
    for (const unsigned id : cpus)
        if (const Cpu* cpu = topology.find(id)) nodes |= 1U << cpu->node;
    return nodes;
}

/// How many of the vCPUs of `domains` can run on a node: with hard affinity to a suitable CPU
/// there, in a domain with node affinity to it. One that can run on several nodes counts on each.
unsigned vcpus_on(unsigned node, const Topology& topology, const std::vector<DomainPlace>& domains,
                  const std::string& pool, const std::set<unsigned>& suitable) {
    unsigned count = 0;
    for (const DomainPlace& domain : domains) {
        if (domain.pool != pool || (nodes_of(topology, domain.preferred) >> node & 1) == 0)
            continue;
        for (const auto& hard : domain.hard)
            count += std::any_of(hard.begin(), hard.end(), [&](unsigned id) {
                const Cpu* cpu = topology.find(id);
                return cpu != nullptr && cpu->node == node && suitable.contains(id);
            });
    }
    return count;
}

} // namespace

std::optional<std::vector<unsigned>>
numa_placement(const Topology& topology, const std::vector<DomainPlace>& domains,
               const std::string& pool, const std::vector<unsigned>& suitable, unsigned vcpus) {
    unsigned nodes = 0;
    for (const Cpu& cpu : topology.cpus) nodes = std::max(nodes, cpu.node + 1);
    if (nodes <= 1 || nodes > 16) return std::nullopt; // xl gives up above 16, too

    const std::set<unsigned> usable(suitable.begin(), suitable.end());
    std::vector<unsigned> cpus_on(nodes, 0);
    std::vector<unsigned> crowd(nodes, 0);
    for (const unsigned id : usable)
        if (const Cpu* cpu = topology.find(id)) ++cpus_on[cpu->node];
    for (unsigned node = 0; node < nodes; ++node)
        crowd[node] = vcpus_on(node, topology, domains, pool, usable);

    std::optional<Nodes> best;
    unsigned best_crowd = 0;
    for (Nodes set = 1; set < 1U << nodes; ++set) {
        unsigned cpus = 0;
        unsigned crowded = 0;
        bool all_usable = true;
        for (unsigned node = 0; node < nodes; ++node) {
            if ((set >> node & 1) == 0) continue;
            cpus += cpus_on[node];
            crowded += crowd[node];
            all_usable = all_usable && cpus_on[node] > 0;
        }
        if (!all_usable || cpus < vcpus) continue;
        const int size = std::popcount(set);
        if (!best || size < std::popcount(*best) ||
            (size == std::popcount(*best) && crowded < best_crowd)) {
            best = set;
            best_crowd = crowded;
        }
    }
    if (!best) return std::nullopt;
    std::vector<unsigned> chosen;
    for (const Cpu& cpu : topology.cpus)
        if ((*best >> cpu.node & 1) != 0) chosen.push_back(cpu.id);
    return chosen;
}

} // namespace sim
