// SPDX-License-Identifier: MIT
// What guests achieved, as far as a host can tell: the live stand-in for the simulator's truth, so
// that one formula (score.hpp) scores both.
#pragma once

#include "collector/window/stats.hpp"
#include "src/proto/host.pb.h"
#include "src/proto/truth.pb.h"

#include <span>

namespace intellisched {

/// The part of its speed that an SMT thread loses while its sibling is busy: 1 less the simulator's
/// default of smt_speed.
inline constexpr double default_smt_loss = 0.30;

/// Sums up windows of one pool. A guest's work is taken to be the time that it ran, less `smt_loss`
/// of the part in which the pool's CPUs shared a core. Its memory, caches and requests cannot be
/// seen; a response is what a vCPU did from a wake-up until it slept again. `snapshot` has the
/// domains' names and parameters; a domain that it does not have is left out.
[[nodiscard]] proto::Truth estimate(std::span<const WindowStats> windows,
                                    const proto::HostSnapshot& snapshot,
                                    double smt_loss = default_smt_loss);

} // namespace intellisched
