// SPDX-License-Identifier: MIT
#include "src/model/inputs.hpp"

#include "collector/window/schema.hpp"
#include "src/base/result.hpp"
#include "src/model/sample.hpp"

#include <algorithm>
#include <limits>

namespace intellisched {

namespace {

constexpr float missing = std::numeric_limits<float>::quiet_NaN();

/// Toolstack calls and the counters' library; all other sources are records of the trace.
bool needs_trace(const FeatureInfo& feature) {
    return !feature.source.starts_with("libxl_") && feature.source != "xenstat";
}

} // namespace

std::vector<std::string> model_feature_names() {
    std::vector<std::string> names;
    for (const FeatureInfo& feature : feature_schema()) names.emplace_back(feature.name);
    for (const std::string_view cost : sample_costs) names.push_back(fmt::format("cost.{}", cost));
    for (const Intent intent : all_intents)
        names.push_back(fmt::format("intent.{}", to_string(intent)));
    return names;
}

std::size_t first_intent_input() { return feature_schema().size() + sample_costs.size(); }

std::size_t model_feature_count() { return first_intent_input() + all_intents.size(); }

InputMask every_input() { return InputMask(model_feature_count(), true); }

InputMask snapshot_inputs() {
    InputMask mask = every_input();
    const auto schema = feature_schema();
    for (std::size_t i = 0; i < schema.size(); ++i) mask[i] = !needs_trace(schema[i]);
    return mask;
}

InputMask without(InputMask mask, std::string_view prefix) {
    const auto names = model_feature_names();
    for (std::size_t i = 0; i < mask.size(); ++i)
        if (names[i].starts_with(prefix)) mask[i] = false;
    return mask;
}

void fill_inputs(std::span<float> row, std::span<const float> features,
                 std::span<const float> costs, Intent intent, const InputMask& mask) {
    std::fill(row.begin(), row.end(), missing);
    std::copy(features.begin(), features.end(), row.begin());
    std::copy(costs.begin(), costs.end(),
              row.begin() + static_cast<std::ptrdiff_t>(features.size()));
    for (const Intent one : all_intents)
        row[first_intent_input() + index(one)] = one == intent ? 1.0F : 0.0F;
    for (std::size_t i = 0; i < row.size(); ++i)
        if (!mask[i]) row[i] = missing;
}

} // namespace intellisched
