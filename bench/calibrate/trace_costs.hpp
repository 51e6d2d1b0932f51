// SPDX-License-Identifier: MIT
// Machine costs from times in the trace.
#pragma once

#include "bench/calibrate/findings.hpp"
#include "bench/calibrate/trace_times.hpp"

namespace intellisched::calibrate {

/// Adds context_switch_us, ipi_us, idle_exit_us, block_ns, block_cold_factor and the three of
/// lock_transfer_*_ns, without what it costs to write the trace; that; or why one of them cannot be
/// told. `tsc_khz` must not be 0.
void add_trace_costs(proto::Calibration& to, const TraceTimes& times, std::uint64_t tsc_khz);

} // namespace intellisched::calibrate
