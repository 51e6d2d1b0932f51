// SPDX-License-Identifier: MIT
#include "src/cli/top_screen.hpp"

#include "src/base/counted.hpp"
#include "src/base/ranges.hpp"
#include "src/base/result.hpp"
#include "src/cli/cells.hpp"
#include "src/cli/pool_text.hpp"
#include "src/layout/layout.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched::cli {
namespace {

using Style = ScreenLine::Style;
using Lines = std::vector<ScreenLine>;

constexpr std::size_t widest_name = 20;
constexpr std::size_t bar_width = 10;
constexpr std::size_t gap = 3; ///< between runqueues that stand in one line
constexpr std::uint64_t stale_s = 5;

std::string gain_text(double gain) {
    return std::abs(gain) < 100 ? fmt::format("{:+.1f}%", gain * 100) : "-";
}

std::string bar(double part) {
    const double sure = part >= 0 ? std::min(part, 1.0) : 0; // a NaN is 0, too
    const auto full = static_cast<std::size_t>(std::lround(sure * bar_width));
    return "[" + std::string(full, '#') + std::string(bar_width - full, '.') + "]";
}

/// Adds the text in as many lines as it takes, broken at blanks, those after the first further in.
void add_wrapped(Lines& lines, std::string text, const TopView& view, Style style = Style::plain) {
    constexpr std::string_view further = "    ";
    while (text.size() > view.width && view.width > 2 * further.size()) {
        std::size_t at = text.rfind(' ', view.width);
        if (at == std::string::npos || at <= further.size()) at = view.width;
        lines.push_back({text.substr(0, at), style});
        text.erase(0, text.find_first_not_of(' ', at));
        text.insert(0, further);
    }
    lines.push_back({std::move(text), style});
}

std::string short_layout(const proto::PoolStatus& pool) {
    if (!pool.has_in_force()) return "not read";
    const auto& told = pool.in_force();
    return ascii(told.layout(), 9) +
           (told.max_cpus() > 0 ? fmt::format("/{}", told.max_cpus()) : "");
}

struct Columns {
    std::size_t name = 4;
    [[nodiscard]] std::string row(std::string_view mark, std::string_view pool,
                                  std::string_view mode, std::string_view layout,
                                  std::string_view best, std::string_view busy,
                                  std::string_view waiting, std::string_view median,
                                  std::string_view tail, std::string_view switches,
                                  std::string_view moves) const {
        return fmt::format("{:<2}{:<{}} {:<9} {:<9} {:<13} {:>4} {:>5} {:>6} {:>6} {:>5} {:>5}",
                           mark, pool, name, mode, layout, best, busy, waiting, median, tail,
                           switches, moves);
    }
};

std::string pool_row(const proto::PoolStatus& pool, const Columns& columns, bool marked) {
    const auto& window = pool.window();
    const bool seen = pool.has_window();
    const auto [option, gain] = foremost(pool);
    const std::string best =
        option.empty() ? "-" : fmt::format("{} {}", ascii(option, 8), gain_text(gain));
    return columns.row(marked ? ">" : "", ascii(pool.name(), columns.name), ascii(pool.mode(), 9),
                       short_layout(pool), best, seen ? percent(window.busy()) : "-",
                       seen && window.waiting() >= 0 && window.waiting() < 1e4
                           ? fmt::format("{:.1f}", window.waiting())
                           : "-",
                       window.has_wake_p50_us() ? microseconds(window.wake_p50_us()) : "-",
                       window.has_wake_p99_us() ? microseconds(window.wake_p99_us()) : "-",
                       seen ? count(window.switches_s()) : "-",
                       seen ? count(window.moves_s()) : "-");
}

/// The rows of the pools, so many that the marked one's details find room.
void add_table(Lines& lines, const proto::ServiceStatus& status, const TopView& view, int marked) {
    Columns columns;
    for (const auto& pool : status.pools())
        columns.name = std::clamp(ascii(pool.name()).size(), columns.name, widest_name);
    lines.push_back({columns.row("", "pool", "mode", "layout", "best", "busy", "wait", "wake50",
                                 "wake99", "sw/s", "mv/s"),
                     Style::strong});
    const int all = status.pools_size();
    const int room = view.selected ? static_cast<int>(std::clamp<std::size_t>(
                                         view.height / 3, 1, static_cast<std::size_t>(INT32_MAX)))
                                   : all;
    const int first = all > room ? std::clamp(marked - room / 2, 0, all - room) : 0;
    for (int i = first; i < std::min(all, first + room); ++i) {
        const bool is_marked = view.selected && i == marked;
        lines.push_back({pool_row(status.pools(i), columns, is_marked),
                         is_marked ? Style::marked : Style::plain});
    }
    if (all > room) lines.push_back({fmt::format("  {} of {} pools", room, all)});
}

void add_head(Lines& lines, const char* knob, unsigned windows) {
    lines.push_back({fmt::format(
        "  {:<8} {:<{}}  {:>7}", knob,
        fmt::format("best? ({})", windows == 1 ? "last window" : counted(windows, "window")),
        bar_width + 7, "gain")});
}

void add_option(Lines& lines, const std::string& name, const auto& option, bool in_force) {
    lines.push_back({fmt::format("  {:<8} {} {:>4}   {:>7}{}", name, bar(option.probability()),
                                 percent(option.probability()), gain_text(option.expected_gain()),
                                 in_force ? "  in force" : "")});
}

void add_layouts(Lines& lines, const proto::PoolStatus& pool) {
    if (pool.layouts().empty()) return;
    add_head(lines, "layout", pool.layout_windows());
    for (const auto& layout : pool.layouts()) {
        const std::string name = ascii(layout.layout(), 8);
        if (!layout.same_as().empty())
            lines.push_back({fmt::format("  {:<8} as {}", name, ascii(layout.same_as(), 8))});
        else
            add_option(lines, name, layout,
                       pool.has_in_force() && pool.in_force().layout() == layout.layout());
    }
}

void add_rate_limits(Lines& lines, const proto::PoolStatus& pool) {
    if (pool.rate_limits().empty()) return;
    add_head(lines, "limit", pool.rate_limit_windows());
    for (const auto& limit : pool.rate_limits())
        add_option(lines, rate_limit_text(limit.rate_limit_us()), limit,
                   pool.has_rate_limit_us() && pool.rate_limit_us() == limit.rate_limit_us());
}

void add_runqueues(Lines& lines, const proto::PoolStatus& pool, const TopView& view) {
    if (pool.runqueues().empty()) return;
    lines.push_back({fmt::format("  {}: their CPUs, and how busy these were",
                                 counted(pool.runqueues_size(), "runqueue"))});
    std::vector<std::string> names;
    std::size_t widest = 0;
    for (const auto& runqueue : pool.runqueues()) {
        names.push_back(ranges_text(runqueue.cpus()));
        widest = std::max(widest, names.back().size());
    }
    const std::size_t cell = widest + 1 + bar_width + 2 + 5 + gap;
    const auto in_a_line = static_cast<int>(
        std::clamp<std::size_t>(view.width / cell, 1, static_cast<std::size_t>(INT32_MAX)));
    for (int i = 0; i < pool.runqueues_size(); ++i) {
        const auto& runqueue = pool.runqueues(i);
        if (i % in_a_line == 0) lines.push_back({"  "});
        lines.back().text += fmt::format(
            "{:>{}} {} {:>4}{}", names[static_cast<std::size_t>(i)], widest, bar(runqueue.busy()),
            runqueue.has_busy() ? percent(runqueue.busy()) : "-", std::string(gap, ' '));
    }
}

void add_details(Lines& lines, const proto::PoolStatus& pool, const TopView& view) {
    lines.push_back({});
    const std::string special = remark(pool);
    add_wrapped(lines,
                fmt::format("{}: {}{}{}{}", ascii(pool.name(), 64),
                            pool.has_in_force() ? layout_text(pool.in_force()) : "layout not read",
                            pool.has_rate_limit_us()
                                ? ", rate limit " + rate_limit_text(pool.rate_limit_us())
                                : "",
                            special.empty() ? "" : "; ", special),
                view, Style::strong);
    add_wrapped(lines,
                fmt::format("  {} for {}; {}, {}, {}, {} failed", ascii(pool.mode(), 16),
                            ascii(pool.intent(), 16), counted(pool.windows(), "window"),
                            counted(pool.switches(), "switch", "switches"),
                            counted(pool.reverts(), "revert"), pool.failed_applies()),
                view);
    for (const auto& change : pool.recommendations())
        add_wrapped(lines, "  " + ascii(change_text(pool, change)), view);
    const auto& window = pool.window();
    if (pool.has_window() && window.age_s() > stale_s)
        lines.push_back(
            {fmt::format("  the last window ended {} ago", stretch(window.age_s())), Style::alarm});
    if (pool.has_window() && window.coverage() < 0.995)
        lines.push_back(
            {fmt::format("  the trace covers {} of the window", percent(window.coverage())),
             Style::alarm});
    add_layouts(lines, pool);
    add_rate_limits(lines, pool);
    for (const auto& guest : pool.protected_guests())
        add_wrapped(lines, "  " + ascii(protected_text(guest)), view);
    lines.push_back({fmt::format("  decision: {}", ascii(pool.decision(), 16))});
    for (const auto& reason : pool.reasons())
        add_wrapped(lines, "  - " + ascii(reason.text()), view);
    add_runqueues(lines, pool, view);
}

/// -1: there are no pools.
int place_of(const proto::ServiceStatus& status, const std::string& name) {
    for (int i = 0; i < status.pools_size(); ++i)
        if (status.pools(i).name() == name) return i;
    return status.pools().empty() ? -1 : 0;
}

} // namespace

