// SPDX-License-Identifier: MIT
#include "watch.hpp"

#include <algorithm>

namespace soak {
namespace {

constexpr std::int64_t kLost = 1'000'000'000;
constexpr double kIdle = 0.9; // of the time; it may have served an interrupt
// Between two looks no more counts: when the host of an emulated machine stands still, so does
// every vCPU of it that waits, and its clock goes on. A lost wake-up is still lost at the next
// looks.
constexpr std::int64_t kBetweenLooks = 300'000'000;

} // namespace

std::vector<std::string> Watch::look(Xen& xen, const std::vector<std::uint32_t>& domids,
                                     std::int64_t now_ns) {
    std::vector<std::string> lost;
    const std::vector<std::uint64_t> idle = xen.idle_ns();
    std::map<std::pair<std::uint32_t, unsigned>, Wait> waits;
    for (const std::uint32_t domid : domids) {
        const Domain domain = xen.domain(domid);
        if (!domain.exists || (domain.paused && paused_ == Paused::left_out)) continue;
        for (unsigned id = 0; id < domain.vcpus; ++id) {
            const Vcpu vcpu = xen.vcpu(domid, id);
            if (!vcpu.waiting) continue;
            const auto before = waits_.find({domid, id});
            // One that ran in between, or was moved to another pool, waits anew.
            if (before == waits_.end() || before->second.run_ns != vcpu.run_ns ||
                before->second.pool != domain.pool) {
                waits[{domid, id}] = {now_ns, 0, vcpu.run_ns, domain.pool, idle, false};
                continue;
            }
            Wait& wait = waits[{domid, id}] = before->second;
            const std::int64_t waited = now_ns - wait.since_ns;
            wait.seen_ns += std::min(now_ns - last_look_ns_, kBetweenLooks);
            longest_ = std::max(longest_, waited);
            if (wait.seen_ns <= kLost || wait.told) continue;
            const Cpus pool = xen.cpus_of(domain.pool);
            const Cpus hard = xen.hard_affinity(domid, id);
            for (unsigned cpu = 0; cpu < idle.size(); ++cpu) {
                if (!pool[cpu] || !hard[cpu]) continue;
                const auto idled = static_cast<double>(idle[cpu] - wait.idle_ns[cpu]);
                if (idled < kIdle * static_cast<double>(waited)) continue;
                lost.push_back(std::string("d") + std::to_string(domid) + "v" + std::to_string(id) +
                               " waits for " + std::to_string(waited / 1'000'000) + " ms and CPU " +
                               std::to_string(cpu) + " of pool " + std::to_string(domain.pool) +
                               " idles");
                wait.told = true;
                break;
            }
        }
    }
    waits_ = std::move(waits);
    last_look_ns_ = now_ns;
    return lost;
}

} // namespace soak
