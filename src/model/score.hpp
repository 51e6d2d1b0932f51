// SPDX-License-Identifier: MIT
// What a layout achieved, as one number an intent: the one place where that is defined, for the
// simulator's truth, for what a live host can tell and for the documentation.
//
// What a layout gave to the guests of one scenario has four parts. Each is a mean over guests g:
//     work      mean of ln w_g, by claim     w_g: work done a second
//     headroom  mean of ln (w_g / r_g), by demand     r_g: CPUs that the guest ran on for it
//     tail      mean of T_g, by claim     T_g: how late it was served, see below
//     share     mean of |r_g - entitled_g| / entitled_g, by claim; of one guest at most 1
// Each intent weighs them (score_weights()):
//     utility(intent) = work * .work + headroom * .headroom - tail * .tail - share * .share
//     score(layout)   = exp(utility(layout) - utility of the best layout)
// so the best layout scores 1, and a difference of 0.01 is 1%.
//
// Who counts, and how much. The claim c_g is the guest's weight times its vCPUs, or the CPUs of its
// cap, of these no more than ten times its demand. Of all ways to share CPU time, the one in
// proportion to the claims makes the sum of c_g ln w_g largest (weighted proportional fairness, F.
// Kelly, Charging and rate control for elastic traffic, 1997). Servers mostly use 10 to 50% of what
// they have (L. Barroso, U. Hoelzle, The case for energy-proportional computing, 2007). So from a
// tenth on a guest counts in full, and below it is idle to that extent and counts by what it wants.
// Domain-0 counts in no part: what it does for guests shows in theirs. Nor do guests in the
// background. Both have their share of the CPUs.
//
// Guests that only compute have no tail. Where those that have one have less than a tenth of all
// claims, the tail counts in proportion: a guest that hardly does anything is not all that matters
// on a host of hogs.
//
// T_g is one of three, so that nothing that a guest feels counts twice. A guest is judged by the
// first that it has, under every layout; with fewer than ten a second of these it has no tail:
//     deadlines      ln (1 + 9 * the part that it missed), where it has deadlines. All missed is as
//                    bad as a tail ten times as long, one in nine as one twice as long.
//     responses      ln ((p99 + t0) / t0) of its response times, where it has these
//     waits          the same of the wait from wake-up to running, of all other guests. Where there
//                    are responses they contain these waits, as far as anybody notices them.
// t0 is 200 us: a request and its answer take as long or longer on the way through a data center's
// network, so what is well below it no client can tell from nothing. Of long tails 1% is 1%.
//
// Demand is the CPU time that the guest would use alone, at full speed. It is not what it ran and
// waited for: who asks for 3% of a CPU and gets it has all it wanted, however long it waited.
// GuestTruth::demand_ns states it (collector/window/demand.hpp says what can be known of it). From
// a truth without, version 1's, it is made of the guest's sums: all of its waits after preemption,
// and those after wake-ups as far as they put off other work. It is then too high, by as much as
// the guest waited, where requests come whatever happens, and too low where some vCPUs were idle.
// What a guest is entitled to is counted with the time that its demand takes at the speed that its
// work had, and no more of that than it ran and waited for.
//
// Headroom is what is left for others, and for energy. On a host that has CPUs to spare all layouts
// do all work, and CPU time per work is all that they differ in. CPU time that is left over is
// wanted for something else in three of ten cases (the use of servers, as above), so 1% of CPU time
// saved weighs 0.3% of work under throughput. It contains the speed that a sibling thread takes,
// although a core as a whole does more with two threads: the guest and whoever bills or caps it
// count CPU time. On a full host nothing is left over, and 1% more speed is 1% more work and 1%
// less CPU time for it: 1.3% of the score under throughput.
//
// What +1% of score means, everything else being equal, for all guests alike:
//                                       throughput    latency        balanced
//     work done                         1% more       1% more        1% more
//     CPU time for it                   3.3% less     -              6.5% less
//     p99, far above t0                 63% shorter   2.5% shorter   18% shorter
//     deadlines missed, of a hundred    19 fewer      0.3 fewer      2.5 fewer (few are missed)
//     mean share error                  0.10 less     0.05 less      0.05 less
// So 1% is 1% of work under every intent, and one margin of the policy will do for all of them; the
// intents differ in what else is worth that much. Scores of different intents are different things
// all the same: there is no mean over intents.
#pragma once

