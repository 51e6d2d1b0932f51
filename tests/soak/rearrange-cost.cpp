// SPDX-License-Identifier: MIT
// Runs in dom0 of a patched hypervisor: rearranges the runqueues of Pool-0 back and forth with more
// and more vCPUs in it, so that the trace records of the rearrangements tell what they cost. The
// vCPUs beyond those of the running guests belong to domains that never run.
// It prints what the whole call took, which is less when nothing is traced.
//   rearrange-cost REPEATS UNITS...
#include "xen.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

namespace {

std::int64_t now_ns() {
    timespec time = {};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1'000'000'000 + time.tv_nsec;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: rearrange-cost REPEATS UNITS...\n");
        return 2;
    }
    soak::Xen xen;
    unsigned units = 0;
    for (std::uint32_t domid = 0; domid < 32; ++domid) {
        const soak::Domain domain = xen.domain(domid);
        if (domain.exists) units += domain.vcpus;
    }
    std::vector<std::uint32_t> born;
    int failed = 0;
    for (int i = 2; i < argc && !failed; ++i) {
        const auto wanted = static_cast<unsigned>(std::strtoul(argv[i], nullptr, 10));
        while (units < wanted && !failed) {
            const unsigned vcpus = wanted - units < 64 ? wanted - units : 64;
            std::uint32_t domid = 0;
            failed = xen.create_domain(0, vcpus, domid);
            if (failed) break;
            born.push_back(domid);
            units += vcpus;
        }
        std::vector<std::int64_t> took;
        // cpu and all are the two ends; socket is what everyone begins with.
        for (long repeat = std::atol(argv[1]); repeat > 0 && !failed; --repeat)
            for (const std::uint32_t layout : {4u, 0u, 2u, 4u, 2u, 0u}) {
                soak::Arrangement arrangement{layout, 0, 0};
                const std::int64_t start = now_ns();
                failed = xen.set(0, arrangement);
                took.push_back(now_ns() - start);
                // Let the domains run, and RCU free what the last one replaced.
                const timespec pause{0, 20'000'000};
                nanosleep(&pause, nullptr);
                if (failed) break;
            }
        std::sort(took.begin(), took.end());
        if (!failed)
            std::printf("%u vCPUs, %zu rearrangements: the call took %ld ns at least, %ld ns in "
                        "the median\n",
                        units, took.size(), took.front(), took[took.size() / 2]);
    }
    for (const std::uint32_t domid : born) xen.destroy_domain(domid);
    if (failed) std::fprintf(stderr, "rearrange-cost: %s\n", std::strerror(failed));
    return failed ? 1 : 0;
}
