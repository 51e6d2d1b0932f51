// SPDX-License-Identifier: MIT
// How good choices are: what was chosen case by case, and that in a few numbers.
#pragma once

#include "bench/training/cases.hpp"
#include "src/model/classifier.hpp"
#include "src/model/score.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace intellisched {

/// What was chosen in one case, and what that was worth.
struct CaseOutcome {
    const Case* of = nullptr;
    Option chosen = boot_option;
    double confidence = 0;     ///< merged probability of the choice
    bool right = false;        ///< no option was better
    double regret = 0;         ///< 1 - score(chosen) / score(best)
    double default_regret = 0; ///< the same for staying with socket, the boot default
    /// Parts of the choice's score less those of socket; nothing: not known.
    std::optional<ScoreParts> gained = {};
};

[[nodiscard]] CaseOutcome outcome_of(const Case& one, Option chosen, double confidence);

/// The outcome of doing what the prediction says.
[[nodiscard]] CaseOutcome judge(const Case& one, const Prediction& prediction);

/// What measuring instead of predicting is worth: by repeat, the outcome of the option that was the
/// best in the other repeats. The best option over all repeats owes some of its lead to chance;
/// this one does not. None with fewer than two repeats.
[[nodiscard]] std::vector<CaseOutcome> judge_repeats(const Case& one);

/// Whether the case was seen under the boot default.
[[nodiscard]] bool under_default(const Case& one);

/// One tenth of the confidences: whether choices of 80% are right in 80% of the cases.
struct CalibrationBin {
    std::size_t cases = 0;
    double confidence = 0; ///< mean
    double accuracy = 0;
};

/// Of many regrets.
struct Regret {
    double mean = 0, median = 0, p95 = 0, max = 0;
};

/// A choice that is behind the boot default by more than this share of its score does harm.
inline constexpr double harm_threshold = 0.02;

/// Over outcomes; all 0 without any.
struct Evaluation {
    std::size_t cases = 0;
    double accuracy = 0;
    Regret regret;
    double default_regret = 0; ///< mean
    double regret_error = 0;   ///< standard error of the mean, over scenarios; NaN: of one of them
    /// Share of the oracle's advantage over the boot default: 1 - regret / default_regret; NaN when
    /// there is no advantage.
    double captured = 0;
    double harm = 0;   ///< share of the cases in which the choice does harm
    ScoreParts gained; ///< mean over the cases of which it is known; NaN without any
    std::array<CalibrationBin, 10> calibration{};
    double calibration_error = 0; ///< mean distance of confidence and accuracy over the bins
    /// Cases by best option (the finest of the best) and chosen one, by their classes.
    std::array<std::array<std::size_t, option_count>, option_count> confusion{};
};

[[nodiscard]] Evaluation summarise(std::span<const CaseOutcome> outcomes);

} // namespace intellisched
