// SPDX-License-Identifier: GPL-2.0-only
// Inside generate(): what one guest of a family does.
#pragma once

#include "bench/simulator/loads/random.hpp"
#include "bench/simulator/scenario.hpp"

#include <string_view>

namespace sim {

/// To three significant digits, as a person would write it.
[[nodiscard]] double three_digits(double value);
/// Evenly over the logarithm, rounded to three digits.
[[nodiscard]] double log_uniform(Random& random, double from, double to);
[[nodiscard]] double uniform(Random& random, double from, double to);
/// Of `from` to `to`, both included.
[[nodiscard]] unsigned number(Random& random, unsigned from, unsigned to);
void set_times(proto::Times& times, double mean_us, proto::Times::Shape shape = {});
[[nodiscard]] bool chance(Random& random, double probability);

/// What all guests of one family in a scenario have in common; drawn once for each.
struct Character {
    std::string_view family; ///< one of plain_families
    double burst_us;         ///< a stretch of work, log 30 us to 20 ms
    proto::Times::Shape shape;
    double load; ///< wanted of the CPUs that there are for each guest, 0.2 to 1.1
    double wait; ///< waiting times in stretches, log 0.5 to 8
};
[[nodiscard]] Character draw_character(std::string_view family, Random& random);

/// Adds the family's load to the phase. `share`: the CPUs that there are for the guest.
void add_load(proto::Phase& phase, const Character& character, unsigned vcpus, double share,
              Random& random);

/// A load that has a thread for each of the `vcpus` keeps that many, however many the guest gets.
/// False: it would always use them all.
[[nodiscard]] bool fix_threads(proto::Load& load, unsigned vcpus);

/// Adds what guests do by themselves: ticks of each vCPU's timer, 1 to 10 a second of a tickless
/// system, of others 64 to 250, seldom 1000; or as many wake-ups at any time on any vCPU.
void add_background(proto::Guest& guest, Random& random);

} // namespace sim
