// SPDX-License-Identifier: MIT
// Runs a plan on simulated hosts: every layout of every entry, repeats with other seeds, as many at
// a time as wanted.
#pragma once

#include "bench/experiment/results.hpp"
#include "collector/window/stats.hpp"
#include "src/host/sim_host.hpp"

#include <atomic>
#include <functional>

namespace intellisched::bench {

struct RunnerOptions {
    unsigned jobs = 1;
    /// Ends the benchmark when it becomes true; what is finished by then is stored. May be null.
    const std::atomic<bool>* stop = nullptr;
    /// Called about ten times a second: the part of the work that is done (0 to 1; what an earlier
    /// benchmark did is not in it), and the runs done and to do.
    std::function<void(double part, std::size_t done, std::size_t total)> progress = {};
    SimOptions sim; ///< its `stop` is not used
};

/// Makes all runs of the plan that the results do not have yet, or have as failed. A run that fails
/// is stored with its error. Which run is made when changes nothing in what it gives. Errors: no
/// simulator, results that cannot be written.
[[nodiscard]] Result<void> run_simulated(const Plan& plan, std::span<const Entry> entries,
                                         Results& results, const RunnerOptions& options);

/// The scenario of one repeat: with its seed and the plan's times. The same seed for all layouts.
[[nodiscard]] proto::Scenario scenario_of(const Plan& plan, const Entry& entry, unsigned repeat);

/// Checks that the plan's runs that are stored can be compared: one simulator has made all, and
/// each of the scenario that the entry has now. Runs that do not say so are of one more simulator,
/// and of the right scenario. Errors: they cannot.
[[nodiscard]] Result<void> check_makers(const Plan& plan, std::span<const Entry> entries,
                                        const Results& results);

/// A window that may become a sample: of that pool, after the warm-up, under that arrangement
/// alone, and hardly anything lost of it.
[[nodiscard]] bool usable(const WindowStats& stats, const Pool& pool, const Arrangement& wanted);

} // namespace intellisched::bench
