// SPDX-License-Identifier: MIT
#include "src/page/plot.hpp"

#include "src/page/page.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace intellisched::page {
namespace {

// In pixels.
constexpr double width = 900, left = 76, right = 16, top = 8, height = 110, below = 24, row = 22;

double place(const Axis& axis, double value, double begin, double end) {
    const double part = (std::clamp(value, axis.from, axis.to) - axis.from) / (axis.to - axis.from);
    return begin + part * (end - begin);
}

double across(const Axis& x, double value) { return place(x, value, left, width - right); }

/// The horizontal axis below `bottom`, and the marks.
std::string frame(const Axis& x, double bottom, std::span<const double> marks) {
    std::string svg = line("axis", left, bottom, width - right, bottom);
    for (const auto& [at, text] : x.ticks) {
        svg += line("axis", across(x, at), bottom, across(x, at), bottom + 4);
        svg += words("value", across(x, at), bottom + 17, "middle", text);
    }
    for (const double at : marks) svg += line("mark", across(x, at), top, across(x, at), bottom);
    return svg;
}

} // namespace

Axis value_axis(double low, double high, double least_span, std::string_view unit) {
    constexpr double most_steps = 4;
    const double lacks = std::max(0.0, least_span - (high - low));
    // What is not negative has no axis below 0.
    const double down = low >= 0 ? std::min(low, lacks / 2) : lacks / 2;
    low -= down, high += lacks - down;
    const double ten = std::pow(10, std::floor(std::log10((high - low) / most_steps)));
    double step = 10 * ten;
    for (const double times : {5., 2., 1.})
        if (times * ten * most_steps >= high - low) step = times * ten;
    Axis axis{std::floor(low / step) * step, std::ceil(high / step) * step};
    const auto steps = static_cast<int>(std::lround((axis.to - axis.from) / step));
    for (int i = 0; i <= steps; ++i) {
        const double at = axis.from + i * step;
        axis.ticks.emplace_back(at,
                                fmt::format("{:.6g}{}", std::abs(at) < step / 2 ? 0 : at, unit));
    }
    return axis;
}

std::string line_plot(const Axis& x, const Axis& y, std::span<const Reading> readings, double gap,
                      std::span<const double> marks) {
    const double bottom = top + height;
    const auto up = [&](double value) { return place(y, value, bottom, top); };
    std::string svg;
    for (const auto& [at, text] : y.ticks) {
        svg += line("grid", left, up(at), width - right, up(at));
        svg += words("value", left - 6, up(at) + 4, "end", text);
    }
    for (auto first = readings.begin(); first != readings.end();) {
        const auto last = std::adjacent_find(
            first, readings.end(), [&](const auto& a, const auto& b) { return b.at - a.at > gap; });
        const auto end = last == readings.end() ? last : last + 1;
        std::string mean, over, back;
        for (auto one = first; one != end; ++one) {
            const double at = across(x, one->at);
            mean += fmt::format("{}{:.1f} {:.1f}", mean.empty() ? "M" : "L", at, up(one->mean));
            over += fmt::format("{}{:.1f} {:.1f}", over.empty() ? "M" : "L", at, up(one->high));
            back.insert(0, fmt::format("L{:.1f} {:.1f}", at, up(one->low)));
        }
        // A point alone is seen, too.
        svg += fmt::format(R"(<path class="area" d="{}{}Z"/><path class="mean" d="{}h1"/>)", over,
                           back, mean);
        first = end;
    }
    return drawing(width, bottom + below, svg + frame(x, bottom, marks));
}

std::string row_plot(const Axis& x, std::span<const std::string> rows, std::span<const Bar> bars,
                     std::span<const double> marks) {
    const double bottom = top + row * static_cast<double>(rows.size());
    const auto middle = [](std::size_t of) { return top + row * (static_cast<double>(of) + 0.5); };
    std::string svg;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        svg += line("grid", left, middle(i), width - right, middle(i));
        svg += words("value", left - 6, middle(i) + 4, "end", rows[i]);
    }
    for (const Bar& bar : bars)
        svg += line(bar.kind, across(x, bar.from), middle(bar.row),
                    std::max(across(x, bar.to), across(x, bar.from) + 1), middle(bar.row));
    return drawing(width, bottom + below, svg + frame(x, bottom, marks));
}

} // namespace intellisched::page
