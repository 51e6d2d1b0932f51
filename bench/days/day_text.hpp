// SPDX-License-Identifier: MIT
// The report on days, for people.
#pragma once

#include "bench/days/day_figures.hpp"

#include <string>

namespace intellisched::bench {

/// The table: a line for each day, and their mean, median and worst.
[[nodiscard]] std::string text_of(const proto::DaysReport& report);

/// A day's trials and, for each phase, what every configuration would have given and how long the
/// service had which.
[[nodiscard]] std::string details_of(const proto::Day& day, std::span<const PhaseFigures> phases);

} // namespace intellisched::bench
