// SPDX-License-Identifier: MIT
#include "bench/experiment/report.hpp"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

namespace intellisched::bench {
namespace {

/// Sums of one layout in one cell.
struct Sums {
    unsigned best = 0, count = 0;
    double score = 0, squares = 0, spread = 0;
};

struct ScoreCell {
    unsigned entries = 0, ties = 0;
    std::array<Sums, layout_count> sums{};

    void add(const Scored& scored, const proto::IntentScores& scores) {
        ++entries;
        double second = 0, its_spread = 0; // the best partition but one
        for (const Layout layout : all_layouts) {
            if (!scored.measured[index(layout)]) continue;
            const auto l = static_cast<int>(index(layout));
            Sums& sums_of = sums[index(layout)];
            ++sums_of.count;
            sums_of.score += scores.score(l);
            sums_of.squares += scores.score(l) * scores.score(l);
            sums_of.spread += scores.spread(l);
            if (scores.score(l) >= 1) {
                ++sums_of.best;
            } else if (scores.score(l) > second) {
                second = scores.score(l);
                its_spread = scores.spread(l);
            }
        }
        if (second > 0 && -std::log(second) <= 2 * its_spread) ++ties;
    }
};

/// Sums of the differences to the boot default.
struct PartsCell {
    unsigned entries = 0;
    std::array<std::optional<Cell>, layout_count> measured{};
    std::array<ScoreParts, layout_count> sums{};

