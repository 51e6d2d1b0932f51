// SPDX-License-Identifier: MIT
#pragma once

#include "collector/window/stats.hpp"
#include "src/proto/host.pb.h"

#include <unordered_map>

namespace intellisched {

/// What the counters of the window's pool grew by between two samples, a second. `pool_ids` are of
/// domains; `from` must be older than `to`.
void add_rates(WindowStats& stats, const proto::CounterSample& from, const proto::CounterSample& to,
               const std::unordered_map<unsigned, unsigned>& pool_ids);

/// What the domains of the window's pool published in that sample.
void add_published(WindowStats& stats, const proto::CounterSample& sample,
                   const std::unordered_map<unsigned, unsigned>& pool_ids);

} // namespace intellisched
