// SPDX-License-Identifier: MIT
#include "src/page/page.hpp"

#include "bench/evaluation/report.hpp"
#include "src/base/result.hpp"
#include "src/layout/layout.hpp"
#include "src/model/option.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched {
namespace {

constexpr std::string_view style =
    R"(table { margin: 1em 0 } caption { text-align: left; font-weight: 600 }
td:first-child, th:first-child { text-align: left }
.bar { stroke: var(--blue); stroke-width: 12 } .own { stroke: var(--red); stroke-width: 12 }
.interval { stroke: var(--ink); stroke-width: 2 }
.point { fill: var(--red) } .plots { display: flex; flex-wrap: wrap; gap: 2em }
)";

/// Half of the 95% interval of the mean regret; 0: not known.
double interval(const proto::Figures& f) {
    constexpr double normal = 1.96; // scenarios are many
    return std::isfinite(f.regret_error()) ? normal * f.regret_error() : 0;
}

std::string plus_minus(const proto::Figures& f) {
    return interval(f) > 0 ? fmt::format(" ± {:.2f}%", interval(f) * 100) : std::string();
}

std::string table_row(const proto::Figures& f, std::string_view name) {
    const std::string parts =
        std::isnan(f.work())
            ? std::string("<td></td><td></td><td></td><td></td>")
            : fmt::format("<td>{:+.2f}%</td><td>{:+.2f}%</td><td>{:+.1f}%</td>"
                          "<td>{:+.3f}</td>",
                          f.work() * 100, f.cpu_time() * 100, f.tail() * 100, f.share());
    return fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{:.2f}%{}</td><td>{:.2f}%</td><td>{:.2f}%</td>"
        "<td>{:.1f}%</td><td>{:.2f}%</td><td>{}</td><td>{:.2f}%</td>"
        "<td>{:.1f}%</td><td>{:.3f}</td>{}</tr>\n",
        page::escaped(name), f.cases(), f.mean_regret() * 100, plus_minus(f),
        f.median_regret() * 100, f.p95_regret() * 100, f.max_regret() * 100,
        f.default_regret() * 100, captured_text(f), f.harm() * 100, f.accuracy() * 100,
        f.calibration_error(), parts);
}

std::string table_head(std::string_view caption) {
    return fmt::format(
        "<div class=\"wide\"><table><caption>{}</caption>\n<tr><th></th><th>cases</th><th>mean "
        "regret</th>"
        "<th>median</th><th>p95</th><th>max</th><th>default's</th><th>captured</th>"
        "<th>harm</th><th>right</th><th>calibration error</th><th>work</th><th>CPU time</th>"
        "<th>tail</th><th>share error</th></tr>\n",
        page::escaped(caption));
}

/// The regret at the end of all plots' one axis, which are compared.
double most_regret(const proto::EvaluationReport& report) {
    double most = 1e-9;
    for (const auto& section : report.sections())
        for (const auto& f : section.methods())
            most = std::max(most, f.mean_regret() + interval(f));
    return most;
}

/// A bar a method, as long as its mean regret, with its 95% interval.
std::string regret_plot(const proto::EvaluationSection& section, double most) {
    constexpr double label = 190, width = 470, row = 22;
    const auto x = [&](double regret) {
        return label + (width - label - 60) * std::clamp(regret / most, 0.0, 1.0);
    };
    std::string svg;
    double y = row / 2;
    for (const auto& f : section.methods()) {
        svg += page::words("", label - 8, y + 4, "end", f.method());
        svg +=
            page::line(&f == &section.methods(0) ? "own" : "bar", label, y, x(f.mean_regret()), y);
        const double half = interval(f);
        if (half > 0)
            svg +=
                page::line("interval", x(f.mean_regret() - half), y, x(f.mean_regret() + half), y);
        svg += page::words("value", x(f.mean_regret() + half) + 6, y + 4, "start",
                           fmt::format("{:.2f}%", f.mean_regret() * 100));
        y += row;
    }
    return fmt::format("<figure><figcaption>Mean regret</figcaption>{}</figure>\n",
                       page::drawing(width, row * section.methods_size(), svg));
}

/// What came of a section, in words.
std::string sentence(const proto::EvaluationSection& section) {
    const auto& f = section.methods(0);
    std::string text =
        fmt::format("{}, {}, {}: ", section.knob(), section.title(), section.intent());
    const std::string captured = captured_text(f);
    if (captured == "-")
        text += fmt::format("there was nothing to gain; the choices are {:.2f}%{} behind the best "
                            "option",
                            f.mean_regret() * 100, plus_minus(f));
    else
        text +=
            fmt::format("the choices are {:.2f}%{} behind the best option, the boot default is "
                        "{:.2f}% behind; they capture {} of what there is to gain",
                        f.mean_regret() * 100, plus_minus(f), f.default_regret() * 100, captured);
    return text + fmt::format(", and are over 2% behind the boot default in {:.1f}% of the cases.",
                              f.harm() * 100);
}

