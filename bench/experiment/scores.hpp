// SPDX-License-Identifier: MIT
// The scores of layouts that were measured in several repeats, as samples store them.
#pragma once

#include "src/model/score.hpp"

namespace intellisched::bench {

/// By layout, the results of its repeats; repeat r of all layouts saw the same load (the same
/// seed), so that what differs is the layout. Layouts of one partition share their results: give
/// them to each.
using Repeats = std::array<std::vector<LayoutResult>, layout_count>;

/// The scores of all five layouts under an intent, by the mean utility over repeats, and the
/// standard error of each one's utility difference to the best. The error is that of the
/// differences repeat by repeat. Their variance is half the layout's own and half the mean of all
/// layouts', because few repeats say little about one layout. NaN with one repeat; both are NaN for
/// a layout without results. Each repeat's own utilities are there as well. Errors: those of
/// utilities(); layouts with different numbers of repeats.
[[nodiscard]] Result<proto::IntentScores> scores(Intent intent, const Repeats& repeats);

/// The mean parts of each layout over its repeats, of one that was not measured all NaN. Errors as
/// above.
[[nodiscard]] Result<std::array<ScoreParts, layout_count>> mean_parts(const Repeats& repeats);

} // namespace intellisched::bench
