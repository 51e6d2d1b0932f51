// SPDX-License-Identifier: MIT
#include "bench/training/targets.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched {

namespace {

constexpr double logistic_of_normal = 1.702;

// Of a case's weight: what a tie has, and the regret of the worst option from which on more is at
// stake no more. Without a limit a few collapses would be all that is learnt.
constexpr double least_weight = 0.1;
constexpr double full_stakes = 0.2;

} // namespace

Targets targets_of(const Case& one) {
    std::array<double, option_count> behind{}; // in ln score, 0 or more
    for (std::size_t l = 0; l < option_count; ++l) {
        const double share = one.score[l] / one.best_score;
        behind[l] = share > 0 ? std::min(-std::log(share), most_behind) : most_behind;
    }
    Targets targets;
    double odds = 0, sum = 0, partitions = 0, worst = 0;
    for (std::size_t l = 0; l < option_count; ++l) {
        if (std::isnan(one.score[l])) continue;
        worst = std::max(worst, one.regret(all_options[l]));
        const double spread = one.spread[l];
        const double noise = std::isfinite(spread) ? std::max(spread, least_noise) : least_noise;
        const auto members = static_cast<double>(one.members(all_options[l]));
        targets.probability[l] = std::exp(-logistic_of_normal * behind[l] / noise) / members;
        odds += targets.probability[l];
        targets.part[l] = 1 / members;
        sum += behind[l] / members;
        partitions += 1 / members;
    }
    for (std::size_t l = 0; l < option_count; ++l) {
        if (targets.part[l] == 0) continue;
        targets.probability[l] /= odds;
        targets.utility[l] = sum / partitions - behind[l];
    }
    targets.complete = one.complete();
    if (!targets.complete) targets.trust = trust_of_trial;
    targets.weight = least_weight + (1 - least_weight) * std::min(worst, full_stakes) / full_stakes;
    return targets;
}

} // namespace intellisched
