// SPDX-License-Identifier: MIT
#include "src/cli/recommendation_text.hpp"

#include "src/base/counted.hpp"
#include "src/base/result.hpp"
#include "src/layout/layout.hpp"
#include "src/model/score.hpp"

#include <cmath>

namespace intellisched::cli {
namespace {

std::string short_number(double value) {
    return std::abs(value) < 1000 ? fmt::format("{:.3g}", value) : fmt::format("{:.0f}", value);
}

/// A feature's value as a person would write it.
std::string value_text(double value, const std::string& unit) {
    const double size = std::abs(value);
    if (unit == "fraction") return short_number(value * 100) + "%";
    if (unit == "us")
        return size < 1e3   ? short_number(value) + " us"
               : size < 1e6 ? short_number(value / 1e3) + " ms"
                            : short_number(value / 1e6) + " s";
    if (unit == "1/s") return short_number(value) + " a second";
    if (unit == "1/s a CPU") return short_number(value) + " a second and CPU";
    if (unit == "B/s")
        return size < 1e6 ? short_number(value / 1e3) + " kB/s"
                          : short_number(value / 1e6) + " MB/s";
    if (unit.empty() || unit == "count" || unit == "ratio") return short_number(value);
    return short_number(value) + " " + unit;
}

/// "20 us to 3 ms", "2 to 8 ms".
std::string range_text(double least, double most, const std::string& unit) {
    std::string from = value_text(least, unit);
    const std::string to = value_text(most, unit);
    const auto unit_at = to.find(' ');
    if (unit_at != to.npos && from.ends_with(to.substr(unit_at)))
        from.resize(from.size() - (to.size() - unit_at));
    return from + " to " + to;
}

/// The value beside what the model knows of it.
std::string compared(const proto::FeatureContribution& row) {
    if (!row.has_value()) return "not seen";
    if (row.unit() == "0 or 1") return row.value() > 0.5 ? "yes" : "no";
    const auto text = [&](double value) { return value_text(value, row.unit()); };
    std::string out = text(row.value());
    // Where one in three or so of all hosts is: no word for it is better than one too many.
    constexpr double much = 1.5;
    if (row.has_usual()) {
        const double value = std::abs(row.value()), usual = std::abs(row.usual());
        const char* than = value > usual * much   ? "more than usual"
                           : value < usual / much ? "less than usual"
                                                  : "as usual";
        out += fmt::format(", {} ({})", than, text(row.usual()));
    }
    if (row.has_least() && row.has_most())
        out += fmt::format("; {} in the training", range_text(row.least(), row.most(), row.unit()));
    return out;
}

/// What speaks for the favoured option and against it, a sentence each.
std::string explanation(const auto& rows, const std::string& favoured) {
    if (rows.empty()) return {};
    // Alone it changes the odds of being the best by half and more; or by less than a tenth.
    constexpr double strong = 0.405, weak = 0.095;
    std::string text = fmt::format("\nwhat the model saw that speaks for {0} and against {0}, the "
                                   "weightiest first:\n",
                                   favoured);
    for (const auto& row : rows) {
        const double weight = std::abs(row.contribution());
        text +=
            fmt::format("  - {} {}: {}: {}\n",
                        weight >= strong ? "strongly"
                        : weight < weak  ? "slightly"
                                         : "clearly",
                        row.contribution() > 0 ? "for" : "against", row.meaning(), compared(row));
    }
    return text;
}

/// The two numbers of a row; of no window there are none.
std::string figures(const auto& row, unsigned windows, int first, int second) {
    if (windows == 0) return fmt::format("{:>{}}{:>{}}", "-", first, "-", second);
    const double tenths = std::round(row.expected_gain() * 1000);
    const std::string gain = tenths == 0 ? "0.0%" : fmt::format("{:+.1f}%", tenths / 10);
    return fmt::format("{:>{}.1f}%{:>{}}", row.probability() * 100, first - 1, gain, second);
}

std::string rate_limit_part(const proto::Recommendation& all) {
    const auto& r = all.rate_limit();
    std::string text =
        fmt::format("\n{:<12}{:>11}{:>15}\n", "rate limit", "probability", "expected gain");
    for (const auto& row : r.rate_limits()) {
        const bool current = all.has_rate_limit_us() && row.rate_limit_us() == all.rate_limit_us();
        const bool chosen = row.rate_limit_us() == r.recommended_us();
        text += fmt::format("{:<12}{}{}\n", rate_limit_text(row.rate_limit_us()),
                            figures(row, r.windows(), 11, 15),
                            current  ? "   current"
                            : chosen ? "   <- recommended"
                                     : "");
    }
    text += fmt::format("\nverdict of {}: {}{}\n", counted(r.windows(), "window"), r.verdict(),
                        r.verdict() == "switch" ? " to " + rate_limit_text(r.recommended_us())
                                                : std::string());
    for (const auto& reason : r.reasons()) text += fmt::format("  - {}\n", reason);
    if (!r.command().empty())
        text += fmt::format("to do it, on any Xen:  {}\nand to undo it:        {}\n", r.command(),
                            r.undo());
    text += explanation(r.explanation(), rate_limit_text(r.favoured_us()));
    if (!r.command().empty() && !all.command().empty())
        text +=
            "one at a time: either gain is with the other as it is now, and they do not add up; do "
            "one, and ask again\n";
    return text;
}

/// " capped at 16" where a cap makes other runqueues of the layout in force than its row has.
std::string cap_in_force(const proto::Recommendation& r) {
    for (const auto& row : r.layouts())
        if (row.in_force() && r.max_cpus() > 0 && row.runqueues() != r.runqueues())
            return fmt::format(" capped at {}", r.max_cpus());
    return {};
}

/// How often the advice is wrong, as far as the bundle tells.
std::string worth(const std::string& knob, const proto::HeldOut& told) {
    return fmt::format("on workloads that it had not seen, its {} was the best in {:.0f}% of the "
                       "cases, and {:.1f}% behind the best in the mean, as the boot default is by "
                       "{:.1f}%\n",
                       knob, told.accuracy() * 100, told.regret() * 100,
                       told.default_regret() * 100);
}

} // namespace

std::string recommendation_text(const proto::Recommendation& r, std::string_view intent) {
    const std::string cap = cap_in_force(r);
    std::string text = fmt::format(
        "cpupool {}: layout {}{}{} now, intent {}, {}\n\n", printable(r.pool()), r.current(), cap,
        r.has_rate_limit_us() ? ", rate limit " + rate_limit_text(r.rate_limit_us()) : "", intent,
        counted(r.windows(), "window"));
    text += fmt::format("{:<8}{:>13}{:>15}{:>11}   {}\n", "layout", "probability", "expected gain",
                        "runqueues", "equivalent to");
    for (const auto& row : r.layouts()) {
        const bool chosen = row.layout() == r.recommended();
        std::string same;
        for (const auto& other : row.equivalent_to()) same += (same.empty() ? "" : ", ") + other;
        std::string mark;
        if (row.in_force())
            mark = cap.empty()
                       ? "current"
                       : fmt::format("current{}: {}", cap, counted(r.runqueues(), "runqueue"));
        else if (chosen)
            mark = "<- recommended";
        text += fmt::format("{:<8}{}{:>11}   ", row.layout(), figures(row, r.windows(), 13, 15),
                            row.runqueues());
        text += mark.empty() ? fmt::format("{}\n", same.empty() ? "-" : same)
                             : fmt::format("{:<18} {}\n", same.empty() ? "-" : same, mark);
    }
    text += fmt::format("\nexpected gain: of the score of the pool's guests under intent {}, over "
                        "what is current; 1% is worth as much as 1% more work of all guests\n"
                        "probability: that it is the best; the highest expected gain decides, and "
                        "the probability can only hold a switch back\n",
                        intent);
    text += fmt::format("a switch needs {:+.1f}%{}; the service asks for its setting gain, of "
                        "either\n",
                        r.needed_gain() * 100,
                        r.has_rate_limit()
                            ? fmt::format(" of a layout and {:+.1f}% of a rate limit, where advice "
                                          "is wrong more often",
                                          r.rate_limit().needed_gain() * 100)
                            : "");
    text += fmt::format("\nverdict: {}{}\n", r.verdict(),
                        r.verdict() == "switch" ? " to " + r.recommended() : "");
    for (const auto& reason : r.reasons()) text += fmt::format("  - {}\n", reason);
    if (!r.command().empty())
        text += fmt::format("to do it:        {}\nand to undo it:  {}\n",
                            printable(r.command(), 256), printable(r.undo(), 256));
    text += explanation(r.explanation(), r.favoured());
    if (r.has_rate_limit()) text += rate_limit_part(r);
    const auto& model = r.model();
    text += fmt::format("\nmodel {} ({}), {}; {}\n", model.name(), model.id(),
                        counted(model.samples(), "sample"), model.source());
    if (model.has_held_out()) text += worth("layout", model.held_out());
    if (r.rate_limit().has_held_out()) text += worth("rate limit", r.rate_limit().held_out());
    if (!r.command().empty() || !r.rate_limit().command().empty())
        text += "to see what a change does: `intellisched record` before and after it and "
                "`intellisched features` of both, or `intellisched top` while the service runs\n";
    if (model.score_version() != score_version)
        text += fmt::format("its gains are of version {} of the score, this program's is version "
                            "{}: read them as an order, not as percents\n",
                            model.score_version(), score_version);
    return text;
}

} // namespace intellisched::cli
