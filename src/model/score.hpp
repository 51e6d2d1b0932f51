// SPDX-License-Identifier: MIT
// What a layout achieved, as one number an intent: the one place where that is defined.
#pragma once

#include "src/base/result.hpp"
#include "src/layout/layout.hpp"
#include "src/proto/model.pb.h"

#include <array>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace intellisched {

/// What one guest reported while one layout was in force.
struct GuestResult {
    double work = 0;        ///< units a second; 0: this load has no work to speak of
    double wake_p99_us = 0; ///< 99th percentile of wake-up to running; 0: none measured
};

/// By guest.
using LayoutResult = std::map<std::string, GuestResult>;

/// Scores of all five layouts under every intent, each relative to the best layout of that
/// scenario, so that 1 is the best that was measured:
///     throughput(L) = geometric mean over guests of work(L) / max over layouts of work
///     latency(L)    = geometric mean over guests of min over layouts of p99 / p99(L)
///     balanced(L)   = sqrt(throughput(L) * latency(L))
/// then each divided by its largest. A guest counts in a mean only if every layout has a figure for
/// it. Errors: no guest left for an intent.
[[nodiscard]] Result<std::vector<proto::IntentScores>>
scores(std::span<const LayoutResult, layout_count> results);

} // namespace intellisched
