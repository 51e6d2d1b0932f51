// SPDX-License-Identifier: GPL-2.0-only
// The NUMA placement that xl does when it creates a guest: a guest that says nothing of its own
// gets soft affinity to some of the nodes. It changes what layouts are worth, so it is done as xl
// does it.
#pragma once

#include "src/layout/layout.hpp"

#include <optional>
#include <string>
#include <vector>

namespace sim {

/// Where a domain's vCPUs may run and like to run.
struct DomainPlace {
    std::string pool;
    std::vector<std::vector<unsigned>> hard; ///< by vCPU, never empty lists
    std::vector<unsigned> preferred;         ///< CPUs of the nodes of its node affinity
};

/// The CPUs of the nodes that xl 4.17 would choose for a new domain of `vcpus` that may use the
/// CPUs `suitable` of `pool`; nothing on hosts of one node and when no nodes have CPUs enough.
/// libxl__get_numa_candidate(): of the fewest nodes that have a CPU for every vCPU, those that the
/// fewest vCPUs of other domains can run on; where these are as many, xl looks at free memory, of
/// which the simulated nodes have the same, and takes the first.
[[nodiscard]] std::optional<std::vector<unsigned>>
numa_placement(const intellisched::Topology& topology, const std::vector<DomainPlace>& domains,
               const std::string& pool, const std::vector<unsigned>& suitable, unsigned vcpus);

} // namespace sim
