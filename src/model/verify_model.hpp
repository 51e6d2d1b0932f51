// SPDX-License-Identifier: MIT
// The gate between a model file and XGBoost.
//
// XGBoost trusts the models that it loads. A truncated one is an error, but a child index that
// points outside of its tree, a cycle, or a tree id that occurs twice crashes or hangs the process.
// Its reader of UBJSON also differs from others (the first of two equal keys counts, 'F' reads as
// true, lengths may be negative), so a check by another reader could pass what XGBoost understands
// otherwise. Hence there is no general parser here. A model must be, byte by byte in structure,
// what XGBoost's own writer gives for a multi:softprob ensemble of gradient-boosted trees without
// categories, feature names or attributes. Only the numbers and the trees' sizes are free, and
// those are checked.
#pragma once

#include "src/base/result.hpp"

#include <cstddef>
#include <span>

namespace intellisched {

/// The deepest tree that is let through: XGBoost walks trees recursively for SHAP values, with
/// memory that grows with the square of the depth.
inline constexpr int max_tree_depth = 32;

/// Checks that `ubj` is a model of XGBoost 1.7 or 3.0 (each reads the other's) over `features`
/// features and `classes` classes that XGBoost can load, predict and explain with, whatever the
/// features' values are. Takes time and memory in proportion to the size of the model. The error
/// says what is wrong and where, without naming the file. Format: UBJWriter of src/common/json.cc,
/// RegTree::SaveModel of src/tree/tree_model.cc, GBTreeModel::SaveModel, LearnerIO::SaveModel of
/// XGBoost 1.7.4 and 3.0.0, which differ in `size_leaf_vector` and `iteration_indptr`. From 3.1 on
/// base_score is a vector: refused.
[[nodiscard]] Result<void> verify_model(std::span<const std::byte> ubj, std::size_t features,
                                        std::size_t classes);

} // namespace intellisched
