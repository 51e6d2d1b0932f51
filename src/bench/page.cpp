// SPDX-License-Identifier: MIT
// The report as a page: plain HTML and inline SVG, nothing fetched from anywhere.
#include "src/bench/report.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched::bench {
namespace {

// Of a plot, in pixels.
constexpr double width = 420, label = 60, right = 110, row_height = 24, top = 8, axis = 26;

constexpr std::string_view head = R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Scores by layout</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 960px; padding: 0 1em;
       color: #222; background: #fff }
h2 { margin-top: 2em } .cells { display: flex; flex-wrap: wrap; gap: 1.5em }
figure { margin: 0 } figcaption { font-weight: 600 } figcaption span { font-weight: 400; color: #666 }
svg text { font: 12px system-ui, sans-serif; fill: #222 } svg .value { fill: #666 }
.grid { stroke: #ddd } .deviation { stroke: #b9cde4; stroke-width: 8 }
.interval { stroke: #1b5fa8; stroke-width: 2 } .score { fill: #1b5fa8 } .best { fill: #c4471d }
li { overflow-wrap: anywhere }
</style></head><body>
<h1>Scores by layout</h1>
)";

/// From a score to a place on the axis, which goes from `low` to 1.
struct Scale {
    double low = 0;
    [[nodiscard]] double x(double score) const {
        const double part = (std::clamp(score, low, 1.0) - low) / (1 - low);
        return label + part * (width - label - right);
    }
};

/// The axis begins at a round number below all that is drawn.
Scale scale_of(const proto::ReportCell& cell) {
    double low = 1;
    for (const auto& row : cell.rows()) {
        low = std::min(low, row.score() - row.deviation());
        if (!std::isnan(row.spread())) low = std::min(low, row.score() - row.spread());
    }
    for (const double step : {0.002, 0.01, 0.05, 0.2})
        if (1 - low <= 5 * step) return {1 - step * std::max(1.0, std::ceil((1 - low) / step))};
    return {0};
}

std::string line(std::string_view kind, double x1, double y1, double x2, double y2) {
    return fmt::format(R"(<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>)",
                       kind, x1, y1, x2, y2);
}

std::string words(std::string_view kind, double x, double y, std::string_view anchor,
                  std::string_view text) {
    return fmt::format(R"(<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>)", kind,
                       x, y, anchor, escaped(text));
}

std::string plot(const proto::ReportCell& cell) {
    const Scale scale = scale_of(cell);
    const double bottom = top + row_height * cell.rows_size();
    std::string svg = fmt::format(
        R"(<svg width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" role="img">)", width,
        bottom + axis);
    for (const double at : {scale.low, (scale.low + 1) / 2, 1.0}) {
        svg += line("grid", scale.x(at), top, scale.x(at), bottom);
        svg += words("value", scale.x(at), bottom + 16, "middle", fmt::format("{:g}", at));
    }
    double y = top + row_height / 2;
    for (const auto& row : cell.rows()) {
        const double s = row.score();
        svg += words("", label - 8, y + 4, "end", row.layout());
        svg += line("deviation", scale.x(s - row.deviation()), y, scale.x(s + row.deviation()), y);
        if (!std::isnan(row.spread()))
            svg += line("interval", scale.x(s - row.spread()), y, scale.x(s + row.spread()), y);
        svg += fmt::format(R"(<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4"/>)",
                           row.best() > 0 ? "best" : "score", scale.x(s), y);
        svg += words("value", width - right + 12, y + 4, "start",
                     fmt::format("{:.3f}, best {}×", s, row.best()));
        y += row_height;
    }
    return svg + "</svg>";
}

} // namespace

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : printable(text, 512)) {
        switch (c) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&quot;";
            break;
        case '\'':
            out += "&#39;";
            break;
        default:
            out += c;
        }
    }
    return out;
}

std::string report_page(const proto::Report& report) {
    std::string page(head);
    page += fmt::format("<p>{} entries, {} runs, {} samples, {} failures. A score of 1 is the best "
                        "layout of an entry, 0.99 is 1% behind it. Dots: mean over the entries of "
                        "a workload family on a topology (red: the best of at least one). Dark "
                        "bars: standard error between the repeats of one entry{}. Light bars: "
                        "standard deviation between the entries.</p>\n",
                        report.entries(), report.runs(), report.samples(), report.failures_size(),
                        std::isnan(report.confidence_factor())
                            ? std::string()
                            : fmt::format(" ({:.3g} of them are a 95% confidence interval)",
                                          report.confidence_factor()));
    std::string_view intent;
    for (const proto::ReportCell& cell : report.cells()) {
        if (cell.intent() != intent) {
            page += fmt::format("{}<h2>{}</h2>\n<div class=\"cells\">\n",
                                intent.empty() ? "" : "</div>\n", escaped(cell.intent()));
            intent = cell.intent();
        }
        page += fmt::format("<figure><figcaption>{} <span>on {}: {} entries, {} ties</span>"
                            "</figcaption>\n{}\n</figure>\n",
                            escaped(cell.family()), escaped(cell.topology()), cell.entries(),
                            cell.ties(), plot(cell));
    }
    if (!intent.empty()) page += "</div>\n";
    if (report.failures_size() > 0) page += "<h2>Failures</h2>\n<ul>\n";
    for (const proto::Report::Failure& failure : report.failures())
        page +=
            fmt::format("<li>{}{}: {}</li>\n", escaped(failure.entry()),
                        failure.layout().empty() ? std::string()
                                                 : ", layout " + escaped(failure.layout()) +
                                                       fmt::format(", repeat {}", failure.repeat()),
                        escaped(failure.error()));
    if (report.failures_size() > 0) page += "</ul>\n";
    return page + "</body></html>\n";
}

} // namespace intellisched::bench
