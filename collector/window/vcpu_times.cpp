// SPDX-License-Identifier: MIT
#include "collector/window/vcpu_times.hpp"

#include "collector/window/fairness.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace intellisched {

void add_vcpu_times(WindowStats& stats, std::span<const VcpuTime> vcpus, double cycles) {
    std::vector<Claim> claims;
    for (const VcpuTime& vcpu : vcpus) {
        const double demand = vcpu.running + vcpu.waiting;
        stats.running += vcpu.running;
        stats.waiting += vcpu.waiting;
        if (vcpu.domain == 0) stats.dom0_running += vcpu.running;
        if (vcpu.running > 0) ++stats.active_vcpus;
        if (demand > 0.95 * cycles) stats.hogs += vcpu.running;
        DomainWindow& domain = stats.domains[vcpu.domain];
        domain.running += vcpu.running;
        domain.waiting += vcpu.waiting;
        claims.push_back({vcpu.weight, demand, vcpu.running});
    }
    stats.hogs = stats.running > 0 ? stats.hogs / stats.running : 0;
    stats.share_error = share_error(claims);
    double squares = 0;
    for (const auto& [id, domain] : stats.domains) squares += domain.running * domain.running;
    const auto count = static_cast<double>(stats.domains.size());
    const double mean = count > 0 ? stats.running / count : 0;
    stats.run_spread =
        mean > 0 ? std::sqrt(std::max(0.0, squares / count - mean * mean)) / mean : 0;
}

} // namespace intellisched
