// SPDX-License-Identifier: MIT
#include "src/model/estimate.hpp"

#include <map>
#include <numeric>

namespace intellisched {
namespace {

void write(proto::Quantiles& out, const Histogram& cycles, double to_us) {
    out.set_count(cycles.count());
    out.set_mean_us(cycles.mean() * to_us);
    out.set_p50_us(cycles.quantile(0.5) * to_us);
    out.set_p95_us(cycles.quantile(0.95) * to_us);
    out.set_p99_us(cycles.quantile(0.99) * to_us);
    out.set_max_us(cycles.quantile(1) * to_us);
}

} // namespace

proto::Truth estimate(std::span<const WindowStats> windows, const proto::HostSnapshot& snapshot,
                      double smt_loss) {
    double seconds = 0, cpu_ns = 0, busy = 0, shared = 0;
    std::uint64_t switches = 0, wakeups = 0;
    std::map<unsigned, DomainWindow> domains;
    for (const WindowStats& window : windows) {
        const double to_ns = 1e9 / window.tsc_hz;
        seconds += window.seen_seconds();
        cpu_ns += window.observed * to_ns;
        busy += std::accumulate(window.cpu_busy.begin(), window.cpu_busy.end(), 0.0) * to_ns;
        shared += window.shared * to_ns;
        switches += window.switches;
        wakeups += window.wakeups;
        for (const auto& [id, from] : window.domains) {
            DomainWindow& domain = domains[id];
            domain.running += from.running * to_ns;
            domain.waiting += from.waiting * to_ns;
            domain.demand += from.demand * to_ns;
            domain.wake_wait.add(from.wake_wait);
            domain.response.add(from.response);
        }
    }

    proto::Truth truth;
    truth.set_seconds(seconds);
    if (windows.empty()) return truth;
    const PoolFacts& facts = windows.back().facts;
    proto::PoolTruth& pool = *truth.add_pools();
    pool.set_name(facts.pool);
    pool.set_cpu_ns(cpu_ns);
    pool.set_context_switches(switches);
    pool.set_wakeups(wakeups);

    const double speed = busy > 0 ? 1 - smt_loss * shared / busy : 1;
    const double to_us = 1e6 / windows.back().tsc_hz;
    for (const proto::Domain& domain : snapshot.domains()) {
        if (domain.pool_id() != facts.pool_id) continue;
        const DomainWindow& got = domains[domain.id()];
        proto::GuestTruth& guest = *truth.add_guests();
        guest.set_name(domain.name());
        guest.set_domid(domain.id());
        guest.set_pool(facts.pool);
        guest.set_weight(domain.weight());
        guest.set_cap(domain.cap());
        unsigned online = 0;
        for (const proto::Vcpu& vcpu : domain.vcpus()) online += vcpu.online() ? 1 : 0;
        guest.set_vcpus(online);
        guest.set_work_ns(got.running * speed);
        guest.set_run_ns(got.running);
        guest.set_runnable_ns(got.waiting);
        guest.set_demand_ns(got.demand * speed);
        if (got.wake_wait.count() > 0) write(*guest.mutable_wake_to_run(), got.wake_wait, to_us);
        if (got.response.count() > 0) write(*guest.mutable_response(), got.response, to_us);
    }
    return truth;
}

} // namespace intellisched
