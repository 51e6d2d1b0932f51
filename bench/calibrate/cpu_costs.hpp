// SPDX-License-Identifier: MIT
// Machine costs measured on the CPUs themselves: two vCPUs of dom0 are put on pairs of physical
// CPUs at each distance, round after round, all over the pool.
#pragma once

#include "bench/calibrate/findings.hpp"
#include "src/layout/layout.hpp"

#include <array>
#include <functional>
#include <span>

namespace intellisched::calibrate {

/// The working set that the refill constants are for.
inline constexpr unsigned refill_reference_kb = 256;

/// What add_cpu_costs() measures.
inline constexpr std::array<std::string_view, 6> cpu_costs{"smt_speed",        "refill_core_us",
                                                           "refill_socket_us", "refill_memory_us",
                                                           "refill_remote_us", "numa_remote_speed"};

/// CPUs of a pool beside another one, by how far they are from it.
struct CpuPairs {
    std::optional<unsigned> sibling; ///< the other thread of the core
    std::optional<unsigned> core;    ///< another core of the socket and node
    std::optional<unsigned> socket;  ///< another socket
    std::optional<unsigned> node;    ///< another node, of another socket
};
/// For the CPU of that index among `cpus`, the next in each relation.
[[nodiscard]] CpuPairs pairs_of(const Topology& topology, std::span<const unsigned> cpus,
                                std::size_t index);

struct CpuCostOptions {
    Topology topology;
    std::vector<unsigned> cpus;      ///< of the pool
    std::array<unsigned, 2> seats{}; ///< CPUs of this Linux, which are its vCPUs
    /// Puts a vCPU on a physical CPU.
    std::function<Result<void>(unsigned seat, unsigned cpu)> place;
    /// Asked before every measurement; true ends them with what there is.
    std::function<bool()> stop;
};

/// Adds what cpu_costs names (with refill_reference_kb), or why one of them cannot be told. Errors:
/// those of placing.
[[nodiscard]] Result<void> add_cpu_costs(proto::Calibration& to, const CpuCostOptions& options);

} // namespace intellisched::calibrate
