// SPDX-License-Identifier: MIT
// The model of guests' classes: made of samples, and judged on those that it has not seen.
#pragma once

#include "bench/proto/classes.pb.h"
#include "src/base/result.hpp"
#include "src/model/guest_class.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace intellisched {

struct ClassLearning {
    unsigned rounds = 40;       ///< of boosting: trees a class
    unsigned max_depth = 4;     ///< of a tree
    double learning_rate = 0.2; ///< shrinkage of each round
    double leaf = 3;            ///< least weight of a leaf
    std::uint64_t seed = 1;     ///< chooses the rows and traits of each tree
};

/// Learns from samples of kinds that have a class. Guests of one scenario and class are much alike:
/// together they weigh as much as the square root of their number. The threshold of confidence is
/// that of judge_classes() with the scenarios held out. The same samples give the same model to the
/// byte. Errors: a class without a sample, XGBoost's own.
[[nodiscard]] Result<GuestClassModel> learn_classes(std::span<const proto::GuestSample> samples,
                                                    const ClassLearning& learning);

/// What is held out together.
enum class HeldOutBy : std::uint8_t { topology, scenario };

/// How good models are on what they have not seen. A scenario counts as much as any other, and in
/// it each of its classes; `guests` has the plain counts.
struct ClassesJudged {
    std::size_t guests = 0, scenarios = 0;
    double accuracy = 0;         ///< of the likeliest class, whatever the confidence
    double guests_right = 0;     ///< the same, each guest counted once
    double told = 0;             ///< part that is above the threshold
    double told_accuracy = 0;    ///< of these
    double least_confidence = 0; ///< the threshold, in the mean over what is held out
    /// Guests by class and likeliest class.
    std::array<std::array<std::size_t, guest_class_count>, guest_class_count> confusion{};
    /// Guests by kind of load, those that hardly ever block apart, and likeliest class.
    std::map<std::string, std::array<std::size_t, guest_class_count>> by_kind = {};
};

/// Each topology is held out in turn, or each of eight parts of the scenarios, so that of each the
/// parameters that were drawn are new. The threshold is chosen on the rest each time, with other
/// parts of that held out: the least at which 49 of 50 that are told are right.
[[nodiscard]] Result<ClassesJudged> judge_classes(std::span<const proto::GuestSample> samples,
                                                  const ClassLearning& learning, HeldOutBy by);

/// The tables of the model card.
[[nodiscard]] std::string text_of(const ClassesJudged& judged);

} // namespace intellisched
