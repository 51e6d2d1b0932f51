// SPDX-License-Identifier: MIT
// The report as a page: plain HTML and inline SVG, nothing fetched from anywhere.
#include "src/page/page.hpp"

#include "bench/experiment/report.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched::bench {
namespace {

// Of a plot, in pixels.
constexpr double width = 420, label = 60, right = 110, row_height = 24, top = 8, axis = 26;

constexpr std::string_view style =
    R"(.cells { display: flex; flex-wrap: wrap; gap: 1.5em } figcaption span { font-weight: 400; color: var(--dim) }
.deviation { stroke: var(--pale); stroke-width: 8 }
.interval { stroke: var(--blue); stroke-width: 2 } .score { fill: var(--blue) } .best { fill: var(--red) }
li { overflow-wrap: anywhere }
)";

/// From a score to a place on the axis, which goes from `low` to 1.
struct Scale {
    double low = 0;
    [[nodiscard]] double x(double score) const {
        const double part = (std::clamp(score, low, 1.0) - low) / (1 - low);
        return label + part * (width - label - right);
    }
};

/// Half of the 95% interval of a score; 0: not known.
double interval(const proto::Report& report, const proto::ReportCell::Row& row) {
    const double half = row.spread() * report.confidence_factor();
    return std::isfinite(half) ? half : 0;
}

/// One axis for all cells of an intent, which are compared: it begins at a round number below all
/// that is drawn.
Scale scale_of(const proto::Report& report, std::string_view intent) {
    double low = 1;
    for (const proto::ReportCell& cell : report.cells())
        for (const auto& row : cell.rows())
            if (cell.intent() == intent)
                low = std::min(
                    {low, row.score() - row.deviation(), row.score() - interval(report, row)});
    for (const double step : {0.002, 0.01, 0.05, 0.2})
        if (1 - low <= 5 * step) return {1 - step * std::max(1.0, std::ceil((1 - low) / step))};
    return {0};
}

/// What came of an intent, in words: the boot default, and the one layout that is best for all.
std::string sentence(const proto::Report& report, const std::string& intent) {
    std::array<double, layout_count> sums{}, counts{};
    double entries = 0;
    for (const proto::ReportCell& cell : report.cells()) {
        if (cell.intent() != intent) continue;
        entries += cell.entries();
        for (const auto& row : cell.rows())
            if (const auto layout = layout_from_string(row.layout())) {
                sums[index(*layout)] += row.score() * cell.entries();
                counts[index(*layout)] += cell.entries();
            }
    }
    // One that some entries have no score of would be compared on others.
    const auto behind = [&](Layout layout) {
        return counts[index(layout)] == entries ? 1 - sums[index(layout)] / entries : 1;
    };
    const Layout best = *std::ranges::min_element(all_layouts, {}, behind);
    std::string text = fmt::format("Under {}, {} entries: ", intent, entries);
    if (behind(Layout::socket) < 1)
        text += fmt::format("the boot default, socket, is {:.1f}% behind the best layout of each "
                            "entry in the mean; ",
                            behind(Layout::socket) * 100);
    return text + fmt::format("the best for all alike is {}, {:.1f}% behind.", to_string(best),
                              behind(best) * 100);
}

std::string plot(const proto::Report& report, const proto::ReportCell& cell, const Scale& scale) {
    const double bottom = top + row_height * cell.rows_size();
    std::string svg;
    for (const double at : {scale.low, (scale.low + 1) / 2, 1.0}) {
        svg += page::line("grid", scale.x(at), top, scale.x(at), bottom);
        svg += page::words("value", scale.x(at), bottom + 16, "middle", fmt::format("{:g}", at));
    }
    double y = top + row_height / 2;
    for (const auto& row : cell.rows()) {
        const double s = row.score();
        svg += page::words("", label - 8, y + 4, "end", row.layout());
        svg += page::line("deviation", scale.x(s - row.deviation()), y,
                          scale.x(s + row.deviation()), y);
        if (const double half = interval(report, row); half > 0)
            svg += page::line("interval", scale.x(s - half), y, scale.x(s + half), y);
        svg += page::circle(row.best() > 0 ? "best" : "score", scale.x(s), y, 4);
        svg += page::words("value", width - right + 12, y + 4, "start",
                           fmt::format("{:.3f}, best {}×", s, row.best()));
        y += row_height;
    }
    return page::drawing(width, bottom + axis, svg);
}

