// SPDX-License-Identifier: MIT
#include "collector/window/pool_vcpus.hpp"

#include <iterator>

namespace intellisched {

void PoolVcpus::take_census(std::uint64_t tsc) {
    const std::vector<unsigned> any;
    const auto tickle = static_cast<std::uint64_t>(hz * longest_tickle_s);
    ++censuses;
    const auto& vcpus = tracker.vcpus();
    for (std::uint32_t i = 0; i < std::min(vcpus.size(), uses.size()); ++i) {
        VcpuUse& vcpu = uses[i];
        if (!vcpu.waiting || tsc < vcpus[i].since + tickle) continue;
        DomainUse* domain = use_of_domain(vcpu, vcpus[i].ref.domain);
        if (!domain) continue;
        WaitCensus& census = domain->census;
        ++census.waiting;
        const PoolWindow& window = windows[vcpu.pool];
        const auto pinned = affinities.empty()
                                ? affinities.end()
                                : affinities.find({vcpus[i].ref.domain, vcpus[i].ref.vcpu});
        const auto& allowed = pinned == affinities.end() ? any : pinned->second;
        const auto idle = window.idle_for(vcpu.runqueue, allowed);
        if (idle == PoolWindow::IdleCpu::own) {
            ++census.beside_idle;
            continue; // it waits for nobody
        }
        census.idle_elsewhere += idle == PoolWindow::IdleCpu::elsewhere;
        census.idle_forbidden += idle == PoolWindow::IdleCpu::forbidden;

        const Partition& runqueues = window.facts().runqueues_in_force;
        if (vcpu.runqueue >= runqueues.size()) continue;
        const std::vector<unsigned>* cpus = &runqueues[vcpu.runqueue];
        if (!allowed.empty()) {
            reachable.clear();
            std::ranges::copy_if(*cpus, std::back_inserter(reachable), [&](unsigned cpu) {
                return std::binary_search(allowed.begin(), allowed.end(), cpu);
            });
            cpus = &reachable;
        }
        if (cpus->empty()) continue;
        const unsigned cpu = (*cpus)[(censuses + i) % cpus->size()];
        const std::uint32_t runs = tracker.current(static_cast<std::uint16_t>(cpu));
        if (runs == RunstateTracker::none || vcpus[runs].ref.idle()) continue;
        const unsigned other = vcpus[runs].ref.domain;
        if (const auto known = census.behind.find(other); known != census.behind.end())
            ++known->second;
        else if (census.behind.size() < most_behind)
            census.behind[other] = 1;
    }
}

} // namespace intellisched
