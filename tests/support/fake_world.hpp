// SPDX-License-Identifier: MIT
// A host that does next to nothing, for tests of what drives a host: guest g runs on CPU g for half
// of every millisecond and wakes 0.1 ms before it runs again. The TSC counts nanoseconds.
#pragma once

#include "src/base/result.hpp"
#include "src/proto/host.pb.h"
#include "tests/support/trace_bytes.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace intellisched::test {

inline constexpr std::uint64_t fake_tsc_khz = 1'000'000;
inline constexpr std::uint64_t fake_start_ns = 1'000'000'000;

inline std::vector<std::byte> fake_trace(std::uint64_t from_ns, std::uint64_t to_ns,
                                         unsigned guests) {
    using trace::Runstate;
    std::vector<Window> cpus;
    for (unsigned g = 0; g < guests; ++g) {
        Window& cpu = cpus.emplace_back(g);
        const auto domain = static_cast<std::uint16_t>(g + 1);
        for (std::uint64_t t = from_ns; t < to_ns; t += 1'000'000) {
            cpu.runstate(t + 10, domain, 0, Runstate::runnable, Runstate::running);
            cpu.runstate(t + 500'000, domain, 0, Runstate::running, Runstate::blocked);
            cpu.runstate(t + 900'000, domain, 0, Runstate::blocked, Runstate::runnable);
        }
    }
    return bytes_of(cpus);
}

/// Sockets × cores × threads, all in Pool-0 under `arrangement`, with guests "g0", "g1", ...
inline proto::HostSnapshot fake_snapshot(std::uint64_t tsc, unsigned sockets, unsigned cores,
                                         unsigned threads, unsigned guests,
                                         const proto::Arrangement& arrangement) {
    proto::HostSnapshot snapshot;
    snapshot.set_tsc(tsc);
    proto::Pool& pool = *snapshot.add_pools();
    pool.set_name("Pool-0");
    pool.set_scheduler("credit2");
    pool.set_granularity("cpu");
    pool.set_can_rearrange(true);
    *pool.mutable_arrangement() = arrangement;
    for (unsigned id = 0; id < sockets * cores * threads; ++id) {
        proto::Cpu& cpu = *snapshot.add_cpus();
        cpu.set_id(id);
        cpu.set_core(id / threads % cores);
        cpu.set_socket(id / threads / cores);
        cpu.set_node(cpu.socket());
        pool.add_cpus(id);
    }
    for (unsigned g = 0; g < guests; ++g) {
        proto::Domain& domain = *snapshot.add_domains();
        domain.set_id(g + 1);
        domain.set_name(fmt::format("g{}", g));
        domain.set_weight(256);
        domain.add_vcpus()->set_online(true);
    }
    return snapshot;
}

} // namespace intellisched::test
