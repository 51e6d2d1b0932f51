// SPDX-License-Identifier: MIT
// What a layout achieved, as one number an intent: the one place where that is defined, for the
// simulator's truth, for what a live host can tell and for the documentation.
//
// Of what a layout gave (R) to the guests g of one scenario:
//     utility(intent, R) = work * sum_g(c_g ln w_g) / sum_g(c_g) - tail * mean_g T_g - share * e
//     score(L)           = exp(utility(L) - utility of the best layout)
// so the best layout scores 1, and a difference of 0.01 is 1%.
//     w_g  work done a second
//     c_g  the guest's claim: its weight times its vCPUs. Of all ways to share CPU time, the one in
//          proportion to the claims makes the sum largest (weighted proportional fairness, F.
//          Kelly, Charging and rate control for elastic traffic, 1997); a plain mean would be
//          largest where weights are ignored.
//     T_g  the tails: the mean, over what the guest has of them, of ln((p99 + t0) / t0) for the
//          wait from wake-up to running and for its response times, + 5 * the part of its deadlines
//          that it missed
//     e    weighted-share error: mean_g |got_g - entitled_g| / entitled_g of CPU time, of one guest
//          at most 1
#pragma once

#include "src/base/result.hpp"
#include "src/layout/layout.hpp"
#include "src/model/intent.hpp"
#include "src/proto/model.pb.h"
#include "src/proto/truth.pb.h"

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace intellisched {

/// How much each part weighs under an intent.
struct ScoreWeights {
    double work = 0;
    double tail = 0;
    double share = 0;
};
[[nodiscard]] const ScoreWeights& score_weights(Intent intent);

/// t0: tails well below it count as equal, because no guest can tell them apart.
inline constexpr double tail_floor_us = 50;

/// What one guest got while one layout was in force.
struct GuestResult {
    double claim = 256;       ///< weight times vCPUs, the same under every layout
    double work = 0;          ///< a second, in a unit of the guest's own; 0: none to speak of
    double wake_p99_us = 0;   ///< 99th percentile of wake-up to running
    double wakeups_per_s = 0; ///< that it is of
    double response_p99_us = 0;
    double responses_per_s = 0;
    double deadlines_per_s = 0;
    double missed = 0; ///< part of the deadlines
    /// CPUs that it ran on or waited for, in the mean; nothing: not known.
    std::optional<double> demand = {};
    /// Its part of the weighted-share error; nothing: it wanted no CPU time, or it is not known.
    std::optional<double> share_error = {};
};

struct LayoutResult {
    std::map<std::string, GuestResult> guests; ///< by name
    double share_error = 0;
};

/// The utility of each result under an intent. Comparable among these results only: each part of a
/// guest's figures counts in all of them or in none. Work counts for guests that have work in any
/// result and a demand of a thousandth of a CPU in any; no work at all counts as a thousandth of
/// the guest's most. Tails count for guests with ten events per second in any result. Errors:
/// nothing counts.
[[nodiscard]] Result<std::vector<double>> utilities(Intent intent,
                                                    std::span<const LayoutResult> results);

/// What one guest adds to a utility, so that a utility can be made over some of the guests only.
/// Nothing: the guest does not count in that part.
struct GuestTerms {
    double claim = 0;
    std::optional<double> work = {};  ///< ln w_g
    std::optional<double> tail = {};  ///< T_g
    std::optional<double> share = {}; ///< the guest's share error
};

/// What each guest adds to the utility of this result, counted by this result alone.
[[nodiscard]] std::map<std::string, GuestTerms> terms(const LayoutResult& result);

/// The utility that these terms make under an intent; nothing when no guest counts with its work or
/// its tail.
[[nodiscard]] std::optional<double> utility(Intent intent, std::span<const GuestTerms> guests);

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

/// What a guest may ask of a pool's CPU time.
struct Claimant {
    double weight = 256; ///< of the guest as a whole: credit2 gives each vCPU the domain's weight
    double demand = 0;   ///< what it would use alone
    double limit = 0;    ///< of its cap and its vCPUs
};

/// The weighted max-min ("water-filling") shares of `capacity`: nobody gets more than its demand
/// and limit; what is left goes to the others in proportion to their weights.
[[nodiscard]] std::vector<double> entitlements(std::span<const Claimant> claimants,
                                               double capacity);

/// The result of one pool in a truth. Domain-0 has no work of its own: what it does for guests
/// shows in theirs. Guests in the background are not in it. The share error counts guests that
/// wanted a thousandth of a CPU at least.
/// Errors: figures that cannot be (negative, infinite), no such pool, no time.
[[nodiscard]] Result<LayoutResult> result_from(const proto::Truth& truth, const std::string& pool);

} // namespace intellisched
