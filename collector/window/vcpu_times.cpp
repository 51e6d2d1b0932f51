// SPDX-License-Identifier: MIT
#include "collector/window/vcpu_times.hpp"

#include "collector/window/demand.hpp"
#include "collector/window/fairness.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace intellisched {

namespace {

// A hog wants a CPU most of the time and hardly ever blocks. By its demand alone, a job of many
// short blocks that fills a CPU would be one in one window and none in the next.
constexpr double least_demand = 0.5;     // of the time
constexpr double most_sleeps_per_s = 10; // of running

} // namespace

void add_vcpu_times(WindowStats& stats, std::span<const VcpuTime> vcpus) {
    std::vector<Claim> claims;
    const double seen = stats.seen_seconds() * stats.tsc_hz;
    // Of a vCPU that runs is known as long as its CPU is in no loss, of the others only while none
    // is: their time stands for more.
    const double scale = stats.clear > 0 ? std::max(1.0, seen / stats.clear) : 1;
    // Of a vCPU that was seen for a moment only nothing can be said.
    const double least = 0.25 * seen;
    for (const VcpuTime& vcpu : vcpus) {
        const double waiting = vcpu.waiting * scale;
        const double demand = vcpu.running + waiting;
        stats.running += vcpu.running;
        stats.waiting += waiting;
        if (vcpu.domain == 0) stats.dom0_running += vcpu.running;
        if (vcpu.running > 0) ++stats.active_vcpus;
        const double known = demand + vcpu.sleeping * scale;
        if (known >= least && demand > least_demand * known &&
            vcpu.sleeps * stats.tsc_hz < most_sleeps_per_s * vcpu.running)
            stats.hogs += vcpu.running;
        DomainWindow& domain = stats.domains[vcpu.domain];
        domain.running += vcpu.running;
        domain.waiting += waiting;
        domain.sleeps += vcpu.sleeps;
        domain.bursts += vcpu.bursts;
        domain.moves += vcpu.moves;
        domain.demand += intellisched::demand(vcpu.running, waiting, vcpu.sleeping * scale);
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
