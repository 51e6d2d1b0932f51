// SPDX-License-Identifier: MIT
// Plots for pages, as inline SVG.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace intellisched::page {

struct Axis {
    double from = 0, to = 1;
    std::vector<std::pair<double, std::string>> ticks = {}; ///< where, and what stands there
};

/// An axis around low to high, with round numbers; `unit` stands behind each. It is `least_span`
/// long at least, so that noise does not look like news. All finite, and below 1e15.
[[nodiscard]] Axis value_axis(double low, double high, double least_span, std::string_view unit);

/// What is drawn at a place: the mean, and around it from the lowest to the highest.
struct Reading {
    double at = 0, low = 0, mean = 0, high = 0;
};

/// A line through the means over an area from low to high; `readings` by place. Where two are more
/// than `gap` apart the line ends, and begins anew. `marks`: places of a dashed upright.
[[nodiscard]] std::string line_plot(const Axis& x, const Axis& y, std::span<const Reading> readings,
                                    double gap, std::span<const double> marks);

/// In a row: from where to where, and as which class of drawn lines.
struct Bar {
    double from = 0, to = 0;
    std::size_t row = 0;
    std::string_view kind;
};

/// A row for each of `rows`, with bars.
[[nodiscard]] std::string row_plot(const Axis& x, std::span<const std::string> rows,
                                   std::span<const Bar> bars, std::span<const double> marks);

/// The style that plots need on their page.
inline constexpr std::string_view plot_style =
    R"(.area { fill: var(--pale); opacity: .6 } .mean { fill: none; stroke: var(--blue); stroke-width: 1.5; stroke-linejoin: round }
.mark { stroke: var(--red); stroke-dasharray: 4 3 } .axis { stroke: var(--dim) }
)";

} // namespace intellisched::page
