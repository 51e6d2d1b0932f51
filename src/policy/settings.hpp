// SPDX-License-Identifier: MIT
// Everything about the policy that can be set, with its defaults. Windows are of a second. What was
// tried to choose them: docs/evidence/2026-11-29-policy-settings.md.
#pragma once

#include "src/layout/layout.hpp"
#include "src/policy/judge.hpp"

namespace intellisched {

/// Nanoseconds of a monotonic clock, or a stretch of them.
using Nanoseconds = std::uint64_t;
inline constexpr Nanoseconds second = 1'000'000'000;
inline constexpr Nanoseconds minute = 60 * second;
inline constexpr Nanoseconds hour = 60 * minute;

struct TrialSettings {
    /// Windows after the change that do not count: caches refill, and load balancing (credit2
    /// averages over about a second) settles.
    unsigned settle = 5;
    /// Windows to compare on either side. A third more must show a steady load before a switch.
    unsigned windows = 30;
    /// The least on either side for any comparison; below that the t distribution is too wide.
    unsigned least_windows = 10;
    /// From this many windows on, harm may end the trial before it is complete.
    unsigned early_windows = 8;
    /// The least loss of utility (0.1: 10%), beyond doubt, that ends a trial early.
    double early_harm = 0.1;
    /// Standard errors of a normal distribution from which a difference is no chance (the t
    /// distribution's for few windows follow from them). One-sided: 2.3% at the end; 0.02% for
    /// early harm and for an early gain, which are looked for with every window.
    double sure = 2.0;
    double early_sure = 3.5;
    /// The least correlation of a window with the next one that is assumed, whatever 30 of them
    /// show.
    double least_correlation = 0.3;
    /// The least standard error of a difference: 0.2% of the score is no difference, even between
    /// stretches that look as if they had no noise.
    double least_error = 0.002;
    /// A number of a workload that differs by more is another load. 1 is what layouts do to it.
    double another_load = 1;
    /// How often a trial is prolonged because the load changed in it.
    unsigned extensions = 2;
    /// How long a trial may measure. Windows may be unusable, which a guest can bring about, and
    /// the layout is unproven all along. Twice what a trial takes that is prolonged twice.
    Nanoseconds longest = 3 * minute;
};

struct QuarantineSettings {
    /// The first time; doubles with each repetition. An hour is longer than a phase of most batch
    /// jobs.
    Nanoseconds first = hour;
    /// The longest: after a week a kernel or a guest's software may have changed.
    Nanoseconds longest = 168 * hour;
    /// Workloads count as the same up to this distance. 1 is what a layout does, the rest is noise.
    double near = 1.5;
    /// The most layouts and workloads that are remembered.
    std::size_t most = 64;
};

struct PolicySettings {
    InputGate gate;
    /// What it takes to leave the layout, the same under every intent, because 1% is 1% of work
    /// under each (score.hpp): three times the windows that a single `recommend` asks for, because
    /// nobody looks before it is done, and twice the gain.
    Margins switch_margins{.windows = 10, .agreement = 0.7, .confidence = 0.5, .gain = 0.02};
    /// The gain that is asked of a layout falls with the time since the last change, as the dwell's
    /// part of that time, down to this part of switch_margins.gain: 0.5% after four times the
    /// dwell, and where nobody has changed the layout. A trial costs about the same whatever it
    /// promised, and its dwell may get in the way of another load. On a pool that has been left
    /// alone for long there is little to lose.
    double least_gain_part = 0.25;
    /// Gain of the new layout over the old one, as predicted under the new one, that is enough to
    /// stay when the trial could not tell. Less than switch_margins.gain, because the move is paid
    /// for already.
    double stay_gain = 0.0;
    /// How many windows are judged together: the latest ones.
    unsigned windows = 20;
    /// Windows older than this say nothing about now.
    Nanoseconds window_age = 5 * minute;

    /// The least time between switches of one knob. Doubles with every switch that did not last, up
    /// to longest_dwell. Five minutes are ten times what a trial takes, so that a pool spends
    /// little of its time in unproven layouts.
    Nanoseconds dwell = 5 * minute;
    /// The part of it that is enough between rate limits. Such a change moves nothing, and what a
    /// wrong one does ends with it.
    double rate_limit_dwell_part = 0.4;
    /// Whether the rate limit may be changed, and to what.
    bool tune_rate_limit = true;
    unsigned least_rate_limit_us = no_rate_limit_us, highest_rate_limit_us = most_rate_limit_us;
    Nanoseconds longest_dwell = 6 * hour;
    /// The most switches in any hour, of both knobs. Each may be followed by one revert.
    unsigned switches_an_hour = 4;
    /// The most switches in any day. Harm ends a trial after 13 windows, so that many are 0.7% of
    /// the day.
    unsigned switches_a_day = 48;
    /// After how long a layout that was kept on a prediction alone is measured against the one
    /// before it. If the load is not steady enough for as long again, it goes back unmeasured.
    Nanoseconds measure_after = hour;

    /// Reverts for cause, or of what nothing could be measured of, that open the breaker ...
    unsigned breaker_reverts = 3;
    /// ... within this time: the model does not understand this pool. It gets its boot layout, or
    /// the rate limit before the trial, and is left alone. One layout on one load alone does not
    /// come to that: quarantine lets it be tried at 0, 1, 3 and 7 hours, and a pool that is served
    /// well otherwise need not suffer for it.
    Nanoseconds breaker_within = 2 * hour;
    Nanoseconds breaker_for = 24 * hour;
    /// How long somebody else's choice of a layout is respected.
    Nanoseconds stand_down = 24 * hour;

    /// After which an apply counts as failed; it takes milliseconds.
    Nanoseconds apply_timeout = minute;
    /// Time until a revert that failed is tried again; doubles, up to longest_retry.
    Nanoseconds retry = 10 * second;
    Nanoseconds longest_retry = 10 * minute;

    TrialSettings trial;
    QuarantineSettings quarantine;

    /// Of the rate limit it settles sooner, because no vCPU moves. And it moves the numbers of the
    /// workload further than layouts do: by more than 1 in a quarter of all scenarios, by more than
    /// 2 in 5% of them (686 of models/, limits of 0 to 10000 us).
    [[nodiscard]] TrialSettings trial_of(Knob knob) const {
        TrialSettings settings = trial;
        if (knob == Knob::rate_limit) settings.settle = 2, settings.another_load = 2;
        return settings;
    }
};

} // namespace intellisched
