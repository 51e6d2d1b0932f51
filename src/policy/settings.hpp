// SPDX-License-Identifier: MIT
// Everything about the policy that can be set, with its defaults. Windows are of a second.
#pragma once

#include "src/policy/policy.hpp"

namespace intellisched {

/// Nanoseconds of a monotonic clock, or a stretch of them.
using Nanoseconds = std::uint64_t;
inline constexpr Nanoseconds second = 1'000'000'000;
inline constexpr Nanoseconds minute = 60 * second;
inline constexpr Nanoseconds hour = 60 * minute;

struct TrialSettings {
    /// Windows after the change that do not count: caches refill, load balancing (of a second or
    /// so in credit2) finds its new average.
    unsigned settle = 5;
    /// Windows to compare on either side; a third more must show a steady load before a switch. At
    /// the correlation that is taken for granted 30 are worth 16 independent ones: a spread of 5%
    /// between windows then shows a difference of 4%.
    unsigned windows = 30;
    /// At least, of either side, for any comparison; the t distribution is too wide below.
    unsigned least_windows = 10;
    /// From this many windows on, harm may end the trial before it is complete.
    unsigned early_windows = 8;
    /// Utility (0.1: 10%) that is lost at least, beyond doubt, for that.
    double early_harm = 0.1;
    /// Standard errors of a normal distribution (the t distribution's for few windows follows from
    /// it) from which a difference is no chance: one-sided 2.3% at the end; 0.02% for early harm,
    /// since that is looked for again with every window.
    double sure = 2.0;
    double early_sure = 3.5;
    /// Correlation of a window with the next one, at least, whatever 30 of them show.
    double least_correlation = 0.3;
    /// Standard error of a difference, at least: 0.2% of the score is no difference, even between
    /// stretches that look as if they had no noise.
    double least_error = 0.002;
    /// Times that a trial is prolonged because the load changed in it.
    unsigned extensions = 2;
    /// How long a trial may measure: windows may be unusable, which a guest can bring about, and
    /// the layout is untried all along. Twice what a trial takes that is prolonged twice.
    Nanoseconds longest = 3 * minute;
};

struct QuarantineSettings {
    /// The first time; doubles with each repetition. An hour is past most batch jobs' phases.
    Nanoseconds first = hour;
    /// At most; a kernel or a guest's software may have changed after a week.
    Nanoseconds longest = 168 * hour;
    /// Workloads are the same up to this distance: 1 is what a layout does, the rest is noise.
    double near = 1.5;
    /// Layouts and workloads that are remembered, at most.
    std::size_t most = 64;
};

struct PolicySettings {
    InputGate gate;
    /// To leave the layout: three times the windows that a single `recommend` asks for, since
    /// nobody looks at the table before it is done, and twice the gain. Tuned on days of changing
    /// load that nothing is reported from (bench/days/days.cpp): at 4% hardly anything was tried.
    /// At 1% the simulations of the tests show dwell spent on what makes no difference, while a
    /// load came that needed another layout. At a confidence of 0.3, which lets layouts be tried
    /// that are likelier worse but promise more, there was nothing gained on other days.
    Margins leave{.windows = 10, .agreement = 0.7, .confidence = 0.5, .gain = 0.02};
    /// The gain that is asked for falls with the time since the last change, as the dwell's part of
    /// that time, down to this part of leave.gain: 0.5% after four times the dwell, and where
    /// nobody has changed the layout. A trial costs about the same whatever it promised, and the
    /// dwell after it costs what another load might have needed then; on a pool that has been left
    /// alone for long there is little to lose. Of 20 days (bench/days/days.cpp) the mean over
    /// socket is 0.58% with it and 0.18% without.
    double least_gain_part = 0.25;
    /// Gain of the new layout over the old one, as predicted under the new one, that is enough to
    /// stay there when the trial could not tell. Less than leave.gain: the move is paid already.
    double stay_gain = 0.0;
    /// Windows that are judged together, the latest ones.
    unsigned windows = 20;
    /// Windows older than that say nothing of now.
    Nanoseconds window_age = 5 * minute;

    /// Between switches, at least; doubles with every switch that did not last, up to
    /// longest_dwell. Five minutes: ten times what a trial takes, so that a pool spends little of
    /// its time untried.
    Nanoseconds dwell = 5 * minute;
    Nanoseconds longest_dwell = 6 * hour;
    /// Switches in any hour, at most. Each may be followed by one revert.
    unsigned switches_an_hour = 4;
    /// Switches in any day, at most. Harm ends a trial after 13 windows: so many of them are 0.7%
    /// of the day. Simulated days of changing load have up to 45 (policy_simulation_test.cpp).
    unsigned switches_a_day = 48;
    /// A layout that was kept on a prediction alone is measured against the one before it after so
    /// long. Where the load is not steady enough for as long again, it goes back unmeasured.
    Nanoseconds measure_after = hour;

    /// So many reverts for cause, or of what nothing could be measured of ...
    unsigned breaker_reverts = 3;
    /// ... within so long: the model does not understand this pool. Boot layout, and hands off. One
    /// layout on one load alone does not come to that: quarantine lets it be tried at 0, 1, 3 and 7
    /// hours, and a pool that is served well otherwise need not suffer for it.
    Nanoseconds breaker_within = 2 * hour;
    Nanoseconds breaker_for = 24 * hour;
    /// How long somebody else's choice of a layout is respected.
    Nanoseconds stand_down = 24 * hour;

    /// After which nothing is to be heard of an apply any more; it takes milliseconds.
    Nanoseconds apply_timeout = minute;
    /// Before a revert that failed is tried again; doubles, up to longest_retry.
    Nanoseconds retry = 10 * second;
    Nanoseconds longest_retry = 10 * minute;

    TrialSettings trial;
    QuarantineSettings quarantine;
};

} // namespace intellisched
