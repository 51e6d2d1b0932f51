// SPDX-License-Identifier: MIT
// One moment on two clocks: the TSC, which trace records carry, and the time.
#pragma once

#include <cstdint>

namespace intellisched::counters {

struct Moment {
    std::uint64_t tsc = 0; ///< rdtsc, which Xen's records carry too
    std::uint64_t monotonic_ns =
        0; ///< CLOCK_MONOTONIC_RAW: not slewed, so a fixed ratio to the TSC
};

/// Both clocks now, read within about a microsecond of each other. The narrowest of three readings
/// is taken, in case the vCPU loses its CPU in between.
[[nodiscard]] Moment now();

} // namespace intellisched::counters
