// SPDX-License-Identifier: MIT
#pragma once

#include <span>

namespace intellisched {

struct Claim {
    double weight = 256; ///< credit2 weight of the vCPU's domain
    double demand = 0;   ///< running + waiting: what it would have used alone
    double got = 0;      ///< running
};

/// Weighted-share error: half the sum of |got - fair| over the sum of got, where fair is the
/// weighted max-min share of what was delivered (nobody more than its demand, the rest in
/// proportion to the weights). 0: exactly fair; 1: everything to the wrong one. NaN when nothing
/// was delivered.
[[nodiscard]] double share_error(std::span<const Claim> claims);

} // namespace intellisched
