// SPDX-License-Identifier: MIT
// What the guests want, as far as it can be told apart from what the layout gives them: a few
// numbers that say whether two stretches of windows saw the same load. Each is divided by a unit
// that is more than a layout changes it, so that a distance of 1 is more than a layout does:
//     feature                                       unit
//     ln of vCPUs that run or wait, a CPU           0.25
//     ln of mean time blocked                       0.6
//     ln of CPU time a wake-up                      0.6
//     ln of vCPUs that ran at all, a CPU            0.15
//     dom0's part of the running time               0.1
//     running time of vCPUs that hardly block       0.2
//     domains' running time, deviation over mean    0.35
// How they were chosen, and what layouts do to them:
// docs/evidence/2026-11-29-workload-signature.md.
// The numbers are of the pool and not by domain, so that they can be compared after guests have
// come and gone.
#pragma once

#include "collector/window/schema.hpp"

#include <array>
#include <span>

namespace intellisched {

inline constexpr std::size_t workload_size = 7;
/// By position: demand first. NaN: not seen.
using Workload = std::array<double, workload_size>;

/// e-folds of demand to 1 of Workload's first number.
inline constexpr double demand_unit = 0.25;

/// The signature of one window.
[[nodiscard]] Workload workload_of(const FeatureVector& features);

/// By number, the mean over the windows that saw it.
[[nodiscard]] Workload mean_workload(std::span<const Workload> windows);

/// The largest difference of a number that both have; 0 when they share none.
[[nodiscard]] double distance(const Workload& a, const Workload& b);

} // namespace intellisched
