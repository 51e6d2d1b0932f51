// SPDX-License-Identifier: MIT
// What a day of changing load came to: the service against each layout kept all day, and against
// the best one of each phase. Utilities are score.hpp's; those of one phase are comparable among
// each other only, so that every figure is of differences.
#pragma once

#include "bench/proto/days.pb.h"
#include "src/layout/layout.hpp"

#include <array>
#include <span>

namespace intellisched::bench {

struct PhaseFigures {
    double seconds = 0;
    std::array<double, layout_count> utility{}; ///< of the phase under each layout
    double service = 0;                         ///< utility of what the service made of it
    /// Seconds that the service spent in each layout.
    std::array<double, layout_count> spent{};
};

/// A layout is worse than socket from this loss of score on.
inline constexpr double worse_from = 0.02;

/// The figures of a day of at least one phase, each phase counting by its seconds; the rates and
/// what the day is called are left to the caller. Of layouts that are equally good all day the
/// finest is the best one.
[[nodiscard]] proto::DayFigures day_figures(std::span<const PhaseFigures> phases);

/// Mean, median and worst of each figure of the report's days, of which there is one at least.
void sum_up(proto::DaysReport& report);

} // namespace intellisched::bench
