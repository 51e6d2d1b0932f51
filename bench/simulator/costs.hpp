// SPDX-License-Identifier: GPL-2.0-only
// The cost model: every constant with its unit, default and source.
#pragma once

#include "src/base/result.hpp"
#include "src/proto/costs.hpp"
#include "src/proto/scenario.pb.h"

#include <span>
#include <string_view>

namespace sim {

/// What things cost on the machine; the constants of proto::Costs, all set.
struct Costs {
    double smt_speed;
    double refill_core_us;
    double refill_socket_us;
    double refill_memory_us;
    double refill_remote_us;
    double refill_reference_kb;
    double l2_kb;
    double llc_core_kb;
    double touch_kb_per_us;
    double numa_remote_speed;
    double near_node_part;
    double context_switch_us;
    double ipi_us;
    double idle_exit_us;
    double block_ns;
    double block_cold_factor;
    double lock_transfer_core_ns;
    double lock_transfer_socket_ns;
    double lock_transfer_llc_ns;
    double lock_transfer_remote_ns;
    double hypercall_us;
    double spin_us;
    double shootdown_ms;
    double trace_record_ns;

    Costs(); ///< the defaults
};

/// One constant, for messages, files and documentation.
struct CostConstant : intellisched::CostRange {
    std::string_view meaning;
    std::string_view source; ///< where the default and the range of machines come from
    double Costs::*member;
};
[[nodiscard]] std::span<const CostConstant> cost_constants();

/// The defaults, overridden by what is there. Errors: a constant out of its range.
[[nodiscard]] intellisched::Result<Costs> costs_from(const intellisched::proto::Costs& given);
/// All of them as a message.
[[nodiscard]] intellisched::proto::Costs message_of(const Costs& costs);

} // namespace sim
