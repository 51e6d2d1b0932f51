// SPDX-License-Identifier: MIT
// Whether a switch was right: the windows before it against those after it.
//
// Windows of a second are not independent, so their plain standard error is too small. Each side
// counts as n (1 - r) / (1 + r) windows, the effective number of a first-order autoregressive
// series. r is estimated from both sides together, corrected upwards for the bias of short series
// ((1 + 3r) / n), and has a floor. The errors of the two sides, and the degrees of freedom from the
// effective numbers, are combined as in Welch's test.
//
// What the load did is told by the signatures (workload.hpp). Where a number of them differs by
// more than layouts do and by more than its own spread, it is another load and nothing is compared.
// Demand is special. Guests that ask for less also get less, so a loss of utility as large as the
// fall of demand (in e-folds: utility is of logarithms) is not held against the layout. Nor is a
// gain as large counted for it, whichever way demand went. A rise of demand excuses no loss: a bad
// layout makes vCPUs wait, which is demand too. Doubt counts against the new layout, because going
// back costs one move and staying may cost for long.
//
// Only guests that are in most windows of both sides are compared. If these have less than half of
// the claims, the utilities of the whole pool are compared instead: good enough to see harm, not to
// see a gain. A loss beyond doubt counts whatever else changed, because a guest can make it another
// load, or other guests, whenever it likes.
#pragma once

#include "src/policy/guests.hpp"
#include "src/policy/settings.hpp"
#include "src/policy/workload.hpp"

#include <span>

namespace intellisched {

/// A window of one side of a trial.
struct TrialWindow {
    double utility = 0; ///< live score of the pool, whoever is in it
    /// Under the new layout: predicted gain of going back to the old one.
    double gain_back = 0;
    Workload workload{};
    std::vector<GuestSeen> guests = {};
};

struct Comparison {
    double difference = 0; ///< of mean utility of the guests compared, after less before
    double error = 0;      ///< its standard error, correlation counted
    double freedom = 1;    ///< degrees of freedom
    double correlation = 0;
    /// Utility that a change of demand alone may have cost, and may have given; both 0 or more.
    double excused = 0, undeserved = 0;
    bool load_changed = false;
    bool guests_changed = false; ///< `difference` is the pool's: too few guests are on both sides
    double gain_back = 0;        ///< mean prediction

    [[nodiscard]] bool changed() const { return load_changed || guests_changed; }
};

/// Compares the windows of a trial under `intent`. What could not be compared is 0, with
/// `guests_changed` set.
[[nodiscard]] Comparison compare(std::span<const TrialWindow> before,
                                 std::span<const TrialWindow> after, Intent intent,
                                 const TrialSettings& settings);

/// How many standard errors have the tail in Student's t distribution that `normal` standard errors
/// have in the normal one. An approximation, too large below 3 degrees of freedom.
[[nodiscard]] double student(double normal, double freedom);

/// Whether the load is the same in the first and in the last quarter of these. A mixture of two
/// loads is no baseline: its mean is that of neither, and its spread hides any effect.
[[nodiscard]] bool steady(std::span<const TrialWindow> samples, const TrialSettings& settings);

/// Whether guests that are in both halves of these have most of the claims. If not, the baseline
/// could be compared with nothing.
[[nodiscard]] bool same_guests(std::span<const TrialWindow> samples);

enum class Finding : std::uint8_t {
    better,       ///< beyond chance and load
    worse,        ///< beyond chance and falling demand, whatever else changed
    much_worse,   ///< so much that no more windows are needed
    unclear,      ///< the difference may be chance
    incomparable, ///< another load or other guests, and no loss beyond doubt
};
[[nodiscard]] Finding find(const Comparison& comparison, const TrialSettings& settings);
/// Whether it is so surely better that no more windows are needed.
[[nodiscard]] bool surely_better(const Comparison& comparison, const TrialSettings& settings);

} // namespace intellisched
