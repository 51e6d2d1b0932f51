// SPDX-License-Identifier: MIT
#include "collector/counters/moment.hpp"

#include <ctime>
#include <limits>
#include <x86intrin.h>

namespace intellisched::counters {

Moment now() {
    Moment best;
    std::uint64_t narrowest = std::numeric_limits<std::uint64_t>::max();
    for (int reading = 0; reading < 3; ++reading) {
        timespec time{};
        const std::uint64_t before = __rdtsc();
        ::clock_gettime(CLOCK_MONOTONIC_RAW, &time);
        const std::uint64_t width = __rdtsc() - before;
        if (width >= narrowest) continue;
        narrowest = width;
        best.tsc = before + width / 2;
        best.monotonic_ns = static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
                            static_cast<std::uint64_t>(time.tv_nsec);
    }
    return best;
}

} // namespace intellisched::counters
