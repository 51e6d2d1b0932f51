// SPDX-License-Identifier: MIT
// What an evaluation found, for a terminal and as a page.
#pragma once

#include "bench/proto/evaluation.pb.h"
#include "src/page/page.hpp"

#include <string>

namespace intellisched {

/// Tables: the methods of every section, the worst cells of the model.
[[nodiscard]] std::string evaluation_text(const proto::EvaluationReport& report);

/// An HTML page that needs nothing else: the same tables whole, plots of regret by method and of
/// calibration, and which layout was taken for which.
[[nodiscard]] std::string evaluation_page(const proto::EvaluationReport& report,
                                          const page::About& about);

/// What was captured of what there was to gain, as "40.3%"; "-": there was nothing, or so little
/// that the share is chance.
[[nodiscard]] std::string captured_text(const proto::Figures& figures);

} // namespace intellisched
