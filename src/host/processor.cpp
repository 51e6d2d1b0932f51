// SPDX-License-Identifier: MIT
#include "src/host/processor.hpp"

#include "src/base/log.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

extern "C" {
#include <xenctrl.h>
#include <xenguest.h>
}

namespace intellisched {
namespace {

constexpr unsigned most_threads = 16; // as of a snapshot of the host

CpuidLeaf leaf(std::span<const CpuidLeaf> leaves, std::uint32_t number, std::uint32_t subleaf = 0) {
    for (const CpuidLeaf& one : leaves)
        if (one.leaf == number && (one.subleaf == subleaf || one.subleaf == XEN_CPUID_NO_SUBLEAF))
            return one;
    return {};
}

constexpr std::uint32_t vendor_hygon = 0x6f677948; // "Hygo", the name's first register

bool bit(std::uint32_t word, unsigned number) { return (word >> number & 1) != 0; }

unsigned count(std::span<const CpuidLeaf> leaves) {
    if (leaf(leaves, 0).b == vendor_hygon) return (leaf(leaves, 0x8000001e).b >> 8 & 3) + 1;

    const CpuidLeaf topology = leaf(leaves, 0xb);
    constexpr std::uint32_t smt_type = 1;
    if (topology.b != 0 && (topology.c >> 8 & 0xff) == smt_type) return 1U << (topology.a & 0x1f);

    const CpuidLeaf extended = leaf(leaves, 0x80000001);
    constexpr unsigned topoext = 22, cmp_legacy = 1, htt = 28;
    if (bit(extended.c, topoext)) return (leaf(leaves, 0x8000001e).b >> 8 & 0xff) + 1;

    const CpuidLeaf features = leaf(leaves, 1);
    if (!bit(features.d, htt) || bit(extended.c, cmp_legacy)) return 1;
    const unsigned of_package = features.b >> 16 & 0xff;
    const CpuidLeaf cache = leaf(leaves, 4);
    const unsigned cores = (cache.a & 0x1f) != 0 ? (cache.a >> 26) + 1 : 1;
    return std::max(1U, of_package / cores);
}

} // namespace

unsigned threads_per_core(std::span<const CpuidLeaf> leaves) {
    const unsigned threads = count(leaves);
    return threads <= most_threads ? threads : 0;
}

unsigned threads_per_core_of_host() {
    const std::unique_ptr<xc_interface, decltype(&xc_interface_close)> xc(
        xc_interface_open(nullptr, nullptr, 0), &xc_interface_close);
    const std::unique_ptr<xc_cpu_policy_t, decltype(&xc_cpu_policy_destroy)> policy(
        xc_cpu_policy_init(), &xc_cpu_policy_destroy);
    std::uint32_t leaf_count = 0, msr_count = 0;
    if (!xc || !policy || xc_cpu_policy_get_size(xc.get(), &leaf_count, &msr_count) != 0 ||
        xc_cpu_policy_get_system(xc.get(), XEN_SYSCTL_cpu_policy_raw, policy.get()) != 0) {
        BOOST_LOG_TRIVIAL(debug) << "Xen does not tell the raw CPU policy: "
                                 << std::strerror(errno);
        return 0;
    }
    std::vector<xen_cpuid_leaf_t> told(leaf_count);
    std::vector<xen_msr_entry_t> msrs(msr_count);
    if (xc_cpu_policy_serialise(xc.get(), policy.get(), told.data(), &leaf_count, msrs.data(),
                                &msr_count) != 0)
        return 0;
    std::vector<CpuidLeaf> leaves;
    for (std::uint32_t i = 0; i < leaf_count && i < told.size(); ++i)
        leaves.push_back(
            {told[i].leaf, told[i].subleaf, told[i].a, told[i].b, told[i].c, told[i].d});
    return threads_per_core(leaves);
}

} // namespace intellisched
