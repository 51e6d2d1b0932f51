// SPDX-License-Identifier: MIT
// Ways of choosing an option that learn from some cases and are tested on others: the model, and
// what it has to be better than.
#pragma once

#include "bench/training/fit.hpp"

#include <functional>
#include <string>
#include <vector>

namespace intellisched {

/// Learns from the first cases and says something of the second ones, one prediction a case.
using Learn = std::function<Result<std::vector<Prediction>>(Chosen training, Chosen test)>;

struct Learner {
    std::string name;
    Learn learn;
};

/// Both ensembles, and a temperature fitted on folds of the training cases.
[[nodiscard]] Learner model_learner(std::string name, const Learning& learning);

/// Always socket.
[[nodiscard]] Learner boot_default();

/// Always the one option with the least mean regret in training.
[[nodiscard]] Learner best_static();

/// What an administrator could write down after reading about credit2: see learners.cpp.
[[nodiscard]] Learner hand_written_rules();

/// Multinomial logistic regression against the same soft targets as the classifier's, on
/// standardised inputs (missing: the mean): XGBoost's linear booster.
[[nodiscard]] Learner logistic_regression();

/// The mean utility of each option over the five nearest training cases of the same intent and
/// current option: Euclid's distance of standardised inputs (missing: the mean).
[[nodiscard]] Learner nearest_neighbours();

} // namespace intellisched