    void add(const Scored& scored) {
        if (!scored.measured[index(Layout::socket)]) return;
        ++entries;
        measured = scored.measured; // the plan's layouts, in every entry
        const ScoreParts& base = scored.parts[index(Layout::socket)];
        for (std::size_t l = 0; l < layout_count; ++l) {
            sums[l].work += scored.parts[l].work - base.work;
            sums[l].headroom += scored.parts[l].headroom - base.headroom;
            sums[l].tail += scored.parts[l].tail - base.tail;
            sums[l].share += scored.parts[l].share - base.share;
        }
    }
};

void fill(proto::ReportParts& to, const PartsCell& cell) {
    for (const Layout layout : all_layouts) {
        if (!cell.measured[index(layout)]) continue;
        const ScoreParts& sums = cell.sums[index(layout)];
        proto::ReportParts::Row& row = *to.add_rows();
        row.set_layout(std::string(to_string(layout)));
        row.set_work(std::expm1(sums.work / cell.entries));
        row.set_cpu_time(std::expm1(0 - sums.headroom / cell.entries));
        row.set_tail(std::expm1(sums.tail / cell.entries));
        row.set_share(sums.share / cell.entries);
    }
}

void fill(proto::ReportCell& to, const ScoreCell& cell) {
    to.set_entries(cell.entries);
    to.set_ties(cell.ties);
    for (const Layout layout : all_layouts) {
        const Sums& sums = cell.sums[index(layout)];
        if (sums.count == 0) continue;
        const double count = sums.count;
        const double mean = sums.score / count;
        proto::ReportCell::Row& row = *to.add_rows();
        row.set_layout(std::string(to_string(layout)));
        row.set_best(sums.best);
        row.set_score(mean);
        row.set_deviation(std::sqrt(std::max(0.0, sums.squares / count - mean * mean)));
        row.set_spread(sums.spread / count);
    }
}

std::string row_text(const proto::ReportCell::Row& row) {
    const std::string spread = std::isnan(row.spread()) ? "" : fmt::format("±{:.3f}", row.spread());
    // {:<} counts bytes, and ± is two.
    return fmt::format("{:>4} {:.3f}{:<{}}", row.best(), row.score(), spread,
                       spread.empty() ? 7 : 8);
}

std::string parts_text(const proto::Report& report) {
    std::string text = fmt::format(
        "\nwhat they are made of, against socket: work, CPU time for it, tail (%), share error\n"
        "{:<16}{:<10}",
        "family", "topology");
    for (const Layout layout : all_layouts) text += fmt::format("{:>28}", to_string(layout));
    text += '\n';
    for (const proto::ReportParts& parts : report.parts()) {
        text += fmt::format("{:<16}{:<10}", printable(parts.family(), 15),
                            printable(parts.topology(), 9));
        for (const Layout layout : all_layouts) {
            const auto row =
                std::find_if(parts.rows().begin(), parts.rows().end(),
                             [&](const auto& one) { return one.layout() == to_string(layout); });
            text += row == parts.rows().end()
                        ? fmt::format("{:>28}", "-")
                        : fmt::format("  {:>+6.1f}{:>+6.1f}{:>+7.0f}{:>+7.3f}", row->work() * 100,
                                      row->cpu_time() * 100, row->tail() * 100, row->share());
        }
        text += '\n';
    }
    return text;
}

} // namespace

double confidence_factor(unsigned repeats) {
    if (repeats < 2) return std::nan("");
    // In double: what long double would initialise at the start of every command ends it under
    // valgrind, which has no long double.
    using Policy = boost::math::policies::policy<boost::math::policies::promote_double<false>>;
    return boost::math::quantile(
        boost::math::students_t_distribution<double, Policy>(repeats - 1.0), 0.975);
}

proto::Report make_report(const Plan& plan, std::span<const Entry> entries,
                          const Results& results) {
    proto::Report report;
    report.set_entries(static_cast<unsigned>(entries.size()));
    report.set_confidence_factor(confidence_factor(plan.repeats));
    std::map<std::tuple<Intent, std::string, std::string>, ScoreCell> cells;
    std::map<std::pair<std::string, std::string>, PartsCell> parts;
    for (const Entry& entry : entries) {
        for (const Cell& cell : cells_of(plan, entry))
            for (unsigned repeat = 0; repeat < plan.repeats; ++repeat) {
                const RunResult* outcome =
                    results.find({entry.name, cell.layout, repeat, cell.limit_us});
                if (!outcome) continue;
                report.set_runs(report.runs() + 1);
                if (outcome->error.empty()) continue;
                proto::Report::Failure& failure = *report.add_failures();
                failure.set_entry(entry.name);
                failure.set_layout(std::string(to_string(cell.layout)));
                failure.set_repeat(repeat);
                failure.set_error(outcome->error);
            }
        const auto scored = score_entry(plan, entry, results);
        if (!scored) {
            proto::Report::Failure& failure = *report.add_failures();
            failure.set_entry(entry.name);
            failure.set_error("no scores: " + scored.error().message);
            continue;
        }
        std::size_t samples = samples_of(plan, *scored, results).size();
        if (plan.rate_limits) {
            if (const auto limits = score_limits(plan, entry, results)) {
                samples += samples_of(plan, *limits, results).size();
            } else {
                proto::Report::Failure& failure = *report.add_failures();
                failure.set_entry(entry.name);
                failure.set_error("no scores of rate limits: " + limits.error().message);
            }
        }
        report.set_samples(report.samples() + static_cast<unsigned>(samples));
        for (std::size_t i = 0; i < plan.intents.size(); ++i)
            cells[{plan.intents[i], entry.family, entry.topology}].add(*scored, scored->scores[i]);
        parts[{entry.family, entry.topology}].add(*scored);
    }
    for (const auto& [key, cell] : parts) {
        if (cell.entries == 0) continue;
        proto::ReportParts& to = *report.add_parts();
        to.set_family(key.first);
        to.set_topology(key.second);
        fill(to, cell);
    }
    for (const auto& [key, cell] : cells) {
        proto::ReportCell& to = *report.add_cells();
        to.set_intent(std::string(to_string(std::get<0>(key))));
        to.set_family(std::get<1>(key));
        to.set_topology(std::get<2>(key));
        fill(to, cell);
    }
    return report;
}

std::string report_text(const proto::Report& report) {
    std::string text;
    std::string_view intent;
    for (const proto::ReportCell& cell : report.cells()) {
        if (cell.intent() != intent) {
            intent = cell.intent();
            text += fmt::format(
                "{}{}: times best, mean score ± standard error\n{:<16}{:<10}{:>8}{:>6}",
                text.empty() ? "" : "\n", intent, "family", "topology", "entries", "ties");
            for (const Layout layout : all_layouts)
                text += fmt::format("{:>12}     ", to_string(layout));
            text += '\n';
        }
        text += fmt::format("{:<16}{:<10}{:>8}{:>6}", printable(cell.family(), 15),
                            printable(cell.topology(), 9), cell.entries(), cell.ties());
        for (const Layout layout : all_layouts) {
            const auto row =
                std::find_if(cell.rows().begin(), cell.rows().end(),
                             [&](const auto& one) { return one.layout() == to_string(layout); });
            text += row == cell.rows().end() ? fmt::format("{:>17}", "-") : row_text(*row);
        }
        text += '\n';
    }
    if (!report.parts().empty()) text += parts_text(report);
    if (!std::isnan(report.confidence_factor()) && !text.empty())
        text +=
            fmt::format("\na 95% confidence interval is {:.3g} standard errors to either side\n",
                        report.confidence_factor());
    text +=
        fmt::format("{}{} entries, {} runs, {} samples, {} failures\n", text.empty() ? "" : "\n",
                    report.entries(), report.runs(), report.samples(), report.failures_size());
    for (const proto::Report::Failure& failure : report.failures())
        text += failure.layout().empty()
                    ? fmt::format("  {}: {}\n", printable(failure.entry()), failure.error())
                    : fmt::format("  {}, layout {}, repeat {}: {}\n", printable(failure.entry()),
                                  failure.layout(), failure.repeat(), failure.error());
    return text;
}

} // namespace intellisched::bench
