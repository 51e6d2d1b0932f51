// SPDX-License-Identifier: GPL-2.0-only
// What is counted of domains and pools, from the last reset on.
#pragma once

#include "collector/window/histogram.hpp"

#include <algorithm>
#include <cstdint>

namespace sim {

struct DomainTruth {
    double work_ns = 0;
    std::uint64_t run_ns = 0;
    double runnable_ns = 0; ///< of a domain that is gone
    double demand_ns = 0;   ///< of that too: see collector/window/demand.hpp
    intellisched::Histogram wake_to_run;
    std::uint64_t longest_wait_ns = 0;
};

struct PoolTruth {
    double cpu_ns = 0;
    std::uint64_t context_switches = 0;
    std::uint64_t migrations_core = 0;
    std::uint64_t migrations_socket = 0;
    std::uint64_t migrations_llc = 0;
    std::uint64_t migrations_remote = 0;
    std::uint64_t runqueue_migrations = 0;
    std::uint64_t wakeups = 0;
    double refill_ns = 0;
    double slow_ns = 0;
    double smt_ns = 0;
    double numa_ns = 0;
    double switch_ns = 0;
    double path_ns = 0;
    double lock_wait_ns = 0;
    double idle_exit_ns = 0;
};

} // namespace sim
