// SPDX-License-Identifier: MIT
#include "bench/days/day_text.hpp"

#include "src/model/option.hpp"

#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace intellisched::bench {
namespace {

std::string percent(double utility) { return fmt::format("{:+.2f}%", 100 * std::expm1(utility)); }

std::string row(const std::string& name, const std::string& topology, const std::string& best,
                const proto::DayFigures& day) {
    return fmt::format("{:>6}  {:<8} {:<7} {:>10} {:>11} {:>10.2f}% {:>14} {:>8.2f}% {:>7.1f} "
                       "{:>7.1f}\n",
                       name, topology, best, percent(day.against_socket()),
                       percent(day.against_static()), 100 * std::exp(day.against_oracle()),
                       percent(day.oracle_against_socket()), 100 * day.time_worse(),
                       day.switches_an_hour(), day.reverts_an_hour());
}

} // namespace

std::string text_of(const proto::DaysReport& report) {
    std::string text = fmt::format(
        "{} of {} phases of {:.0f} s, intent {}, knobs: {}, model {}, switches at {:.1f}% (in the "
        "end "
        "{:.1f}%) and {:.0f}% sure\n\n{:>6}  {:<8} {:<7} {:>10} {:>11} "
        "{:>11} {:>14} {:>9} {:>7} {:>7}\n{:>6}  {:<8} {:<7} {:>10} {:>11} {:>11} {:>14} {:>9} "
        "{:>7} {:>7}\n",
        report.replayed() ? "Replayed days" : "Days", report.phases(), report.phase_length_s(),
        report.intent(), report.knobs(), report.bundle().substr(0, 12), report.gain() * 100,
        report.gain() * report.least_gain_part() * 100, report.confidence() * 100, "", "", "best",
        "service", "service", "service", "oracle", "worse", "", "", "day", "host", "static",
        "to socket", "to static", "of oracle", "to socket", "time", "switch", "revert");
    for (const proto::DayFigures& day : report.days())
        text += row(fmt::to_string(day.seed()), day.topology(), day.best_static(), day);
    text += row("mean", "", "", report.mean()) + row("median", "", "", report.median()) +
            row("worst", "", "", report.worst());
    return text + "\nworse time: part of it in a configuration more than 2% worse than socket "
                  "and 1000 us in that phase; switches and reverts: an hour\n";
}

std::string details_of(const proto::Day& day, std::span<const PhaseFigures> phases) {
    std::string text = fmt::format("day {} on {}; trials: {}\n", day.options().seed(),
                                   day.options().topology(), fmt::join(day.endings(), ", "));
    for (std::size_t i = 0; i < phases.size(); ++i) {
        const PhaseFigures& phase = phases[i];
        text +=
            fmt::format("  {:<24} service {:>8}", day.phases(static_cast<int>(i)).scenario().name(),
                        percent(phase.service - phase.utility[index(boot_option)]));
        for (const Option layout : all_options)
            text += fmt::format("  {} {:>7}", name_of(Knob::layout, layout),
                                percent(phase.over_boot(layout, boot_option)));
        for (const Option limit : all_options)
            text += fmt::format("  {} {:>7}", name_of(Knob::rate_limit, limit),
                                percent(phase.over_boot(boot_option, limit)));
        for (const Option layout : all_options)
            for (const Option limit : all_options)
                if (const double spent = phase.spent[index(layout)][index(limit)]; spent > 0)
                    text += fmt::format("; {} and {}: {:.0f} s", name_of(Knob::layout, layout),
                                        name_of(Knob::rate_limit, limit), spent);
        text += "\n";
    }
    return text;
}

} // namespace intellisched::bench
