// SPDX-License-Identifier: MIT
// What the guests want, as far as it can be told apart from what the layout gives them: a few
// numbers that say whether two stretches of windows saw the same load.
//
// Chosen by the samples in tests/data (13 workload families, each under four layouts): for each
// feature, how far apart the layouts' means are within one scenario. What a layout changes much is
// of no use here: mean and median stretch of running differ by up to 4.5 and 0.9 e-folds (a
// stretch ends where the scheduler ends it), the rate of wake-ups by 0.6 (it is what was achieved,
// not what was asked for). What is left:
//     feature                                       layouts apart, at most   unit
//     ln of vCPUs that run or wait, a CPU           0.17                     0.25
//     ln of mean time blocked                       0.58                     0.6
//     ln of CPU time a wake-up                      0.59                     0.6
//     ln of vCPUs that ran at all, a CPU            0.05                     0.15
//     dom0's part of the running time               0.01                     0.1
//     running time of vCPUs that hardly block       0.14                     0.2
//     domains' running time, deviation over mean    0.32                     0.35
// Each is divided by its unit, so that 1 is more than a layout does; two scenarios are 5 apart in
// the first in the median. Pool-wide rather than by domain: a number of them that does not change
// with the guests can be compared after guests have come and gone, too.
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
