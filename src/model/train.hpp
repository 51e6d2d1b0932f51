// SPDX-License-Identifier: MIT
// From samples to a model bundle.
//
// A row is a sample under an intent: the features, then the intent one-hot. Its class is the layout
// with the best score. Layouts that are best together (one partition, or equal scores) share the
// row: one copy each, of weight 1/n. A row weighs as much as its best layout is ahead of the
// others, for where all layouts do the same there is little to learn; within each intent the
// weights have mean 1, because scores under different intents spread differently.
#pragma once

#include "src/base/result.hpp"
#include "src/model/bundle.hpp"
#include "src/model/cases.hpp"
#include "src/model/evaluate.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace intellisched {

struct TrainOptions {
    std::string name = {};         ///< of the model, as `recommend` shows it
    std::string source = {};       ///< where the scores come from, in words
    unsigned rounds = 60;          ///< trees a layout, 1 to 1000
    unsigned max_depth = 6;        ///< of a tree, 1 to 12
    double learning_rate = 0.15;   ///< above 0, at most 1
    std::uint64_t seed = 1;        ///< chooses the rows and features of each tree, and the folds
    Group group = Group::scenario; ///< what the held-out numbers hold out
    /// Called after every round with the rounds done and those to be done in all.
    std::function<void(std::size_t done, std::size_t total)> progress = {};
    const std::atomic<bool>* stop = nullptr; ///< looked at before every round
};

/// Trains on all samples and, for the held-out numbers of the summary, once more for every fold.
/// The same samples in the same order with the same options give the same model to the byte.
/// Memory: about 1.5 kB a row with 80 features. The bundle is signed and verified.
/// Errors: no samples, samples that check_sample() refuses, an intent that no sample has scores
/// for, fewer than two groups, options out of range, stopped, XGBoost's own.
[[nodiscard]] Result<Bundle> train(std::span<const proto::Sample> samples,
                                   const TrainOptions& options);

/// The held-out part alone: what models that have not seen a case's group choose for it, in the
/// order of the cases (make_cases()). Errors: as train().
[[nodiscard]] Result<std::vector<Outcome>> cross_validate(std::span<const proto::Sample> samples,
                                                          const TrainOptions& options);

} // namespace intellisched
