// SPDX-License-Identifier: MIT
// What one second of a pool is to the policy: the live score, and the names of what has to stay the
// same for two of them to be compared.
#pragma once

#include "collector/window/schema.hpp"
#include "collector/window/stats.hpp"
#include "src/policy/state.hpp"
#include "src/proto/host.pb.h"

#include <cstdint>

namespace intellisched {

/// The utility of one window under an intent; NaN when it cannot be told: nobody did anything that
/// counts, the runqueues were formed anew in it, or its figures cannot be. `snapshot` has the
/// domains and their parameters as they were during the window.
[[nodiscard]] double live_utility(const WindowStats& stats, const proto::HostSnapshot& snapshot,
                                  Intent intent);

/// A hash of the pool's guests (all its domains but Domain-0): their ids, online vCPUs, weights and
/// caps, in whatever order the snapshot has them. It means something within one boot only, for
/// domain ids begin anew with each.
[[nodiscard]] std::uint64_t guests_hash(const proto::HostSnapshot& snapshot, unsigned pool_id);

/// A hash of the pool's CPUs, their cores, sockets and nodes, and the pool's granularity.
[[nodiscard]] std::uint64_t topology_hash(const Topology& topology, const Pool& pool);

/// One window as the policy takes it. `features` are those of `stats`, `prediction` is made of
/// them, and `snapshot` as for live_utility().
[[nodiscard]] WindowSeen window_seen(const WindowStats& stats, const FeatureVector& features,
                                     const proto::HostSnapshot& snapshot,
                                     const Prediction& prediction, Intent intent);

/// The pool as the policy takes it. `facts` are of `pool`, be they of a window or of pool_facts(),
/// and `boot` is what the host was booted with.
[[nodiscard]] PoolSeen pool_seen(const PoolFacts& facts, const Topology& topology, const Pool& pool,
                                 const Arrangement& boot);

} // namespace intellisched
