// SPDX-License-Identifier: MIT
#include "src/cli/report_plots.hpp"

#include "src/base/counted.hpp"
#include "src/page/page.hpp"
#include "src/page/plot.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>

namespace intellisched::cli {
namespace {

/// Of local times, as many as have room.
page::Axis time_axis(double from, double to) {
    constexpr double minute = 60, hour = 3600, day = 86400, most_ticks = 8;
    page::Axis axis{from, std::max(to, from + 1)};
    const double span = axis.to - axis.from;
    double step = span / most_ticks; // of years
    for (const double one :
         {7 * day, 2 * day, day, 12 * hour, 6 * hour, 3 * hour, 2 * hour, hour, 30 * minute,
          15 * minute, 10 * minute, 5 * minute, 2 * minute, minute, 30., 10., 5., 1.})
        if (span / one <= most_ticks) step = one;
    const auto begin = static_cast<std::time_t>(from);
    std::tm local{};
    const double ahead = ::localtime_r(&begin, &local) ? static_cast<double>(local.tm_gmtoff) : 0;
    const char* format = step >= day      ? "%m-%d"
                         : span > day     ? "%m-%d %H:%M"
                         : step >= minute ? "%H:%M"
                                          : "%H:%M:%S";
    const double first = std::ceil((from + ahead) / step) * step - ahead;
    for (int i = 0; i <= most_ticks && first + i * step <= axis.to; ++i) {
        const auto seconds = static_cast<std::time_t>(first + i * step);
        char text[32] = {};
        if (::localtime_r(&seconds, &local)) (void)std::strftime(text, sizeof text, format, &local);
        axis.ticks.emplace_back(first + i * step, text);
    }
    return axis;
}

/// A value that is drawn over time.
struct Panel {
    Stretch::What what;
    const char* title;
    const char* explained;
    const char* unit;
    double times;                                     ///< of the value, in this unit
    double least_span;                                ///< of the axis
    std::array<std::optional<double>, 2> in_any_case; ///< values that the axis has
};
constexpr Panel panels[] = {
    {Stretch::score,
     "How the guests fare",
     "live score, in percent of all that they want at full speed; higher is better",
     "%",
     100,
     10,
     {}},
    {Stretch::gain,
     "What the favourite layout promises",
     "expected gain over the layout in force, in percent; 0: what is in force is the best",
     "%",
     100,
     2,
     {0}},
    {Stretch::probability,
     "How sure the model is",
     "probability that its favourite layout is the best, in percent",
     "%",
     100,
     100,
     {0, 100}},
    {Stretch::novelty,
     "How unlike the training the load is",
     "novelty; above 1 the model is not believed",
     "",
     1,
     1,
     {0, 1}},
    {Stretch::rate_limit, "Rate limit in force", "in microseconds; 0: off", " us", 1, 1000, {0}},
    {Stretch::coverage,
     "How much of the time was seen",
     "coverage of the trace, in percent; below 100% records were lost",
     "%",
     100,
     100,
     {0, 100}}};

/// The middle of the stretch with that number.
double middle_of(const WindowSeries& windows, std::size_t number) {
    return std::max(windows.from(),
                    windows.to() - (static_cast<double>(number) + 0.5) * windows.stretch());
}

std::string figure(const std::string& title, const std::string& explained,
                   const std::string& plot) {
    return fmt::format("<figure><figcaption>{}<span>: {}</span></figcaption>\n{}</figure>\n", title,
                       explained, plot);
}

std::string panel(const Panel& panel, const WindowSeries& windows, const page::Axis& time,
                  const std::vector<double>& marks) {
    std::vector<page::Reading> readings;
    Summary all;
    for (std::size_t i = windows.stretches().size(); i-- > 0;) {
        const Summary& of = windows.stretches()[i].of[panel.what];
        if (of.count == 0) continue;
        all.add(of);
        readings.push_back({middle_of(windows, i), of.low * panel.times, of.mean() * panel.times,
                            of.high * panel.times});
    }
    if (readings.empty()) return fmt::format("<p>{}: not known in this time.</p>\n", panel.title);
    double low = all.low * panel.times, high = all.high * panel.times;
    for (const auto& bound : panel.in_any_case)
        if (bound) low = std::min(low, *bound), high = std::max(high, *bound);
    const page::Axis axis = page::value_axis(low, high, panel.least_span, panel.unit);
    return figure(panel.title, panel.explained,
                  page::line_plot(time, axis, readings, windows.gap(), marks));
}

/// Bars of one kind: a row a layout.
void add_bars(std::vector<page::Bar>& bars, const WindowSeries& windows, std::string_view kind,
              const std::array<std::size_t, layout_count>& rows,
              std::array<unsigned, layout_count> Stretch::*counts) {
    for (std::size_t layout = 0; layout < layout_count; ++layout) {
        page::Bar bar{.row = rows[layout], .kind = kind};
        for (std::size_t i = windows.stretches().size(); i-- > 0;) {
            if ((windows.stretches()[i].*counts)[layout] == 0) continue;
            const double half = windows.gap() / 5, at = middle_of(windows, i);
            if (bar.to > 0 && at - half - bar.to <= windows.gap() / 2) {
                bar.to = at + half;
                continue;
            }
            if (bar.to > 0) bars.push_back(bar);
            bar.from = at - half;
            bar.to = at + half;
        }
        if (bar.to > 0) bars.push_back(bar);
    }
}

std::string layouts(const WindowSeries& windows, const page::Axis& time,
                    const std::vector<double>& marks) {
    std::array<std::size_t, layout_count> rows{};
    std::vector<std::string> names;
    for (const Layout layout : all_layouts) {
        const bool seen = std::ranges::any_of(windows.stretches(), [&](const Stretch& one) {
            return one.in_force[index(layout)] + one.favourite[index(layout)] > 0;
        });
        rows[index(layout)] = names.size();
        if (seen) names.emplace_back(to_string(layout));
    }
    std::vector<page::Bar> bars;
    add_bars(bars, windows, "in-force", rows, &Stretch::in_force);
    add_bars(bars, windows, "favourite", rows, &Stretch::favourite);
    return figure("Layout",
                  "<b class=\"key-blue\">thick</b>: in force; <b class=\"key-red\">thin</b>: the "
                  "model's favourite",
                  page::row_plot(time, names, bars, marks));
}

} // namespace

std::string plots_of(const WindowSeries& windows, const std::vector<HistoryLine>& lines) {
    if (windows.windows() == 0)
        return "<p>The journal has no window of this pool in this time.</p>\n";
    const page::Axis time = time_axis(windows.from(), windows.to());
    std::vector<double> marks;
    for (const HistoryLine& line : lines) {
        const double at = static_cast<double>(line.time) / 1e9;
        if (line.kind == "switch" && at >= time.from && at <= time.to) marks.push_back(at);
    }
    std::string out = fmt::format(
        "<p>{} from {} to {}. Lines are means, the area around them goes from the lowest "
        "to the highest window{}.</p>\n",
        counted(windows.windows(), "window"),
        local_text(static_cast<service::UnixTime>(windows.from() * 1e9)),
        local_text(static_cast<service::UnixTime>(windows.to() * 1e9)),
        marks.empty() ? "" : "; a dashed upright is a switch");
    out += layouts(windows, time, marks);
    for (const Panel& one : panels) out += panel(one, windows, time, marks);
    return out;
}

} // namespace intellisched::cli
