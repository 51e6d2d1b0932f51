// SPDX-License-Identifier: MIT
#include "xen.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

extern "C" {
#include <xenctrl.h>
int xc_sysctl(xc_interface*, struct xen_sysctl*); // exported, though no header declares it
}

namespace soak {
namespace {

constexpr std::uint32_t kPutRunqueue = 2; // XEN_SYSCTL_SCHEDOP_put_runqueue
constexpr std::uint32_t kGetRunqueue = 3;

int result(int rc) { return rc < 0 ? (errno ? errno : EIO) : 0; }

// libxenctrl's maps are as long as Xen's CPU masks, in bytes.
struct Map {
    explicit Map(xc_interface* xc)
        : bytes(static_cast<std::size_t>(xc_get_cpumap_size(xc))), bits(xc_cpumap_alloc(xc)) {}
    Map(xc_interface* xc, const Cpus& cpus) : Map(xc) {
        for (std::size_t cpu = 0; cpu < cpus.size(); ++cpu)
            if (cpus[cpu]) bits[cpu / 8] = static_cast<std::uint8_t>(bits[cpu / 8] | 1u << cpu % 8);
    }
    ~Map() { std::free(bits); }
    Map(const Map&) = delete;
    Map& operator=(const Map&) = delete;

    std::size_t bytes;
    xc_cpumap_t bits;
};

Cpus to_cpus(const std::uint8_t* bits, unsigned count) {
    Cpus cpus(count);
    for (unsigned cpu = 0; cpu < count; ++cpu) cpus[cpu] = (bits[cpu / 8] >> cpu % 8 & 1) != 0;
    return cpus;
}

} // namespace

Xen::Xen() : xc_(xc_interface_open(nullptr, nullptr, 0)) {
    xc_physinfo_t info = {};
    if (!xc_ || xc_physinfo(xc_, &info) != 0) {
        std::fprintf(stderr, "rearrange-soak: Xen: %s; run this as root in dom0\n",
                     std::strerror(errno));
        std::exit(1);
    }
    cpus_ = info.max_cpu_id + 1;
}

Xen::~Xen() { xc_interface_close(xc_); }

int Xen::runqueue(std::uint32_t pool, std::uint32_t command, Arrangement& arrangement) {
    struct xen_sysctl sysctl = {};
    sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    sysctl.cmd = XEN_SYSCTL_scheduler_op;
    sysctl.u.scheduler_op.cpupool_id = pool;
    sysctl.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    sysctl.u.scheduler_op.cmd = command;
    std::memcpy(&sysctl.u.scheduler_op.u, &arrangement, sizeof arrangement);
    if (const int error = result(xc_sysctl(xc_, &sysctl))) return error;
    std::memcpy(static_cast<void*>(&arrangement), &sysctl.u.scheduler_op.u, sizeof arrangement);
    return 0;
}

int Xen::set(std::uint32_t pool, Arrangement& arrangement) {
    return runqueue(pool, kPutRunqueue, arrangement);
}
int Xen::get(std::uint32_t pool, Arrangement& arrangement) {
    return runqueue(pool, kGetRunqueue, arrangement);
}

int Xen::add_cpu(std::uint32_t pool, unsigned cpu) {
    return result(xc_cpupool_addcpu(xc_, pool, static_cast<int>(cpu)));
}
int Xen::remove_cpu(std::uint32_t pool, unsigned cpu) {
    return result(xc_cpupool_removecpu(xc_, pool, static_cast<int>(cpu)));
}
int Xen::create_pool(std::uint32_t& pool) {
    pool = XC_CPUPOOL_POOLID_ANY;
    return result(xc_cpupool_create(xc_, &pool, XEN_SCHEDULER_CREDIT2));
}
int Xen::destroy_pool(std::uint32_t pool) { return result(xc_cpupool_destroy(xc_, pool)); }

Cpus Xen::cpus_of(std::uint32_t pool) {
    xc_cpupoolinfo_t* info = xc_cpupool_getinfo(xc_, pool);
    if (!info) return Cpus(cpus_);
    Cpus cpus = info->cpupool_id == pool ? to_cpus(info->cpumap, cpus_) : Cpus(cpus_);
    xc_cpupool_infofree(xc_, info);
    return cpus;
}

int Xen::offline(unsigned cpu) { return result(xc_cpu_offline(xc_, static_cast<int>(cpu))); }
int Xen::online(unsigned cpu) { return result(xc_cpu_online(xc_, static_cast<int>(cpu))); }

int Xen::create_domain(std::uint32_t pool, unsigned vcpus, std::uint32_t& domid) {
    struct xen_domctl_createdomain config = {};
    config.max_vcpus = vcpus;
    config.max_evtchn_port = 1023;
    config.max_grant_frames = 1;
    config.max_maptrack_frames = 0;
    config.grant_opts = 2;
    config.cpupool_id = pool;
    domid = 0; // any
    if (const int error = result(xc_domain_create(xc_, &domid, &config))) return error;
    const int error = result(xc_domain_max_vcpus(xc_, domid, vcpus));
    if (error) xc_domain_destroy(xc_, domid);
    return error;
}

int Xen::destroy_domain(std::uint32_t domid) { return result(xc_domain_destroy(xc_, domid)); }
int Xen::move(std::uint32_t domid, std::uint32_t pool) {
    return result(xc_cpupool_movedomain(xc_, pool, domid));
}
int Xen::pause(std::uint32_t domid) { return result(xc_domain_pause(xc_, domid)); }
int Xen::unpause(std::uint32_t domid) { return result(xc_domain_unpause(xc_, domid)); }

int Xen::schedule(std::uint32_t domid, std::uint16_t weight, std::uint16_t cap) {
    struct xen_domctl_sched_credit2 scheduling = {};
    scheduling.weight = weight;
    scheduling.cap = cap;
    return result(xc_sched_credit2_domain_set(xc_, domid, &scheduling));
}

int Xen::affinity(std::uint32_t domid, unsigned vcpu, const Cpus* hard, const Cpus* soft) {
    const std::unique_ptr<Map> hard_map = hard ? std::make_unique<Map>(xc_, *hard) : nullptr;
    const std::unique_ptr<Map> soft_map = soft ? std::make_unique<Map>(xc_, *soft) : nullptr;
    return result(xc_vcpu_setaffinity(
        xc_, domid, static_cast<int>(vcpu), hard_map ? hard_map->bits : nullptr,
        soft_map ? soft_map->bits : nullptr,
        (hard ? XEN_VCPUAFFINITY_HARD : 0) | (soft ? XEN_VCPUAFFINITY_SOFT : 0)));
}

Cpus Xen::hard_affinity(std::uint32_t domid, unsigned vcpu) {
    const Map map(xc_);
    if (xc_vcpu_getaffinity(xc_, domid, static_cast<int>(vcpu), map.bits, nullptr,
                            XEN_VCPUAFFINITY_HARD) != 0)
        return Cpus(cpus_);
    return to_cpus(map.bits, cpus_);
}

Domain Xen::domain(std::uint32_t domid) {
    xc_domaininfo_t info = {};
    if (xc_domain_getinfolist(xc_, domid, 1, &info) != 1 || info.domain != domid) return {};
    return {true, (info.flags & XEN_DOMINF_paused) != 0, info.cpupool, info.max_vcpu_id + 1};
}

Vcpu Xen::vcpu(std::uint32_t domid, unsigned vcpu) {
    xc_vcpuinfo_t info = {};
    if (xc_vcpu_getinfo(xc_, domid, vcpu, &info) != 0) return {};
    return {info.online && !info.blocked && !info.running, info.cpu_time};
}

std::vector<std::uint64_t> Xen::idle_ns() {
    std::vector<xc_cpuinfo_t> info(cpus_);
    int count = 0;
    std::vector<std::uint64_t> idle(cpus_);
    if (xc_getcpuinfo(xc_, static_cast<int>(cpus_), info.data(), &count) == 0)
        for (int cpu = 0; cpu < count; ++cpu)
            idle[static_cast<std::size_t>(cpu)] = info[static_cast<std::size_t>(cpu)].idletime;
    return idle;
}

std::uint64_t Xen::free_pages() {
    xc_physinfo_t info = {};
    return xc_physinfo(xc_, &info) == 0 ? info.free_pages + info.scrub_pages : 0;
}

} // namespace soak
