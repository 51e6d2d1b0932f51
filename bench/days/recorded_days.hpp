// SPDX-License-Identifier: MIT
// Days without their simulation: each phase is recorded once under each layout, and from then on
// any policy goes through the day in a fraction of a second. That is for comparing many policies;
// what is reported comes from the simulation of the service itself.
//
// It takes the pool to be at once where it would be had it always had the layout. That is too good
// where guests stay where they were put: vCPUs that never sleep are not moved to the new layout's
// better places, though a phase that begins with it has them there. The rate limit stays as it is
// booted.
#pragma once

#include "src/host/sim_host.hpp"
#include "src/model/classifier.hpp"
#include "src/policy/machine.hpp"

#include <atomic>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace intellisched::bench {

/// Runs a host that has the layout already to its end, and returns the pool and, as history, all
/// its windows, by the time since the host's beginning. Errors: those of ClosedLoop.
[[nodiscard]] Result<State> record(SimHost& host, const Models& models, Intent intent,
                                   const std::string& pool, const std::atomic<bool>* stop);

struct RecordedPhase {
    Nanoseconds length = 0;
    Representatives same{};
    std::map<Layout, State> runs; ///< of each representative
};

struct ReplayedDay {
    std::vector<std::array<double, layout_count>> spent; ///< by phase; seconds in each layout
    unsigned switches = 0, reverts = 0;
    std::vector<TrialReport> trials; ///< those that ended, in order
};

/// What the policy does with a pool that begins in the layout `socket`. Every phase has a run of
/// each representative.
[[nodiscard]] ReplayedDay replay(std::span<const RecordedPhase> phases, Intent intent,
                                 const PolicySettings& settings);

} // namespace intellisched::bench
