// SPDX-License-Identifier: MIT
#pragma once

#include "collector/window/stats.hpp"
#include "src/proto/host.pb.h"

namespace intellisched {

/// What a snapshot says of one pool under the layout that it has.
[[nodiscard]] PoolFacts pool_facts(const proto::HostSnapshot& snapshot, const Topology& topology,
                                   const Pool& pool, const BootLayout& layout);

} // namespace intellisched
