// SPDX-License-Identifier: GPL-2.0-only
// What tools in dom0 see of the machine, and what only a simulator knows.
#include "bench/simulator/machine_impl.hpp"
#include "collector/window/demand.hpp"
#include "src/layout/snapshot.hpp"

#include <algorithm>

namespace sim {

using intellisched::fail;

namespace {

constexpr std::string_view granularities[] = {"cpu", "core", "socket"};
// Xen's runstates.
constexpr unsigned running = 0;
constexpr unsigned runnable = 1;
constexpr unsigned blocked = 2;

// CPU ids; none for a mask with all `cpus`, as the toolstack tells it.
template<class Ids> void list(const std::uint64_t* mask, std::size_t cpus, Ids& ids) {
    for (std::size_t cpu = 0; cpu < cpus; ++cpu)
        if ((mask[cpu / 64] >> (cpu % 64) & 1) != 0) ids.Add(static_cast<std::uint32_t>(cpu));
    if (static_cast<std::size_t>(ids.size()) == cpus) ids.Clear();
}

proto::Quantiles quantiles(const DomainTruth& truth) {
    proto::Quantiles told;
    const auto& waits = truth.wake_to_run;
    told.set_count(waits.count());
    if (waits.count() == 0) return told;
    const auto longest = static_cast<double>(truth.longest_wait_ns);
    const auto at = [&](double q) { return std::min(waits.quantile(q), longest) / 1000; };
    told.set_mean_us(waits.mean() / 1000);
    told.set_p50_us(at(0.5));
    told.set_p95_us(at(0.95));
    told.set_p99_us(at(0.99));
    told.set_max_us(longest / 1000);
    return told;
}

} // namespace

void MachineImpl::count_cpu_time() const {
    const auto time = static_cast<double>(engine_.now() - counted_to_);
    for (const EngineCpu& cpu : engine_.cpus())
        if (cpu.pool != EngineCpu::no_pool) engine_.pool_truth()[cpu.pool].cpu_ns += time;
    counted_to_ = engine_.now();
}

void MachineImpl::refresh() {
    count_cpu_time();
    for (EngineCpu& cpu : engine_.cpus()) cpu.pool = EngineCpu::no_pool;
    auto& truth = engine_.pool_truth();
    truth.resize(std::max<std::size_t>(truth.size(), pools_.rbegin()->first + 1));
    for (const auto& [id, name] : pools_) {
        xen_pool_info found{};
        (void)engine_.call_xen([&, id = id] { return xen_pool_query(id, &found); });
        for (EngineCpu& cpu : engine_.cpus())
            if ((found.cpus[cpu.id / 64] >> (cpu.id % 64) & 1) != 0) cpu.pool = id;
    }
}

Result<proto::SimReply::InForce> MachineImpl::layout(std::uint32_t pool) const {
    TRY(check_pool(pool));
    xen_layout now{};
    if (auto got = xen(fmt::format("asking for the layout of pool {}", pool),
                       [&] { return xen_pool_arrange(pool, &now, 0); });
        !got)
        return tl::unexpected(got.error());
    proto::SimReply::InForce told;
    *told.mutable_arrangement() = intellisched::message_of(
        intellisched::Arrangement{static_cast<intellisched::Layout>(now.layout), now.max_cpus});
    told.set_runqueues(now.runqueues);
    return told;
}

Result<std::uint32_t> MachineImpl::rate_limit(std::uint32_t pool) const {
    TRY(check_pool(pool));
    std::uint32_t us = 0;
    TRY(xen(fmt::format("asking for the rate limit of pool {}", pool),
            [&] { return xen_pool_rate_limit(pool, &us, 0); }));
    return us;
}

proto::SimReply::Info MachineImpl::info() const {
    proto::SimReply::Info told;
    told.set_xen_version(xen_version);
    told.set_xen_command_line(xen_args_);
    *told.mutable_boot() = boot_;
    told.set_tsc_khz(tsc_khz);
    return told;
}

proto::HostSnapshot MachineImpl::snapshot() const {
    proto::HostSnapshot told;
    told.set_tsc(tsc_of(now()));
    told.set_monotonic_ns(now());
    told.set_threads_per_core(threads_);
    for (const EngineCpu& cpu : engine_.cpus()) {
        if (!cpu.online) continue;
        proto::Cpu& one = *told.add_cpus();
        unsigned core = 0, socket = 0, node = 0;
        xen_cpu_location(cpu.id, &core, &socket, &node);
        one.set_id(cpu.id);
        one.set_core(core);
        one.set_socket(socket);
        one.set_node(node);
    }
    for (const auto& [id, name] : pools_) {
        proto::Pool& pool = *told.add_pools();
        pool.set_id(id);
        pool.set_name(name);
        pool.set_scheduler("credit2");
        xen_pool_info found{};
        (void)engine_.call_xen([&, id = id] { return xen_pool_query(id, &found); });
        pool.set_granularity(std::string(granularities[found.granularity]));
        for (const EngineCpu& cpu : engine_.cpus())
            if (cpu.pool == id) pool.add_cpus(cpu.id);
        if (const auto in_force = layout(id)) {
            *pool.mutable_arrangement() = in_force->arrangement();
            pool.set_runqueues(in_force->runqueues());
        }
        pool.set_can_rearrange(true);
        if (const auto us = rate_limit(id)) pool.set_rate_limit_us(*us);
    }
    for (const auto& one : engine_.domains()) {
        if (!one->alive) continue;
        proto::Domain& domain = *told.add_domains();
        unsigned pool = 0, weight = 0, cap = 0;
        (void)engine_.call_xen([&] { return xen_domain_info(one->domid, &pool, &weight, &cap); });
        domain.set_id(one->domid);
        domain.set_name(one->name);
        domain.set_pool_id(pool);
        domain.set_weight(weight);
        domain.set_cap(cap);
        for (const auto& vcpu : one->vcpus) {
            proto::Vcpu& line = *domain.add_vcpus();
            Mask hard{}, soft{};
            xen_vcpu_masks(vcpu->xen, hard.data(), soft.data());
            line.set_id(vcpu->id);
            line.set_online(true);
            list(hard.data(), engine_.cpus().size(), *line.mutable_hard_affinity());
            list(soft.data(), engine_.cpus().size(), *line.mutable_soft_affinity());
        }
    }
    return told;
}

proto::CounterSample MachineImpl::counters() const {
    proto::CounterSample told;
    told.set_tsc(tsc_of(now()));
    told.set_monotonic_ns(now());
    for (const auto& one : engine_.domains()) {
        if (!one->alive) continue;
        proto::DomainCounters& domain = *told.add_domains();
        domain.set_id(one->domid);
        std::uint64_t sum = 0;
        for (const auto& vcpu : one->vcpus) {
            std::uint64_t times[4];
            xen_vcpu_times(vcpu->xen, now(), times);
            proto::VcpuCounters& line = *domain.add_vcpus();
            line.set_id(vcpu->id);
            line.set_cpu_ns(times[running]);
            sum += times[running];
        }
        domain.set_cpu_ns(sum);
    }
    return told;
}

// --- truth

void MachineImpl::reset_truth() {
    counted_to_ = truth_from_ = now();
    engine_.reset_truth();
}

DomainTruth MachineImpl::with_times(const Domain& domain) const {
    DomainTruth truth = domain.truth;
    if (!domain.alive) return truth;
    for (const auto& vcpu : domain.vcpus) {
        std::uint64_t times[4];
        xen_vcpu_times(vcpu->xen, now(), times);
        const auto since = [&](unsigned state) {
            return static_cast<double>(times[state] - vcpu->times_before[state]);
        };
        truth.runnable_ns += since(runnable);
        truth.demand_ns += intellisched::demand(since(running), since(runnable), since(blocked));
    }
    return truth;
}

proto::Truth MachineImpl::truth() const {
    engine_.settle();
    count_cpu_time();
    proto::Truth told;
    told.set_seconds(static_cast<double>(now() - truth_from_) / 1e9);
    told.set_events(engine_.events());
    for (const auto& one : engine_.domains()) {
        proto::GuestTruth& guest = *told.add_guests();
        const DomainTruth truth = with_times(*one);
        guest.set_name(one->name);
        guest.set_domid(one->domid);
        const auto pool = pools_.find(one->pool);
        if (pool != pools_.end()) guest.set_pool(pool->second);
        guest.set_vcpus(static_cast<std::uint32_t>(one->vcpus.size()));
        guest.set_work_ns(truth.work_ns);
        guest.set_run_ns(static_cast<double>(truth.run_ns));
        *guest.mutable_wake_to_run() = quantiles(truth);
        guest.set_runnable_ns(truth.runnable_ns);
        guest.set_demand_ns(truth.demand_ns);
        if (!one->alive) continue;
        unsigned id = 0, weight = 0, cap = 0;
        (void)engine_.call_xen([&] { return xen_domain_info(one->domid, &id, &weight, &cap); });
        guest.set_weight(weight);
        guest.set_cap(cap);
    }
    for (const auto& [id, name] : pools_) {
        proto::PoolTruth& pool = *told.add_pools();
        const PoolTruth& truth = engine_.pool_truth()[id];
        pool.set_name(name);
        std::map<const void*, std::uint32_t> numbers;
        for (const EngineCpu& cpu : engine_.cpus()) {
            if (cpu.pool != id) {
                pool.add_runqueue(0);
                continue;
            }
            const auto next = static_cast<std::uint32_t>(numbers.size()) + 1;
            pool.add_runqueue(numbers.try_emplace(xen_runqueue_of(cpu.id), next).first->second);
        }
        pool.set_cpu_ns(truth.cpu_ns);
        pool.set_context_switches(truth.context_switches);
        pool.set_migrations_core(truth.migrations_core);
        pool.set_migrations_socket(truth.migrations_socket);
        pool.set_migrations_llc(truth.migrations_llc);
        pool.set_migrations_remote(truth.migrations_remote);
        pool.set_runqueue_migrations(truth.runqueue_migrations);
        pool.set_wakeups(truth.wakeups);
        pool.set_refill_ns(truth.refill_ns);
        pool.set_slow_ns(truth.slow_ns);
        pool.set_smt_ns(truth.smt_ns);
        pool.set_numa_ns(truth.numa_ns);
        pool.set_switch_ns(truth.switch_ns);
        pool.set_path_ns(truth.path_ns);
        pool.set_lock_wait_ns(truth.lock_wait_ns);
        pool.set_idle_exit_ns(truth.idle_exit_ns);
    }
    return told;
}

} // namespace sim
