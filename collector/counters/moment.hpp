// SPDX-License-Identifier: MIT
// A moment on both clocks that this project knows: the TSC, which trace records carry, and time.
#pragma once

#include <cstdint>

namespace intellisched::counters {

struct Moment {
    std::uint64_t tsc = 0; ///< rdtsc, which Xen's records carry too
    std::uint64_t monotonic_ns =
        0; ///< CLOCK_MONOTONIC_RAW: not slewed, so a fixed ratio to the TSC
};

/// Now, the two read within a microsecond or so of each other (unless the CPU is taken away between
/// them: the narrowest of three readings is taken).
[[nodiscard]] Moment now();

} // namespace intellisched::counters
