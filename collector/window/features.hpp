// SPDX-License-Identifier: MIT
#pragma once

#include "collector/window/schema.hpp"
#include "collector/window/stats.hpp"

namespace intellisched {

/// The numbers of one window, in the order of the schema.
[[nodiscard]] FeatureVector feature_vector(const WindowStats& stats);

} // namespace intellisched
