// SPDX-License-Identifier: MIT
// A recommendation as a person reads it.
#pragma once

#include "src/proto/recommendation.pb.h"

#include <string>
#include <string_view>

namespace intellisched::cli {

/// The table of the layouts, that of the rate limits where there is one, verdicts and reasons, and
/// the explanations that it has.
[[nodiscard]] std::string recommendation_text(const proto::Recommendation& recommendation,
                                              std::string_view intent);

} // namespace intellisched::cli