std::string parts_table(const proto::Report& report) {
    std::string out =
        "<h2>What the scores are made of</h2>\n<p>Against socket, means over the entries: work; "
        "CPU "
        "time for the same work; tail (p99 of responses, else of waits); share error.</p>\n"
        "<div class=\"wide\"><table>\n<tr><th></th>";
    for (const Layout layout : all_layouts) out += fmt::format("<th>{}</th>", to_string(layout));
    out += "</tr>\n";
    for (const proto::ReportParts& parts : report.parts()) {
        out += fmt::format("<tr><td>{} on {}</td>", page::escaped(parts.family()),
                           page::escaped(parts.topology()));
        for (const Layout layout : all_layouts) {
            const auto row =
                std::find_if(parts.rows().begin(), parts.rows().end(),
                             [&](const auto& one) { return one.layout() == to_string(layout); });
            out += row == parts.rows().end()
                       ? std::string("<td>-</td>")
                       : fmt::format("<td>{:+.1f}%, {:+.1f}%, {:+.0f}%, {:+.3f}</td>",
                                     row->work() * 100, row->cpu_time() * 100, row->tail() * 100,
                                     row->share());
        }
        out += "</tr>\n";
    }
    return out + "</table></div>\n";
}

} // namespace

std::string report_page(const proto::Report& report, const page::About& about) {
    std::vector<std::string> summary;
    std::vector<std::string> intents;
    for (const proto::ReportCell& cell : report.cells())
        if (std::ranges::find(intents, cell.intent()) == intents.end())
            intents.push_back(cell.intent());
    for (const std::string& one : intents) summary.push_back(sentence(report, one));
    if (report.failures_size() > 0)
        summary.push_back(
            fmt::format("{} runs failed; they are at the end.", report.failures_size()));
    std::string out = page::begin("Scores by layout", about, summary, style);
    out += fmt::format("<p>{} entries, {} runs, {} samples, {} failures. A score of 1 is the best "
                       "layout of an entry, 0.99 is 1% behind it. Dots: mean over the entries of "
                       "a workload family on a topology (red: the best of at least one). {}Light "
                       "bars: standard deviation between the entries. All plots of an intent have "
                       "one axis.</p>\n",
                       report.entries(), report.runs(), report.samples(), report.failures_size(),
                       std::isfinite(report.confidence_factor())
                           ? "Dark bars: 95% interval, from the repeats of one entry. "
                           : "One repeat tells no interval. ");
    std::string_view intent;
    for (const proto::ReportCell& cell : report.cells()) {
        if (cell.intent() != intent) {
            out += fmt::format("{}<h2>{}</h2>\n<div class=\"cells\">\n",
                               intent.empty() ? "" : "</div>\n", page::escaped(cell.intent()));
            intent = cell.intent();
        }
        out += fmt::format("<figure><figcaption>{} <span>on {}: {} entries, {} ties</span>"
                           "</figcaption>\n{}\n</figure>\n",
                           page::escaped(cell.family()), page::escaped(cell.topology()),
                           cell.entries(), cell.ties(),
                           plot(report, cell, scale_of(report, cell.intent())));
    }
    if (!intent.empty()) out += "</div>\n";
    if (!report.parts().empty()) out += parts_table(report);
    if (report.failures_size() > 0) out += "<h2>Failures</h2>\n<ul>\n";
    for (const proto::Report::Failure& failure : report.failures())
        out +=
            fmt::format("<li>{}{}: {}</li>\n", page::escaped(failure.entry()),
                        failure.layout().empty() ? std::string()
                                                 : ", layout " + page::escaped(failure.layout()) +
                                                       fmt::format(", repeat {}", failure.repeat()),
                        page::escaped(failure.error()));
    if (report.failures_size() > 0) out += "</ul>\n";
    return out + page::end();
}

} // namespace intellisched::bench
