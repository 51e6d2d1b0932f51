// SPDX-License-Identifier: MIT
// The feature vector: which numbers describe one pool over one window, under a version that every
// model bundle and every sample names. The table in schema.cpp is the only place where a feature is
// defined; `intellisched features --describe` prints it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace intellisched {

/// Changes whenever a feature is added, taken away, moved or given another meaning.
inline constexpr std::uint32_t feature_schema_version = 3;

struct FeatureInfo {
    std::string_view name;    ///< "wait.wake_p99"
    std::string_view unit;    ///< "us", "1/s", "fraction", "count", ...
    std::string_view meaning; ///< one sentence part, as --explain prints it
    std::string_view source;  ///< trace record, counter or topology call that it comes from
};

/// All features in the order of the vector.
[[nodiscard]] std::span<const FeatureInfo> feature_schema();

/// The position of the feature of that name.
[[nodiscard]] std::optional<std::size_t> feature_index(std::string_view name);

/// One value a feature, in the order of the schema. A number that the window could not give (no
/// waits seen: no quantile) is NaN, XGBoost's "missing".
struct FeatureVector {
    std::vector<float> values;
};

} // namespace intellisched
