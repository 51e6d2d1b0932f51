// SPDX-License-Identifier: MIT
// What the two models learn from a case. The classifier learns how probable it is that an option is
// the best, which its score and the score's spread tell: a tie within the noise is a tie, not a
// winner. The gains learn how far the options are apart.
#pragma once

#include "bench/training/cases.hpp"

#include <array>

namespace intellisched {

struct Targets {
    /// By option, 1 in all; the members of a class of equivalent options have equal parts.
    std::array<double, option_count> probability{};
    /// By option: ln score less the mean over the distinct partitions, the same for equivalent
    /// ones.
    std::array<double, option_count> utility{};
    double weight = 1;    ///< of the case for the classifier: more where more is at stake
    bool complete = true; ///< all options were measured
    /// Of a partition: 1 / its members. 0: not measured; probability and utility mean nothing then.
    std::array<double, option_count> part{};
    double trust = 1; ///< weight of the case for both models
};

/// A trial gives two cases, a scenario of the shipped plan about twenty, and is no less evidence of
/// one load.
inline constexpr double trust_of_trial = 10;

/// The standard error that a difference of utilities has at least (0.003: 0.3% of the score): what
/// two repeats happen to agree on is no proof.
inline constexpr double least_noise = 0.003;
/// Layouts that are behind by more (in ln score: half the score) are as bad as those.
inline constexpr double most_behind = 0.7;

/// The probability that an option beats the best one, whose lead over it has been measured with a
/// standard error s, is taken as 1 / (1 + exp(1.702 lead / s)): the logistic function that is
/// within 0.01 of the normal distribution (Camilli, "Origin of the scaling constant d = 1.7 in item
/// response theory", J. Educ. Behav. Stat. 19, 1994). An option's probability of being the best is
/// in proportion to the odds of that.
[[nodiscard]] Targets targets_of(const Case& one);

} // namespace intellisched
