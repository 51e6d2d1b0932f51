// SPDX-License-Identifier: MIT
// What a host can tell of what its guests achieved: the live stand-in for the simulator's truth, so
// that one formula (score.hpp) scores both.
#pragma once

#include "collector/window/stats.hpp"
#include "src/proto/host.pb.h"
#include "src/proto/truth.pb.h"

#include <span>

namespace intellisched {

/// Of an SMT thread's speed, the part that it loses while its sibling is busy; what the simulator's
/// smt_speed is by default.
inline constexpr double default_smt_loss = 0.30;

/// The windows of one pool, summed up. A guest's work is taken to be the time that it ran, less
/// `smt_loss` of the part in which the pool's CPUs shared a core; its memory and caches are not
/// seen, nor its requests. `snapshot` has the domains' names and parameters; a domain that it does
/// not know is left out. Waits are told from the histograms of the windows.
[[nodiscard]] proto::Truth estimate(std::span<const WindowStats> windows,
                                    const proto::HostSnapshot& snapshot,
                                    double smt_loss = default_smt_loss);

} // namespace intellisched
