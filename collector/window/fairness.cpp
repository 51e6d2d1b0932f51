// SPDX-License-Identifier: MIT
#include "collector/window/fairness.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace intellisched {

double share_error(std::span<const Claim> claims) {
    double left = 0, weights = 0;
    for (const Claim& claim : claims) {
        left += claim.got;
        weights += claim.weight;
    }
    const double delivered = left;
    if (!(delivered > 0)) return std::numeric_limits<double>::quiet_NaN();

    // Serve the claims in the order in which they are satisfied as the level rises.
    std::vector<const Claim*> order;
    order.reserve(claims.size());
    for (const Claim& claim : claims) order.push_back(&claim);
    std::sort(order.begin(), order.end(), [](const Claim* a, const Claim* b) {
        return a->demand * b->weight < b->demand * a->weight;
    });
    double error = 0;
    for (const Claim* claim : order) {
        const double fair = std::min(claim->demand, left * claim->weight / weights);
        left -= fair;
        weights -= claim->weight;
        error += std::abs(claim->got - fair);
    }
    return error / 2 / delivered;
}

} // namespace intellisched
