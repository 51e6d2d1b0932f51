// SPDX-License-Identifier: MIT
#include "work.hpp"

#include "clock.hpp"

#include <algorithm>
#include <array>

namespace work {
namespace {

constexpr unsigned kStepsPerUnit = 256;
// Knuth's MMIX generator: x' = x * kFactor + kAddend modulo 2^64.
constexpr std::uint64_t kFactor = 6364136223846793005u;
constexpr std::uint64_t kAddend = 1442695040888963407u;
double units_per_ns = 0.001;

} // namespace

std::uint64_t spin(std::uint64_t units) {
    std::uint64_t x = units;
    for (std::uint64_t i = 0; i < units * kStepsPerUnit; ++i) {
        x = x * kFactor + kAddend;
        asm volatile("" : "+r"(x)); // keeps the compiler from taking steps together
    }
    return x;
}

std::uint64_t result_of(std::uint64_t units) {
    // Two steps are one step of another generator, so the number of steps can be halved.
    std::uint64_t x = units;
    std::uint64_t factor = kFactor;
    std::uint64_t addend = kAddend;
    for (std::uint64_t steps = units * kStepsPerUnit; steps > 0; steps >>= 1) {
        if ((steps & 1) != 0) x = x * factor + addend;
        addend *= factor + 1;
        factor *= factor;
    }
    return x;
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
