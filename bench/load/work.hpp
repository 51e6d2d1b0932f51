// SPDX-License-Identifier: MIT
// The work that loads do: a loop that lives in registers, so that a unit costs the
// same whichever CPU runs it and only the scheduler decides how many get done.
#pragma once

#include <cstdint>

namespace work {

// Times the loop, for about 100 ms. Call once, before any load starts.
void calibrate();

// Work units in one millisecond of an undisturbed CPU.
double units_per_ms();

// Does `units` of work: the same number of instructions at any time and anywhere. Returns the
// result, which only depends on `units`.
std::uint64_t spin(std::uint64_t units);

// What spin() has to return, worked out in another way: a vCPU whose registers were mixed up on
// the way would come to something else.
std::uint64_t result_of(std::uint64_t units);

// How many units an undisturbed CPU does in `ns`; at least 1. A burst is a fixed
// amount of work rather than a stretch of time: a vCPU that is taken off its CPU
// has not worked meanwhile.
std::uint64_t units_for(std::int64_t ns);

} // namespace work
