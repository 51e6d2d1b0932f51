// SPDX-License-Identifier: MIT
// Which of the service's trials a model may learn from. Guests influence what a trial measures, and
// a pool may repeat one as often as it likes. So no pool, no week and no lucky trial may dominate.
#pragma once

#include "src/policy/state.hpp"
#include "src/proto/model.pb.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace intellisched::service {

/// Of one trial that was compared to its end, one of its two windows.
struct TrialSample {
    std::string pool, intent;
    std::int64_t trial = 0; ///< its number
    std::int64_t time = 0;  ///< at which it was closed, ns of the Unix epoch
    Layout from = Layout::socket, to = Layout::socket;
    double difference = 0;     ///< that it found
    proto::Sample sample = {}; ///< with its lesson_of() as scores
};

/// What a trial teaches: the scores of its two layouts, and how far they are to be trusted. NaN for
/// the other layouts; the intent is left open. Nothing unless it was compared to its end, on one
/// load. `ending`: a name of Ending, or another text where the end was not seen.
[[nodiscard]] std::optional<proto::IntentScores>
lesson_of(std::string_view ending, Layout from, Layout to, const std::optional<Comparison>& found);

/// Repeats are trials of the same pool, week, layouts and intent. Of repeats only the one with the
/// median difference is taken (the lower of two), and of a pool's week no more than this many.
inline constexpr std::size_t trials_a_pool_and_week = 8;

/// The samples to learn from, in the order that they came in. Of a week with more kinds of trials,
/// those with most repeats are taken. `guest_scores`: also of trials that counted what guests
/// publish.
[[nodiscard]] std::vector<proto::Sample> to_learn_from(std::vector<TrialSample> samples,
                                                       bool guest_scores);

} // namespace intellisched::service
