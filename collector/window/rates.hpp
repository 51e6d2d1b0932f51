// SPDX-License-Identifier: MIT
#pragma once

#include "collector/window/stats.hpp"
#include "src/proto/host.pb.h"

#include <unordered_map>

namespace intellisched {

/// Adds the rates per second of the counters of the window's pool between two samples. `pool_ids`:
/// the pool of each domain. `from` must be older than `to`.
void add_rates(WindowStats& stats, const proto::CounterSample& from, const proto::CounterSample& to,
               const std::unordered_map<unsigned, unsigned>& pool_ids);

/// Adds what the domains of the window's pool published in that sample.
void add_published(WindowStats& stats, const proto::CounterSample& sample,
                   const std::unordered_map<unsigned, unsigned>& pool_ids);

} // namespace intellisched
