// SPDX-License-Identifier: MIT
// Scenarios under several configurations of a pool.
#pragma once

#include "src/host/sim_host.hpp"
#include "src/proto/scenario.pb.h"
#include "src/proto/truth.pb.h"

#include <functional>
#include <vector>

namespace intellisched::what_if {

struct MeasureOptions {
    unsigned jobs = 1;   ///< simulators at a time
    SimOptions sim = {}; ///< `stop` ends it with an error; there is no trace
    /// Called from several threads: simulations that are done, of so many.
    std::function<void(std::size_t done, std::size_t of)> progress = [](auto, auto) {};
};

/// By configuration, the truth of each scenario. An empty change leaves the pool as the scenario
/// has it. Errors: the simulator's, no such pool, interrupted.
using Truths = std::vector<std::vector<proto::Truth>>;
[[nodiscard]] Result<Truths> measure(const std::vector<proto::Scenario>& scenarios,
                                     const std::string& pool,
                                     const std::vector<Change>& configurations,
                                     const MeasureOptions& options);

} // namespace intellisched::what_if
