// SPDX-License-Identifier: MIT
// The plots of a pool in a report.
#pragma once

#include "src/cli/history_lines.hpp"
#include "src/cli/window_series.hpp"

#include <string>
#include <vector>

namespace intellisched::cli {

/// Figures of what the windows tell over time, in HTML, one below the other with one axis of time;
/// the switches among the lines are marked.
[[nodiscard]] std::string plots_of(const WindowSeries& windows,
                                   const std::vector<HistoryLine>& lines);

} // namespace intellisched::cli
