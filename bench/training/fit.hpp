// SPDX-License-Identifier: MIT
// The two ensembles of a model, fitted to cases: one for the probability that an option is the best
// (cross-entropy against soft targets), one for how far options are apart (pseudo-Huber loss).
// Gradients are our own, for XGBoost's objectives know neither.
#pragma once

#include "bench/training/cases.hpp"
#include "src/base/result.hpp"
#include "src/model/booster.hpp"
#include "src/model/classifier.hpp"
#include "src/model/inputs.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace intellisched {

/// Cases to learn from or to be tested on.
using Chosen = std::span<const Case* const>;

struct Learning {
    unsigned rounds = 150;       ///< of boosting: trees an option, in each ensemble
    unsigned max_depth = 6;      ///< of a tree
    double learning_rate = 0.06; ///< shrinkage of each round
    double leaf = 30; ///< least weight of a leaf: what a row far from its target adds is below 1
    std::uint64_t seed = 1; ///< chooses the rows and inputs of each tree
    InputMask inputs = every_input();
    std::function<void()> round_done = {};
    const std::atomic<bool>* stop = nullptr; ///< looked at before every round
};

struct Ensembles {
    Booster classifier, gains;
};

/// Fits both. In three rows of ten the machine's costs are missing, so that a host which does not
/// know them is nothing new. The same cases and options give the same trees to the bit.
/// Errors: no cases, stopped, XGBoost's own.
[[nodiscard]] Result<Ensembles> fit(Chosen cases, const Learning& learning);

/// What the ensembles say of cases: five margins a case each.
struct CaseMargins {
    std::vector<float> classifier, gains;
};
[[nodiscard]] Result<CaseMargins> margins_of(const Ensembles& ensembles, Chosen cases,
                                             const InputMask& inputs);

/// The temperature T at which softmax(margins / T), summed over equivalent options, foretells best:
/// the one with the least mean of -ln P(a best option), between 0.2 and 5 (Guo et al., "On
/// calibration of modern neural networks", ICML 2017). `margins` are five a case; 1 without any.
[[nodiscard]] double fit_temperature(std::span<const float> margins, Chosen cases);

/// Predictions for the cases from their margins.
[[nodiscard]] std::vector<Prediction> predictions_of(const CaseMargins& margins, double temperature,
                                                     Chosen cases);

/// Copies pointers to the cases for which `wanted(i)` is true.
template<class Wanted>
std::vector<const Case*> choose_cases(std::span<const Case> cases, Wanted wanted) {
    std::vector<const Case*> chosen;
    for (std::size_t i = 0; i < cases.size(); ++i)
        if (wanted(i)) chosen.push_back(&cases[i]);
    return chosen;
}

} // namespace intellisched
