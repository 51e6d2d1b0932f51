// SPDX-License-Identifier: MIT
// What an evaluation found, for a terminal and as a page.
#pragma once

#include "bench/proto/evaluation.pb.h"

#include <string>

namespace intellisched {

/// Tables: the methods of every section, the worst cells of the model.
[[nodiscard]] std::string evaluation_text(const proto::EvaluationReport& report);

/// An HTML page that needs nothing else: the same tables whole, plots of regret by method and of
/// calibration, and which layout was taken for which.
[[nodiscard]] std::string evaluation_page(const proto::EvaluationReport& report);

} // namespace intellisched
