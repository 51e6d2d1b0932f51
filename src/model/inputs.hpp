// SPDX-License-Identifier: MIT
// What the model is given: the features of a window, the machine's costs, the intent.
#pragma once

#include "src/model/intent.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace intellisched {

/// The names of the model's inputs: the schema's features, then "cost.<name>" for every cost of
/// sample_costs, then "intent.<name>" for every intent.
[[nodiscard]] std::vector<std::string> model_feature_names();

/// How many those are.
[[nodiscard]] std::size_t model_feature_count();

/// Where the intents begin among them; the costs come before.
[[nodiscard]] std::size_t first_intent_input();

/// By input: whether a model may see it. The others are missing values, in training and in
/// predictions.
using InputMask = std::vector<bool>;

[[nodiscard]] InputMask every_input();
/// All but what only a trace can tell: topology, layout, domains, counters, costs, intent.
[[nodiscard]] InputMask snapshot_inputs();
/// `mask` without the inputs whose names begin with `prefix`.
[[nodiscard]] InputMask without(InputMask mask, std::string_view prefix);

/// Writes one row of model_feature_count() values. `features` are as many as the schema has. Empty
/// `costs`: they are not known. NaN is a missing value.
void fill_inputs(std::span<float> row, std::span<const float> features,
                 std::span<const float> costs, Intent intent, const InputMask& mask);

} // namespace intellisched
