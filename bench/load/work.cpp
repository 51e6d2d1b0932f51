// SPDX-License-Identifier: MIT
#include "work.hpp"

#include "clock.hpp"

#include <algorithm>
#include <array>

namespace work {
namespace {

constexpr unsigned kStepsPerUnit = 256;
double units_per_ns = 0.001;

} // namespace

void spin(std::uint64_t units) {
    std::uint64_t x = units;
    for (std::uint64_t i = 0; i < units * kStepsPerUnit; ++i) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        asm volatile("" : "+r"(x)); // keeps the compiler from seeing that nobody reads x
    }
}

void calibrate() {
    const auto time_of = [](std::uint64_t units) {
        const std::int64_t start = now_ns();
        spin(units);
        return now_ns() - start;
    };
    // A virtual machine's clock may stand still for a millisecond or jump as far, so
    // the stretch is made much longer, and seen to be so several times.
    std::uint64_t units = 64;
    for (int long_enough = 0; long_enough < 4;) {
        if (time_of(units) >= 8'000'000) {
            ++long_enough;
        } else {
            units *= 2;
            long_enough = 0;
        }
    }
    // In the faster tries nobody else had the CPU; the very fastest may be the clock's mistake.
    std::array<std::int64_t, 6> tries;
    for (std::int64_t& each : tries) each = time_of(units);
    std::sort(tries.begin(), tries.end());
    units_per_ns = static_cast<double>(units) / static_cast<double>(tries[1]);
}

double units_per_ms() { return units_per_ns * 1e6; }

std::uint64_t units_for(std::int64_t ns) {
    return std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(static_cast<double>(ns) * units_per_ns));
}

} // namespace work
