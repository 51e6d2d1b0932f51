// SPDX-License-Identifier: MIT
// What came of a plan: score by layout, for each family of workloads and topology.
#pragma once

#include "bench/experiment/results.hpp"
#include "src/page/page.hpp"

#include <span>
#include <string>
#include <vector>

namespace intellisched::bench {

/// Everything that the results say of the plan; samples are counted by samples_of(). A run that
/// failed is among the failures, and its entry in no cell.
[[nodiscard]] proto::Report make_report(const Plan& plan, std::span<const Entry> entries,
                                        const Results& results);

/// The report as tables for a terminal, one an intent, and the failures.
[[nodiscard]] std::string report_text(const proto::Report& report);

/// The report as an HTML page that needs nothing else, with a plot for each cell.
[[nodiscard]] std::string report_page(const proto::Report& report, const page::About& about);

/// The factor that makes a standard error of so many repeats a 95% confidence interval: the
/// quantile of Student's t with repeats - 1 degrees of freedom; NaN for fewer than two.
[[nodiscard]] double confidence_factor(unsigned repeats);

} // namespace intellisched::bench
