// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/machine_impl.hpp"
#include "bench/simulator/machine_memory.hpp"
#include "src/layout/layout.hpp"

#include <cerrno>
#include <cstring>

namespace sim {

using intellisched::fail;

namespace {

constexpr unsigned most_vcpus = 1024;       // of a domain
constexpr Nanoseconds retry_time = 100'000; // between attempts of a tool
constexpr unsigned most_attempts = 1000;
constexpr unsigned domids = 0x7ff0; // Xen's others are reserved

bool machine_exists = false; // Xen's code has one set of globals

xen_topology topology_of(const MachineOptions& options) {
    return {options.sockets, options.cores,      options.threads,
            options.nodes,   options.slow_cores, options.llcs};
}

} // namespace

// --- booting

Result<std::unique_ptr<Machine>> Machine::boot(const MachineOptions& options) {
    if (machine_exists)
        return fail("machine: there is one already, and Xen's code can be only one");
    if (options.sockets < 1 || options.cores < 1 || options.threads < 1 || options.threads > 2)
        return fail(
            "machine: {} sockets, {} cores, {} threads; there have to be 1 or 2 threads, and at "
            "least 1 of the others",
            options.sockets, options.cores, options.threads);
    // Each alone first: their product must not wrap.
    if (options.sockets > XEN_MAX_CPUS || options.cores > XEN_MAX_CPUS ||
        options.sockets * options.cores * options.threads > XEN_MAX_CPUS)
        return fail("machine: {} x {} x {} CPUs; Xen was built for {}", options.sockets,
                    options.cores, options.threads, XEN_MAX_CPUS);
    if (options.nodes > XEN_MAX_NODES || !nodes_fit(options.nodes, options.sockets, options.cores))
        return fail(
            "machine: {} nodes of {} sockets of {} cores; a node has to have whole sockets, "
            "or a socket whole nodes, each as many, up to {}",
            options.nodes, options.sockets, options.cores, XEN_MAX_NODES);
    if (!llcs_fit(options.llcs, options.nodes, options.sockets, options.cores))
        return fail("machine: {} last-level caches of a socket of {} cores and {} nodes of {} "
                    "sockets; each has to have as many whole cores, and a node whole caches",
                    options.llcs, options.cores, options.nodes, options.sockets);
    if (options.slow_cores > options.cores || !(options.slow_speed > 0 && options.slow_speed <= 1))
        return fail("machine: {} slow cores of {} at a speed of {}; a speed is above 0, up to 1",
                    options.slow_cores, options.cores, options.slow_speed);
    if (const auto at = options.xen_args.find("sched=");
        at != std::string::npos && (at == 0 || options.xen_args[at - 1] == ' ') &&
        options.xen_args.substr(at, options.xen_args.find(' ', at) - at) != "sched=credit2")
        return fail("machine: '{}' in the command line; credit2 is the only scheduler here",
                    options.xen_args.substr(at, options.xen_args.find(' ', at) - at));
    auto machine = std::make_unique<MachineImpl>(options);
    TRY(machine->boot(options));
    return machine;
}

std::string Machine::release() {
    const std::string_view version = xen_version;
    return std::string(version.substr(0, version.find('.', version.find('.') + 1)));
}

MachineImpl::MachineImpl(const MachineOptions& options)
    : engine_(topology_of(options), options.slow_speed, options.costs), threads_(options.threads),
      xen_args_(options.xen_args) {
    engine_.set_platform(*this);
    machine_exists = true;
}

MachineImpl::~MachineImpl() { machine_exists = false; }

Result<void> MachineImpl::boot(const MachineOptions& options) {
    reset_xen_memory();
    const xen_topology topology = topology_of(options);
    char bad[128] = "";
    const auto rc =
        engine_.call_xen([&] { return xen_boot(&topology, xen_args_.c_str(), bad, sizeof(bad)); });
    if (!rc) return fail("booting: {}", rc.error().message);
    if (*rc == -EINVAL) return fail("booting: Xen does not understand '{}'", bad);
    if (*rc != 0) return fail("booting: {}", std::strerror(-*rc));
    // Each CPU goes through the scheduler once before anybody can do anything.
    TRY(engine_.advance(engine_.now() + retry_time));
    engine_.use_costs();
    pools_[0] = "Pool-0";
    refresh();
    xen_pool_info pool{};
    if (auto found = xen("booting", [&] { return xen_pool_query(0, &pool); }); !found) return found;
    granularity_ = pool.granularity;
    auto first = layout(0);
    if (!first) return fail("booting: {}", first.error().message);
    boot_ = first->arrangement();
    set_tracing(options.tracing);
    reset_truth();
    return {};
}

// --- what tools do

Result<void> MachineImpl::xen(const std::string& what, const XenCall& function) const {
    for (unsigned attempt = 0;; ++attempt) {
        const auto rc = engine_.call_xen(function);
        if (!rc) return fail("{}: {}", what, rc.error().message);
        if (*rc == 0) return {};
        if ((*rc != -EAGAIN && *rc != -EADDRINUSE) || attempt == most_attempts)
            return fail("{}: Xen says: {}", what, std::strerror(-*rc));
        TRY(engine_.advance(engine_.now() + retry_time));
    }
}

Result<void> MachineImpl::check_pool(std::uint32_t pool) const {
    if (!pools_.contains(pool)) return fail("there is no pool {}", pool);
    return {};
}

Result<void> MachineImpl::check_name(const std::string& name) const {
    for (const auto& [id, existing] : pools_)
        if (existing == name) return fail("pool {}: there is one already", name);
    return {};
}

// Xen does not know the names, the toolstack does.
Result<void> MachineImpl::rename_pool(std::uint32_t pool, const std::string& name) {
    TRY(check_pool(pool));
    TRY(check_name(name));
    pools_[pool] = name;
    return {};
}

Result<std::uint32_t> MachineImpl::create_pool(const std::string& name,
                                               const std::optional<proto::Arrangement>& wanted) {
    TRY(check_name(name));
    std::uint32_t pool = 0;
    if (auto done =
            xen(fmt::format("creating pool {}", name), [&] { return xen_pool_create(&pool); });
        !done)
        return tl::unexpected(done.error());
    pools_[pool] = name;
    refresh();
    if (wanted)
        if (auto set = set_layout(pool, *wanted); !set) {
            (void)destroy_pool(pool);
            return tl::unexpected(set.error());
        }
    return pool;
}

Result<void> MachineImpl::destroy_pool(std::uint32_t pool) {
    TRY(check_pool(pool));
    if (pool == 0) return fail("Pool-0 cannot be destroyed");
    for (const auto& domain : engine_.domains())
        if (domain->alive && domain->pool == pool)
            return fail("pool {} has domain {}; move it first", pools_[pool], domain->name);
    for (const EngineCpu& cpu : engine_.cpus())
        if (cpu.pool == pool) TRY(take_out(cpu.id));
    auto done = xen(fmt::format("destroying pool {}", pools_[pool]),
                    [&] { return xen_pool_destroy(pool); });
    if (done) pools_.erase(pool);
    refresh();
    return done;
}

Result<void> MachineImpl::take_out(unsigned cpu) {
    const std::uint32_t pool = engine_.cpus()[cpu].pool;
    // Xen refuses this for CPU 0 itself only, and then has a Pool-0 without CPUs.
    if (pool == 0 && together(cpu).front() == 0)
        return fail("CPU {} has to stay in Pool-0: it is scheduled together with CPU 0", cpu);
    auto out = xen(fmt::format("taking CPU {} out of pool {}", cpu, pools_[pool]),
                   [&] { return xen_pool_remove_cpu(pool, cpu); });
    // Xen may have begun with it.
    if (!out) (void)engine_.call_xen([&] { return xen_pool_add_cpu(pool, cpu); });
    refresh();
    return out;
}

Result<void> MachineImpl::put_in(unsigned cpu, std::uint32_t pool) {
    auto in = xen(fmt::format("putting CPU {} into pool {}", cpu, pools_[pool]),
                  [&] { return xen_pool_add_cpu(pool, cpu); });
    refresh();
    return in;
}

std::vector<unsigned> MachineImpl::together(unsigned id) const {
    std::vector<unsigned> cpus;
    const EngineCpu& cpu = engine_.cpus()[id];
    for (const EngineCpu& other : engine_.cpus())
        if (other.id == id || (granularity_ == 1 && other.core == cpu.core) ||
            (granularity_ == 2 && other.socket == cpu.socket))
            cpus.push_back(other.id);
    return cpus;
}

Result<void> MachineImpl::bring_up(const std::vector<unsigned>& cpus) {
    for (const unsigned cpu : cpus) {
        if (engine_.cpus()[cpu].online) continue;
        auto up = xen(fmt::format("bringing CPU {} online", cpu), [&] { return xen_cpu_up(cpu); });
        refresh(); // Xen puts it into Pool-0
        if (!up) return up;
    }
    return engine_.advance(engine_.now() + retry_time); // they go through the scheduler once
}

Result<void> MachineImpl::take_down(const std::vector<unsigned>& cpus) {
    for (const unsigned cpu : cpus) {
        auto down =
            xen(fmt::format("taking CPU {} offline", cpu), [&] { return xen_cpu_down(cpu); });
        refresh();
        if (down) continue;
        (void)bring_up(cpus);
        return down;
    }
    return {};
}

Result<void> MachineImpl::move_cpu(unsigned id, std::optional<std::uint32_t> pool) {
    if (id >= engine_.cpus().size()) return fail("there is no CPU {}", id);
    EngineCpu& cpu = engine_.cpus()[id];
    if (pool) TRY(check_pool(*pool));
    if (!pool && !cpu.online) return fail("CPU {} is offline already", id);
    const auto cpus = together(id);
    const bool was_online = cpu.online;
    const std::uint32_t before = cpu.pool;
    if (!was_online) TRY(bring_up(cpus));
    if (pool && cpu.pool == *pool) return {};
    if (cpu.pool != EngineCpu::no_pool) TRY(take_out(id));
    auto done = pool ? put_in(id, *pool) : take_down(cpus);
    if (done) return done;
    if (!was_online)
        (void)take_down(cpus);
    else if (before != EngineCpu::no_pool && cpu.pool != before)
        (void)put_in(id, before);
    return done;
}

// --- domains

Result<MachineImpl::Mask> MachineImpl::mask_of(const std::vector<unsigned>& cpus,
                                               const std::string& what) const {
    Mask mask{};
    for (const unsigned cpu : cpus) {
        if (cpu >= engine_.cpus().size()) return fail("{}: there is no CPU {}", what, cpu);
        for (const unsigned one : together(cpu)) mask[one / 64] |= std::uint64_t{1} << (one % 64);
    }
    if (cpus.empty()) return fail("{}: a vCPU has no CPU to run on", what);
    return mask;
}

std::vector<bool> MachineImpl::nodes_of(const DomainOptions& options) const {
    unsigned count = 1;
    for (const EngineCpu& cpu : engine_.cpus()) count = std::max(count, cpu.node + 1);
    const auto& lists = options.soft.empty() ? options.hard : options.soft;
    std::vector<bool> nodes(count, lists.empty());
    for (const auto& list : lists)
        for (const unsigned cpu : list) nodes[engine_.cpus()[cpu].node] = true;
    return nodes;
}

Result<void> MachineImpl::set_affinity(const DomainOptions& options, EngineVcpu& vcpu) {
    const auto of = [&](const auto& lists) {
        return lists[std::min<std::size_t>(vcpu.id, lists.size() - 1)];
    };
    std::optional<Mask> hard, soft;
    for (const auto& [lists, mask, name] :
         {std::tuple{&options.hard, &hard, "hard"}, std::tuple{&options.soft, &soft, "soft"}}) {
        if (lists->empty()) continue;
        auto made =
            TRY(mask_of(of(*lists), fmt::format("domain {}, {} affinity", options.name, name)));
        *mask = made;
    }
    return xen(fmt::format("setting the affinity of domain {}, vCPU {}", options.name, vcpu.id),
               [&] {
                   return xen_vcpu_affinity(vcpu.xen, hard ? hard->data() : nullptr,
                                            soft ? soft->data() : nullptr);
               });
}

// As Xen does: the next one that is free, from 1 again after the last.
std::uint32_t MachineImpl::free_domid() {
    for (std::uint32_t tried = 0, domid = next_domid_; tried < domids; ++tried, ++domid) {
        if (domid == domids) domid = 1;
        if (engine_.find(domid) == nullptr) return domid;
    }
    return domids;
}

Result<void> MachineImpl::set_up(const DomainOptions& options, std::uint32_t domid,
                                 Domain& domain) {
    for (unsigned id = 0; id < options.vcpus; ++id) {
        domain.vcpus.push_back(std::make_unique<EngineVcpu>());
        EngineVcpu& vcpu = *domain.vcpus.back();
        vcpu.domain = &domain;
        vcpu.id = id;
        vcpu.xen = xen_vcpu(domid, id, &vcpu);
    }
    for (const auto& vcpu : domain.vcpus) TRY(set_affinity(options, *vcpu));
    return set_scheduling(domid, options.weight, options.cap);
}

Result<std::uint32_t> MachineImpl::create_domain(const DomainOptions& options, Workload& workload) {
    const std::uint32_t domid = free_domid();
    TRY(check_pool(options.pool_id));
    if (options.vcpus < 1 || options.vcpus > most_vcpus)
        return fail("domain {}: {} vCPUs; there can be 1 to {}", options.name, options.vcpus,
                    most_vcpus);
    if (domid == domids) return fail("domain {}: there are too many", options.name);
    for (const auto& domain : engine_.domains())
        if (domain->alive && domain->guest == options.guest)
            return fail("domain {}: guest {} has a domain already", options.name, options.guest);
    const std::string what = fmt::format("creating domain {}", options.name);
    if (auto created =
            xen(what, [&] { return xen_domain_create(domid, options.pool_id, options.vcpus); });
        !created)
        return tl::unexpected(created.error());
    auto domain = std::make_unique<Domain>();
    domain->domid = domid;
    domain->guest = options.guest;
    domain->name = options.name;
    domain->pool = options.pool_id;
    domain->workload = &workload;
    if (auto set = set_up(options, domid, *domain); !set) {
        (void)xen(what, [&] { return xen_domain_destroy(domid); });
        return tl::unexpected(set.error());
    }
    next_domid_ = domid + 1;
    engine_.add_domain(std::move(domain), options.working_set_kb, options.memory_share,
                       nodes_of(options));
    if (auto started = xen(what, [&] { return xen_domain_unpause(domid), 0; }); !started)
        return tl::unexpected(started.error());
    workload.start(*this);
    return domid;
}

Result<void> MachineImpl::destroy_domain(std::uint32_t domid) {
    Domain* domain = engine_.find(domid);
    if (domain == nullptr) return fail("there is no domain {}", domid);
    if (domid == 0) return fail("Domain-0 cannot be destroyed");
    const DomainTruth times = with_times(*domain);
    auto done = xen(fmt::format("destroying domain {}", domain->name),
                    [&] { return xen_domain_destroy(domid); });
    if (!done) return done;
    domain->truth.runnable_ns = times.runnable_ns;
    domain->truth.demand_ns = times.demand_ns;
    engine_.forget(*domain);
    return {};
}

Result<void> MachineImpl::move_domain(std::uint32_t domid, std::uint32_t pool) {
    Domain* domain = engine_.find(domid);
    if (domain == nullptr) return fail("there is no domain {}", domid);
    TRY(check_pool(pool));
    auto done = xen(fmt::format("moving domain {} to pool {}", domain->name, pools_[pool]),
                    [&] { return xen_domain_move(domid, pool); });
    if (done) domain->pool = pool;
    return done;
}

Result<void> MachineImpl::set_scheduling(std::uint32_t domid, std::optional<unsigned> weight,
                                         std::optional<unsigned> cap) {
    if (weight && (*weight < 1 || *weight > 65535))
        return fail("domain {}: weight {}; it has to be 1 to 65535", domid, *weight);
    if (cap && *cap > 65535) return fail("domain {}: cap {} is too large", domid, *cap);
    return xen(fmt::format("setting weight and cap of domain {}", domid), [&] {
        return xen_domain_schedule(domid, weight.value_or(0), cap.value_or(0), cap.has_value());
    });
}

// --- configurations

Result<proto::SimReply::InForce> MachineImpl::set_layout(std::uint32_t pool,
                                                         const proto::Arrangement& wanted) {
    const auto layout = intellisched::layout_from_string(wanted.layout());
    if (!layout) return fail("there is no layout '{}'", wanted.layout());
    TRY(check_pool(pool));
    xen_layout change{static_cast<unsigned>(intellisched::index(*layout)), wanted.max_cpus(), 0};
    if (auto set = xen(fmt::format("setting the layout of pool {}", pools_[pool]),
                       [&] { return xen_pool_arrange(pool, &change, 1); });
        !set)
        return tl::unexpected(set.error());
    return this->layout(pool);
}

Result<std::uint32_t> MachineImpl::set_rate_limit(std::uint32_t pool, std::uint32_t us) {
    if (!intellisched::possible_rate_limit(us))
        return fail("a rate limit of {} us; Xen takes {}", us, intellisched::possible_rate_limits);
    TRY(check_pool(pool));
    TRY(xen(fmt::format("setting the rate limit of pool {}", pools_[pool]),
            [&] { return xen_pool_rate_limit(pool, &us, 1); }));
    return us;
}

} // namespace sim