std::string neighbour(const proto::ServiceStatus& status, const std::string& name, int places) {
    const int at = place_of(status, name);
    if (at < 0) return name;
    return status.pools(std::clamp(at + places, 0, status.pools_size() - 1)).name();
}

std::vector<ScreenLine> top_screen(const proto::ServiceStatus& status, const TopView& view) {
    Lines lines;
    std::string head = heading(status);
    for (std::size_t end = 0; (end = head.find('\n')) != std::string::npos; head.erase(0, end + 1))
        add_wrapped(lines, ascii(std::string_view(head).substr(0, end), 2048), view,
                    lines.empty() ? Style::strong : Style::alarm);
    if (!view.problem.empty()) add_wrapped(lines, ascii(view.problem), view, Style::alarm);
    lines.push_back({});
    const int marked = place_of(status, view.selected.value_or(""));
    add_table(lines, status, view, marked);
    if (!view.selected) {
        for (const auto& pool : status.pools()) add_details(lines, pool, view);
    } else if (marked >= 0) {
        add_details(lines, status.pools(marked), view);
    }

    if (view.selected && view.height > 1) {
        const std::size_t room = view.height - 1;
        if (lines.size() > room) {
            const std::size_t more = lines.size() - room + 1;
            lines.resize(room);
            lines.back() = {"  ... " + counted(more, "more line")};
        }
        if (view.height != SIZE_MAX) lines.resize(room);
        lines.push_back({"q quit  up/down choose a pool  p pause it  r resume it", Style::strong});
    }
    if (lines.size() > view.height) lines.resize(view.height);
    for (ScreenLine& line : lines) {
        if (line.text.size() > view.width) line.text.resize(view.width);
        line.text.erase(line.text.find_last_not_of(' ') + 1);
    }
    return lines;
}

} // namespace intellisched::cli
