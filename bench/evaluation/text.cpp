// SPDX-License-Identifier: MIT
#include "bench/evaluation/report.hpp"
#include "src/base/result.hpp"

#include <cmath>
#include <map>

namespace intellisched {
namespace {

constexpr int shown_cells = 4; // of each kind, the worst

std::string figures_line(const proto::Figures& f, std::string_view name) {
    std::string text =
        fmt::format("{:<32}{:>8}{:>8.2f}%{:>8.2f}%{:>8.2f}%{:>8.1f}%{:>11}{:>7.2f}%{:>8.3f}",
                    printable(name, 31), f.cases(), f.mean_regret() * 100, f.median_regret() * 100,
                    f.p95_regret() * 100, f.max_regret() * 100, captured_text(f), f.harm() * 100,
                    f.calibration_error());
    if (!std::isnan(f.work()))
        text += fmt::format("{:>+7.2f}%{:>+7.2f}%{:>+7.1f}%{:>+8.3f}", f.work() * 100,
                            f.cpu_time() * 100, f.tail() * 100, f.share());
    return text + '\n';
}

std::string head(std::string_view what) {
    return fmt::format("{:<32}{:>8}{:>9}{:>9}{:>9}{:>9}{:>11}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}\n",
                       what, "cases", "regret", "median", "p95", "max", "captured", "harm",
                       "calib.", "work", "CPU", "tail", "share");
}

} // namespace

std::string captured_text(const proto::Figures& figures) {
    constexpr double nothing = 0.0005; // as many as are shown as 0.0%
    return figures.default_regret() < nothing || !std::isfinite(figures.captured())
               ? "-"
               : fmt::format("{:.1f}%", figures.captured() * 100);
}

std::string evaluation_text(const proto::EvaluationReport& report) {
    std::string text;
    for (const auto& section : report.sections()) {
        text += fmt::format("{}{}, {}, {}: {} samples of {} scenarios\n", text.empty() ? "" : "\n",
                            section.knob(), printable(section.title(), 200), section.intent(),
                            section.samples(), section.scenarios());
        text += head("method");
        for (const auto& figures : section.methods())
            text += figures_line(figures, figures.method());
        std::map<std::string, int> shown;
        for (const auto& cell : section.cells()) {
            if (++shown[cell.by()] > shown_cells) continue;
            if (shown[cell.by()] == 1)
                text += fmt::format("\n{}", head(fmt::format("worst by {}", cell.by())));
            text += figures_line(cell.figures(), cell.name());
        }
    }
    if (!report.comparisons().empty())
        text += fmt::format("\n{:<32}{:<8}{:>7}{:>9}{:>9}{:>19}{:>19}\n", "against socket", "by",
                            "cases", "changed", "work", "moves/s a CPU", "across sockets");
    for (const auto& one : report.comparisons())
        text +=
            fmt::format("{:<32}{:<8}{:>7}{:>9}{:>+8.2f}%{:>9.0f} -> {:>6.0f}{:>9.0f} -> {:>6.0f}\n",
                        printable(one.part(), 31), printable(one.method(), 7), one.cases(),
                        one.changed(), one.work_gain() * 100, one.moves_before(), one.moves_after(),
                        one.far_moves_before(), one.far_moves_after());
    if (report.has_novelty())
        text += fmt::format("{}{:<44}{:>8}{:>9}{:>10}\n", text.empty() ? "" : "\n",
                            "unlike the training", "windows", "ROC area", "refused");
    for (const auto& row : report.novelty().rows())
        text += fmt::format("{:<44}{:>8}{:>9.3f}{:>9.1f}%\n", printable(row.name(), 43),
                            row.windows(), row.area(), row.novel() * 100);
    if (report.sections().empty()) return text;
    text +=
        "\nregret: score behind the best option; captured: share of what the best options "
        "gain over the boot default; harm: cases over 2% behind it; work, CPU time for it, tail "
        "and share error: means of the choices against the boot default\n";
    return text;
}

} // namespace intellisched
