// SPDX-License-Identifier: MIT
// What a recorded host would have had of each layout and each rate limit of a pool.
#pragma once

#include "bench/replay/scenario.hpp"
#include "bench/what_if/measure.hpp"
#include "src/model/score.hpp"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace intellisched::what_if {

/// A mean over parts of the recording.
struct Estimate {
    double mean = 0;
    double error = 0; ///< half of its 95% interval by chance (Student's t), and half of what the
                      ///< two readings are apart
};
/// `values`: one a part; of two `readings` of timers (replay::timers_on_time()) as many again.
[[nodiscard]] Estimate estimate_of(std::span<const double> values, std::size_t readings);
/// What is left of it beyond chance: nearer to 0 by its error.
[[nodiscard]] double beyond_chance(const Estimate& estimate);
/// What to go by: the mean of that and of what a model predicts
/// (docs/evidence/2026-11-30-what-if.md).
[[nodiscard]] double together(const Estimate& simulated, std::optional<double> predicted);
/// Whether that promises at least `margin`, the simulation is not sure of a loss, and the model
/// expects none. A simulation alone has to promise twice as much.
[[nodiscard]] bool promises(const Estimate& simulated, std::optional<double> predicted,
                            double margin);

/// One configuration beside what is in force.
struct Row {
    Change change;
    std::array<Estimate, all_intents.size()> gain{}; ///< by index(Intent): difference of utility
    double moves = 0;                                ///< of vCPUs to another CPU, per second
};

/// The gains of configurations over the first of them. `truths` are measure()'s, of so many
/// readings of timers. Errors: nothing that counts happened (utilities()).
[[nodiscard]] Result<std::vector<Row>> compare(const std::vector<Change>& configurations,
                                               const std::string& pool, const Truths& truths,
                                               std::size_t readings = 1);

/// What is compared, each different from the others.
struct Configurations {
    Change in_force;              ///< both knobs
    std::vector<Change> all = {}; ///< the first is in force; then layouts, then limits
    std::array<std::size_t, layout_count> layout{};         ///< in `all`, of each layout
    std::array<std::size_t, rate_limits_us.size()> limit{}; ///< and of each rate limit
};
/// `pool` is under `boot` where its snapshot does not say what is in force. Where layouts can be
/// changed they have no cap; else it is that of Xen's command line, which a boot keeps.
[[nodiscard]] Configurations configurations_of(const Topology& topology, const Pool& pool,
                                               const Change& boot);

/// What of the recording the replay under what is in force has again: how far to trust it.
struct Likeness {
    double cpus_recorded = 0, cpus_replayed = 0;   ///< that the pool's vCPUs ran on, in the mean
    double wakes_recorded = 0, wakes_replayed = 0; ///< of them, per second
};
/// Whether to go by the simulation at all: a sixth of the CPU time and a quarter of the wake-ups
/// may be missing, or be too many.
[[nodiscard]] bool alike(const Likeness& likeness);

struct WhatIf {
    double seconds = 0; ///< of the recording
    Configurations configurations;
    std::vector<Row> rows; ///< by configuration
    Likeness likeness;
};

/// The recording is cut into so many parts. Each is a simulation of its own (two: one a reading of
/// the timers), because where Xen puts vCPUs that hardly ever move is chance, and stays so for as
/// long as it lasts.
inline constexpr unsigned parts = 5;
/// About as many wake-ups of a part are replayed, which bounds the time that a busy host takes.
inline constexpr std::size_t most_wakes = 25'000;
inline constexpr double least_s = 2;

/// The scenarios that replay the parts, under the one reading of timers and then under the other,
/// with the work in them that takes as long in the simulator, under what was in force, as it took
/// on the host. Errors: replay::scenario_of()'s and the simulator's.
[[nodiscard]] Result<std::vector<proto::Scenario>>
scenarios_for(const replay::Recording& recording, const std::string& name, const std::string& pool,
              const Change& in_force, const proto::Costs& costs, const MeasureOptions& options);

/// Errors: those of scenarios_for(), measure() and compare(); a recording under least_s.
[[nodiscard]] Result<WhatIf> what_if(const replay::Recording& recording, const std::string& name,
                                     const std::string& pool, const proto::Costs& costs,
                                     const MeasureOptions& options);

} // namespace intellisched::what_if