/// How often choices are right, by how sure the model was of them; dots are as large as their
/// share of the cases.
std::string calibration_plot(const proto::Figures& figures) {
    constexpr double side = 220, low = 30, top = 8;
    const auto x = [](double part) { return low + part * side; };
    const auto y = [](double part) { return top + (1 - part) * side; };
    std::string svg = page::line("grid", x(0), y(0), x(1), y(1));
    for (const double at : {0.0, 0.5, 1.0}) {
        svg += page::line("grid", x(0), y(at), x(1), y(at));
        svg += page::words("value", x(at), y(0) + 16, "middle", fmt::format("{:g}", at));
        svg += page::words("value", low - 6, y(at) + 4, "end", fmt::format("{:g}", at));
    }
    for (const auto& bin : figures.calibration()) {
        const double share = static_cast<double>(bin.cases()) /
                             static_cast<double>(std::max<std::uint64_t>(figures.cases(), 1));
        if (bin.cases() > 0)
            svg += page::circle("point", x(bin.confidence()), y(bin.accuracy()), 2 + 10 * share);
    }
    return fmt::format("<figure><figcaption>Right, by confidence</figcaption>{}</figure>\n",
                       page::drawing(low + side + 12, top + side + 24, svg));
}

std::string confusion_table(Knob knob, const proto::Figures& figures) {
    std::string out =
        "<div class=\"wide\"><table><caption>Cases by best option (row) and chosen one (column)"
        "</caption>\n<tr><th></th>";
    for (const Option option : all_options)
        out += fmt::format("<th>{}</th>", text_of(knob, option));
    out += "</tr>\n";
    for (int best = 0; best < figures.confusion_size(); ++best) {
        out += fmt::format("<tr><td>{}</td>",
                           text_of(knob, all_options.at(static_cast<std::size_t>(best))));
        for (const auto cases : figures.confusion(best).chosen())
            out += fmt::format("<td>{}</td>", cases);
        out += "</tr>\n";
    }
    return out + "</table></div>\n";
}

} // namespace

std::string evaluation_page(const proto::EvaluationReport& report, const page::About& about) {
    std::vector<std::string> summary;
    for (const auto& section : report.sections())
        if (!section.methods().empty()) summary.push_back(sentence(section));
    std::string out = page::begin("What the model is worth", about, summary, style);
    out +=
        "<p>A case is a second of trace under one intent. Regret is how far the score of a choice "
        "is behind that of the best option; captured is the share of what the best options gain "
        "over the boot default; harm is the share of cases in which the choice is over "
        "2% behind the boot default. ± is half of a 95% interval over the scenarios, and all plots "
        "of "
        "regret have one axis. Work, CPU time for the same work, tail and share error are "
        "means of the choices against the boot default. \"By policy\" are cases seen under the "
        "boot default, which "
        "is left only for the confidence and gain that a switch needs.</p>\n";
    for (const auto& section : report.sections()) {
        out += fmt::format("<h2>{}, {}, {}</h2>\n<p>{} samples of {} scenarios</p>\n",
                           page::escaped(section.knob()), page::escaped(section.title()),
                           page::escaped(section.intent()), section.samples(), section.scenarios());
        out += table_head("Methods");
        for (const auto& figures : section.methods()) out += table_row(figures, figures.method());
        out += "</table></div>\n";
        if (section.methods().empty()) continue;
        const Knob knob = knob_from_string(section.knob()).value_or(Knob::layout);
        out += fmt::format(
            "<div class=\"plots\">\n{}{}</div>\n{}", regret_plot(section, most_regret(report)),
            calibration_plot(section.methods(0)), confusion_table(knob, section.methods(0)));
        std::string_view by;
        for (const auto& cell : section.cells()) {
            if (cell.by() != by) {
                out += by.empty() ? "" : "</table></div>\n";
                out += table_head(fmt::format("The model by {}", cell.by()));
                by = cell.by();
            }
            out += table_row(cell.figures(), cell.name());
            if (cell.cautious().cases() > 0)
                out += table_row(cell.cautious(), fmt::format("{}, by policy", cell.name()));
        }
        out += by.empty() ? "" : "</table></div>\n";
    }
    if (!report.comparisons().empty())
        out +=
            "<h2>In plain terms</h2>\n<p>What the guests' work and the vCPUs' moves came to where "
            "the trace was seen under the boot default and throughput was wanted, each family "
            "held out.</p>\n<div "
            "class=\"wide\"><table>\n<tr><th></th><th>cases</th><th>changed</th><th>work</th>"
            "<th>moves/s a CPU</th><th>of these across sockets</th></tr>\n";
    for (const auto& one : report.comparisons())
        out += fmt::format("<tr><td>{}, by {}</td><td>{}</td><td>{}</td><td>{:+.2f}%</td>"
                           "<td>{:.0f} to {:.0f}</td><td>{:.0f} to {:.0f}</td></tr>\n",
                           page::escaped(one.part()), page::escaped(one.method()), one.cases(),
                           one.changed(), one.work_gain() * 100, one.moves_before(),
                           one.moves_after(), one.far_moves_before(), one.far_moves_after());
    if (!report.comparisons().empty()) out += "</table></div>\n";
    if (report.has_novelty())
        out += "<h2>Unlike the training</h2>\n<div "
               "class=\"wide\"><table>\n<tr><th></th><th>windows</th>"
               "<th>ROC area</th><th>refused</th></tr>\n";
    for (const auto& row : report.novelty().rows())
        out += fmt::format("<tr><td>{}</td><td>{}</td><td>{:.3f}</td><td>{:.1f}%</td></tr>\n",
                           page::escaped(row.name()), row.windows(), row.area(), row.novel() * 100);
    if (report.has_novelty()) out += "</table></div>\n";
    return out + page::end();
}

} // namespace intellisched
