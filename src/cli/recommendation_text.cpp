// SPDX-License-Identifier: MIT
#include "src/cli/recommendation_text.hpp"

#include "src/base/result.hpp"
#include "src/layout/layout.hpp"
#include "src/model/score.hpp"

#include <cmath>

namespace intellisched::cli {
namespace {

/// A feature's value as a person would write it.
std::string value_text(double value, const std::string& unit) {
    if (std::isnan(value)) return "not seen";
    if (unit == "0 or 1") return value > 0.5 ? "yes" : "no";
    if (unit == "fraction") return fmt::format("{:.1f}%", value * 100);
    if (unit.empty() || unit == "count" || unit == "ratio") return fmt::format("{:.4g}", value);
    return fmt::format("{:.4g} {}", value, unit);
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
    text += fmt::format("\nverdict of {} windows: {}{}\n", r.windows(), r.verdict(),
                        r.verdict() == "switch" ? " to " + rate_limit_text(r.recommended_us())
                                                : std::string());
    for (const auto& reason : r.reasons()) text += fmt::format("  - {}\n", reason);
    if (!r.command().empty())
        text += fmt::format("to do it, on any Xen:  {}\nand to undo it:        {}\n", r.command(),
                            r.undo());
    if (!r.command().empty() && !all.command().empty())
        text +=
            "one at a time: either gain is with the other as it is now, and they do not add up; do "
            "one, and ask again\n";
    return text;
}

} // namespace

std::string recommendation_text(const proto::Recommendation& r, std::string_view intent,
                                std::string_view explained) {
    std::string text = fmt::format(
        "cpupool {}: layout {}{} now, intent {}, {} windows\n\n", printable(r.pool()), r.current(),
        r.has_rate_limit_us() ? ", rate limit " + rate_limit_text(r.rate_limit_us()) : "", intent,
        r.windows());
    text += fmt::format("{:<8}{:>13}{:>15}{:>11}   {}\n", "layout", "probability", "expected gain",
                        "runqueues", "equivalent to");
    for (const auto& row : r.layouts()) {
        const bool current = row.layout() == r.current(), chosen = row.layout() == r.recommended();
        std::string same;
        for (const auto& other : row.equivalent_to()) same += (same.empty() ? "" : ", ") + other;
        const std::string_view mark = current ? "current" : chosen ? "<- recommended" : "";
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
    text += fmt::format("\nverdict: {}{}\n", r.verdict(),
                        r.verdict() == "switch" ? " to " + r.recommended() : "");
    for (const auto& reason : r.reasons()) text += fmt::format("  - {}\n", reason);
    if (!r.command().empty()) text += fmt::format("to do it:  {}\n", printable(r.command(), 256));
    if (!r.explanation().empty()) {
        text += fmt::format("\nwhat speaks for (+) and against (-) {}, in log-odds:\n", explained);
        for (const auto& row : r.explanation())
            text += fmt::format("  {:+6.2f}  {} = {} ({})\n", row.contribution(), row.meaning(),
                                value_text(row.value(), row.unit()), row.feature());
    }
    if (r.has_rate_limit()) text += rate_limit_part(r);
    const auto& model = r.model();
    text += fmt::format("\nmodel {} ({}), {} samples; {}\n", model.name(), model.id(),
                        model.samples(), model.source());
    if (model.score_version() != score_version)
        text += fmt::format("its gains are of version {} of the score, this program's is version "
                            "{}: read them as an order, not as percents\n",
                            model.score_version(), score_version);
    return text;
}

} // namespace intellisched::cli
