// SPDX-License-Identifier: MIT
// What a day of changing load came to: the service against each configuration kept all day, and
// against the best one of each phase. Measured are all layouts with the rate limit of the boot, and
// all rate limits under socket; what both knobs turned give is taken to be the sum of what each
// does. Utilities are score.hpp's; those of one phase are comparable among
// each other only, so that every figure is of differences.
#pragma once

#include "bench/proto/days.pb.h"
#include "src/model/option.hpp"

#include <array>
#include <span>

namespace intellisched::bench {

struct PhaseFigures {
    using ByOption = std::array<double, option_count>;
    double seconds = 0;
    ByOption utility{};  ///< of the phase under each layout
    ByOption by_limit{}; ///< under each rate limit, and socket
    double service = 0;  ///< utility of what the service made of it
    /// Seconds that the service spent in each layout, with each rate limit.
    std::array<ByOption, option_count> spent{};

    /// Utility of both together, less that of the boot's.
    [[nodiscard]] double over_boot(Option layout, Option limit) const;
};

/// A configuration is worse than the boot's from this loss of score on.
inline constexpr double worse_from = 0.02;

/// The figures of a day of at least one phase, each phase counting by its seconds; the rates and
/// what the day is called are left to the caller. Only these knobs count for what would have been
/// best. Of configurations that are equally good all day the first is the best one.
[[nodiscard]] proto::DayFigures day_figures(std::span<const PhaseFigures> phases,
                                            std::span<const Knob> knobs);

/// Mean, median and worst of each figure of the report's days, of which there is one at least.
void sum_up(proto::DaysReport& report);

} // namespace intellisched::bench
