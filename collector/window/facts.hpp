// SPDX-License-Identifier: MIT
#pragma once

#include "collector/window/stats.hpp"
#include "src/proto/host.pb.h"

namespace intellisched {

/// What a snapshot says of one pool; `boot` is in force where it does not say what is. `seen` is
/// what the trace said of its runqueues.
[[nodiscard]] PoolFacts pool_facts(const proto::HostSnapshot& snapshot, const Topology& topology,
                                   const Pool& pool, const Arrangement& boot,
                                   const SeenRunqueues& seen);

/// Sets the part of the facts that follows from what is in force on the pool.
void set_layouts(PoolFacts& facts, const Topology& topology, const Pool& pool,
                 const Arrangement& boot, const SeenRunqueues& seen);

} // namespace intellisched