#include "src/base/result.hpp"
#include "src/layout/layout.hpp"
#include "src/model/intent.hpp"
#include "src/proto/model.pb.h"
#include "src/proto/truth.pb.h"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace intellisched {

/// The version of this definition, which samples and bundles bear. 1 (or none): waits counted as
/// demand and beside responses, all guests alike, t0 of 50 us, no headroom. 2: a guest that was
/// slow without having waited had a share error.
inline constexpr std::uint32_t score_version = 3;
/// The version that a message bears: 1 where it says none.
[[nodiscard]] std::uint32_t score_version_of(const auto& message) {
    return message.score_version() == 0 ? 1 : message.score_version();
}

/// The four parts, or how much each weighs.
struct ScoreParts {
    double work = 0;
    double headroom = 0;
    double tail = 0;
    double share = 0;
};
[[nodiscard]] proto::ScoreParts message_of(const ScoreParts& parts);
[[nodiscard]] const ScoreParts& score_weights(Intent intent);
[[nodiscard]] double utility(Intent intent, const ScoreParts& parts);

inline constexpr double tail_floor_us = 200; ///< t0

/// What one guest got while one layout was in force.
struct GuestResult {
    double weight = 256;      ///< of one vCPU, the same under every layout
    double vcpus = 1;         ///< or the CPUs of its cap, where that is less
    double work = 0;          ///< a second, in a unit of the guest's own; 0: none to speak of
    double run = 0;           ///< CPUs that it ran on for it, in the mean; 0: not known
    double wake_p99_us = 0;   ///< 99th percentile of wake-up to running
    double wakeups_per_s = 0; ///< that it is of
    double response_p99_us = 0;
    double responses_per_s = 0;
    double deadlines_per_s = 0;
    double missed = 0; ///< part of the deadlines
    /// CPUs that it would have run on alone, in the mean; nothing: not known, it counts in full.
    std::optional<double> demand = {};
    /// Its part of the weighted-share error; nothing: it wanted no CPU time, or it is not known.
    std::optional<double> share_error = {};
};

/// By name: what the guests got.
using LayoutResult = std::map<std::string, GuestResult>;

/// The parts of each result, comparable among these results only: each part of a guest's figures
/// counts in all of them or in none. Work counts for guests that have work in any result and a
/// demand of a thousandth of a CPU in any; no work at all counts as a thousandth of the guest's
/// most. Headroom counts for those of them that did some in every result. Tails count for guests
/// with ten events per second, of their kind, in any result. A guest's demand is the most of any
/// result. Errors: nothing counts.
[[nodiscard]] Result<std::vector<ScoreParts>> parts(std::span<const LayoutResult> results);

/// The utilities that those parts make under an intent.
[[nodiscard]] Result<std::vector<double>> utilities(Intent intent,
                                                    std::span<const LayoutResult> results);

/// What one guest adds to a utility, so that a utility can be made over some of the guests only.
/// Nothing: the guest does not count in that part.
struct GuestTerms {
    double claim = 0;  ///< what its work, tail and share weigh
    double demand = 0; ///< what its headroom weighs
    std::optional<double> work = {};
    std::optional<double> headroom = {};
    std::optional<double> tail = {};
    std::optional<double> share = {};
};

/// What each guest adds to the utility of this result, counted by this result alone.
[[nodiscard]] std::map<std::string, GuestTerms> terms(const LayoutResult& result);

/// The utility that these terms make under an intent; nothing when no guest counts with its work or
/// its tail.
[[nodiscard]] std::optional<double> utility(Intent intent, std::span<const GuestTerms> guests);

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

/// The result of one pool in a truth: its guests without Domain-0 and those in the background. A
/// share error is of guests that wanted a thousandth of a CPU at least.
/// Errors: figures that cannot be (negative, infinite), no such pool, no time.
[[nodiscard]] Result<LayoutResult> result_from(const proto::Truth& truth, const std::string& pool);

} // namespace intellisched
