// SPDX-License-Identifier: MIT
// How good a model's choices are: what it chose case by case, and that in a few numbers.
#pragma once

#include "src/base/result.hpp"
#include "src/model/cases.hpp"
#include "src/model/classifier.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace intellisched {

/// What a model chose for one sample under one intent, and what that was worth.
struct Outcome {
    std::string scenario;
    std::string family;
    std::string topology;
    Intent intent = Intent::balanced;
    Layout chosen = Layout::socket;
    double confidence = 0;     ///< merged probability of the choice
    bool right = false;        ///< no layout was better
    double regret = 0;         ///< 1 - score(chosen) / score(best)
    double default_regret = 0; ///< the same for staying with socket
    double gain = 0;           ///< score(chosen) / score(socket) - 1; 0 when socket scored 0
};

/// One tenth of the confidences: whether choices of 80% are right in 80% of the cases.
struct CalibrationBin {
    std::size_t cases = 0;
    double confidence = 0; ///< mean
    double accuracy = 0;
};

/// Means over outcomes; all 0 without any.
struct Evaluation {
    std::size_t cases = 0;
    double accuracy = 0;
    double regret = 0;
    double default_regret = 0;
    double gain = 0;
    double no_harm = 0; ///< share of the cases in which the choice is at most 1% behind socket
    std::array<CalibrationBin, 10> calibration{};
    double calibration_error = 0; ///< mean distance of confidence and accuracy over the bins
};

/// The outcome of choosing by these probabilities (one a layout).
[[nodiscard]] Outcome judge(const Case& one, std::span<const float> probability);

[[nodiscard]] Evaluation summarise(std::span<const Outcome> outcomes);

/// Outcomes of a finished model on samples, in their order. Only samples that it was not trained
/// from say anything about it. Errors: those of make_cases() and of predicting.
[[nodiscard]] Result<std::vector<Outcome>> evaluate(const Classifier& classifier,
                                                    std::span<const proto::Sample> samples);

} // namespace intellisched
