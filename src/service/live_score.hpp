// SPDX-License-Identifier: MIT
// What the policy is told of a window and of a pool, from what was observed of them.
#pragma once

#include "collector/window/schema.hpp"
#include "collector/window/stats.hpp"
#include "src/policy/state.hpp"
#include "src/proto/host.pb.h"

namespace intellisched {

/// The window as the policy sees it. There is no live score yet: the utility is NaN, so that the
/// policy has nothing to compare a new layout with and starts no switch.
[[nodiscard]] WindowSeen window_seen(const WindowStats& stats, const FeatureVector& features,
                                     const proto::HostSnapshot& snapshot,
                                     const Prediction& prediction, Intent intent);

/// The pool as the policy sees it; `boot` is what the host was booted with.
[[nodiscard]] PoolSeen pool_seen(const PoolFacts& facts, const Topology& topology, const Pool& pool,
                                 const Arrangement& boot);

} // namespace intellisched
