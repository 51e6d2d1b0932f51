// SPDX-License-Identifier: MIT
// The constants of proto::Costs: unit, default and ranges of each. bench/simulator/costs.cpp says
// what each means and where its default and its range come from.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace intellisched {

struct CostRange {
    std::string_view name; ///< as in proto::Costs
    std::string_view unit;
    double standard; ///< the default
    double low;      ///< what machines have, from here ...
    double high;     ///< ... to here; the same as low: nothing that machines differ in
    double min;      ///< what is accepted
    double max;
};

inline constexpr std::array cost_ranges{
    CostRange{"smt_speed", "1", 0.70, 0.55, 0.9, 0.5, 1},
    CostRange{"refill_core_us", "us", 10, 2, 60, 0, 10000},
    CostRange{"refill_socket_us", "us", 15, 3, 80, 0, 10000},
    CostRange{"refill_memory_us", "us", 30, 15, 120, 0, 10000},
    CostRange{"refill_remote_us", "us", 70, 35, 240, 0, 10000},
    CostRange{"refill_reference_kb", "kB", 256, 256, 256, 1, 1048576},
    CostRange{"l2_kb", "kB", 1024, 256, 2048, 1, 1048576},
    CostRange{"llc_core_kb", "kB", 2048, 1024, 4096, 1, 1048576},
    CostRange{"touch_kb_per_us", "kB/us", 4, 1, 12, 0.001, 1000},
    CostRange{"numa_remote_speed", "1", 0.70, 0.55, 0.85, 0.1, 1},
    CostRange{"near_node_part", "1", 0.2, 0.05, 0.3, 0, 1},
    CostRange{"context_switch_us", "us", 1.5, 0.5, 5, 0, 1000},
    CostRange{"ipi_us", "us", 2.5, 1, 4, 0, 1000},
    CostRange{"idle_exit_us", "us", 1.5, 1, 10, 0, 10000},
    CostRange{"block_ns", "ns", 2.8, 0.75, 7, 0, 1000},
    CostRange{"block_cold_factor", "1", 3, 1.5, 5, 1, 100},
    CostRange{"lock_transfer_core_ns", "ns", 40, 20, 150, 0, 10000},
    CostRange{"lock_transfer_socket_ns", "ns", 150, 60, 450, 0, 10000},
    CostRange{"lock_transfer_llc_ns", "ns", 270, 150, 750, 0, 10000},
    CostRange{"lock_transfer_remote_ns", "ns", 390, 200, 1200, 0, 10000},
    CostRange{"hypercall_us", "us", 0.6, 0.3, 1, 0, 1000},
    CostRange{"spin_us", "us", 5, 3, 10, 0, 10000},
    CostRange{"shootdown_ms", "ms", 5, 1, 100, 0, 1e6},
    CostRange{"trace_record_ns", "ns", 0, 0, 0, 0, 10000},
};

/// The constant of that name, which must exist.
constexpr const CostRange& cost_range(std::string_view name) {
    return *std::ranges::find(cost_ranges, name, &CostRange::name);
}

} // namespace intellisched
