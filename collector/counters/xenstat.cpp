// SPDX-License-Identifier: MIT
#include "collector/counters/xenstat.hpp"

#include "collector/counters/backends.hpp"
#include "collector/counters/moment.hpp"
#include "src/base/log.hpp"

#include <cerrno>
#include <cstring>
#include <set>
#include <unistd.h>

extern "C" {
#include <xenstat.h>
}

namespace intellisched::counters {

struct XenStat::Impl {
    std::unique_ptr<xenstat_handle, decltype(&xenstat_uninit)> handle;
    bool backends_missing = false;
};

XenStat::XenStat(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XenStat::XenStat(XenStat&&) noexcept = default;
XenStat& XenStat::operator=(XenStat&&) noexcept = default;
XenStat::~XenStat() = default;

Result<XenStat> XenStat::open() {
    // xenstat_init() prints its errors; the common ones are found out before it can.
    if (::access("/dev/xen/privcmd", R_OK | W_OK) != 0)
        return fail("/dev/xen/privcmd: {}; run it as root in dom0", std::strerror(errno));
    if (::access("/run/xenstored/socket", F_OK) != 0 && ::access("/dev/xen/xenbus", F_OK) != 0)
        return fail("no xenstored to ask (no /run/xenstored/socket, no /dev/xen/xenbus); start the "
                    "Xen services");
    xenstat_handle* handle = xenstat_init();
    if (!handle)
        return fail("libxenstat cannot talk to Xen and xenstored: {}; run it as root in dom0 with "
                    "xenstored running",
                    std::strerror(errno));
    return XenStat(std::make_unique<Impl>(Impl{{handle, &xenstat_uninit}, false}));
}

Result<proto::CounterSample> XenStat::sample() {
    const Moment moment = now();
    // XENSTAT_VCPU only: backends.hpp says why.
    const std::unique_ptr<xenstat_node, decltype(&xenstat_free_node)> node(
        xenstat_get_node(impl_->handle.get(), XENSTAT_VCPU), &xenstat_free_node);
    if (!node)
        return fail("libxenstat cannot read the domains: {}; check that the Xen services run",
                    std::strerror(errno));
    proto::CounterSample sample;
    sample.set_tsc(moment.tsc);
    sample.set_monotonic_ns(moment.monotonic_ns);
    std::set<unsigned> seen; // above 256 domains libxenstat may give one twice
    for (unsigned i = 0; i < xenstat_node_num_domains(node.get()); ++i) {
        xenstat_domain* domain = xenstat_node_domain_by_index(node.get(), i);
        if (!domain || !seen.insert(xenstat_domain_id(domain)).second) continue;
        proto::DomainCounters& counters = *sample.add_domains();
        counters.set_id(xenstat_domain_id(domain));
        counters.set_cpu_ns(xenstat_domain_cpu_ns(domain));
        counters.set_memory_bytes(xenstat_domain_cur_mem(domain));
        for (unsigned id = 0; id < xenstat_domain_num_vcpus(domain); ++id) {
            xenstat_vcpu* vcpu = xenstat_domain_vcpu(domain, id);
            proto::VcpuCounters& vcpu_counters = *counters.add_vcpus();
            vcpu_counters.set_id(id);
            vcpu_counters.set_cpu_ns(xenstat_vcpu_ns(vcpu));
        }
    }
    if (!add_backends(backend_devices, sample) && !impl_->backends_missing) {
        impl_->backends_missing = true;
        BOOST_LOG_TRIVIAL(info) << backend_devices
                                << ": not there, so network and block counters stay 0 (no backend "
                                   "driver in this dom0)";
    }
    return sample;
}

} // namespace intellisched::counters
