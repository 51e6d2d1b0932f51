// SPDX-License-Identifier: MIT
// The policy of one cpupool over time: when to switch its layout or its rate limit, whether the
// switch was right, and when to keep hands off. Pure: step() turns a state and an input into the
// next state and a verdict; the time comes with the input.
//
// The caller stores the state (state_message.hpp) before it does what a verdict asks for, and feeds
// back the result. It feeds every window, what it reads of the pool (PoolSeen: every few seconds,
// and at once after a result and after a start), and a Tick when nothing else has come for some
// seconds.
//
//     observing --better option, no obstacle--> switch asked for --host has it--> settling
//         ^                                          | host does not      --> measuring N windows
//         +-------- kept <------------------------- trial ends
//         +-------- host has the old one <-- revert asked for (again and again) <--+
//
// Both knobs share one machine, because a pool can be on one trial at a time: what two changes at
// once did could not be told apart. Where both promise something the rate limit comes first. It
// moves nothing, and what a layout is worth depends on it.
//
// Where the design had a choice:
//  - What the host has in force decides, not the result of an apply: a switch that "failed" but is
//    found in force is on trial like any other. A restart after a kill needs nothing more.
//  - A layout that has not passed its trial is not kept. A trial that ends without a finding (mode,
//    intent or topology changed) goes back too, but counts neither for quarantine nor for the
//    breaker. There are two exceptions. Somebody else's change is never undone. And where load or
//    guests changed, so that the windows before say nothing, the prediction decides once prolonging
//    did not help. A layout that was kept so is measured later, by going back to the one before it:
//    a guest can bring such a change about.
//  - A loss beyond doubt reverts whatever else changed, for the same reason. A trial in which
//    nothing could be measured counts for the breaker, but not for quarantine.
//  - A trial without a clear finding keeps the layout only if the model still favours it in the
//    windows under it and the measured difference is no loss beyond one standard error. That is
//    weak evidence for it and none against it, and going back would be another move for nothing.
//  - The gain that is asked of a layout falls while it stays (PolicySettings::least_gain_part).
//    What such a switch promised is within the noise of predictions. So without a clear finding the
//    measured difference has to lean to a gain for the layout to be kept, and a switch that came to
//    nothing is not held against the model.
//  - Pausing stops switches, but not the open trial, which has to be ended.
//  - Quarantined layouts are left out of the choice, so that a wrong favourite does not block the
//    second best. The probabilities of the others are normalised to a sum of 1.
//  - Changes by others are respected in mode auto only. In the other modes the administrator
//    follows recommendations by hand, and setting "auto" then is asking for more.
//  - A trial of one knob goes back when somebody else turns the other one.
//
// Codes of reasons, beside judge()'s: mode-off, mode-observe, mode-recommend, rate-limit-kept,
// paused, paused-by-hand, standing-down, breaker-open, cannot-rearrange, equivalent, no-pool,
// layout-unread, other-layout, other-rate-limit, dwell, rate-limit, no-baseline, load-changing,
// guests-changing, quarantined, apply-pending, apply-failed, late-result, in-force, reverting,
// foreign-change, advice-followed, pool-anew, topology-changed, settling, measuring, trial-running,
// trial-prolonged, window-unusable, breaker-tripped, resumed, restarted, pool-gone, leaving, and
// the names of Ending.
#pragma once

#include "src/policy/state.hpp"

#include <variant>

namespace intellisched {

/// What came of a change that a verdict asked for.
struct ApplyResult {
    std::uint64_t serial = 0; ///< the verdict's
    bool done = false;
    std::string text = {}; ///< why not
};
struct SetMode {
    Mode mode = Mode::observe;
};
struct SetIntent {
    Intent intent = Intent::balanced;
};
struct Pause {};
/// By hand: ends a pause, a stand-down and what the breaker imposed.
struct Resume {};
/// The first input after a state was restored. `rebooted`: the state is of another boot of the
/// host, so the clock restarted; what was left of each stretch of time goes on.
struct Restarted {
    bool rebooted = false;
};
/// There is no pool of that name any more. One that comes later is another one.
struct PoolGone {};
/// The caller gives the pool what it was booted with, and ends: the state is as after a boot.
struct Leaving {};
struct Tick {};

using Input = std::variant<WindowSeen, PoolSeen, ApplyResult, SetMode, SetIntent, Pause, Resume,
                           Restarted, PoolGone, Leaving, Tick>;

struct TrialReport {
    Ending ending = Ending::not_applied;
    Knob knob = Knob::layout;
    Change from, to; ///< of this knob
    double promised = 0;
    Comparison comparison;
};

struct PoolVerdict {
    Decision decision = Decision::keep;
    Change target; ///< of a switch, a revert or a recommendation (then of both knobs, maybe)
    std::uint64_t serial = 0; ///< of what is asked for
    std::vector<Reason> reasons;
    std::optional<TrialReport> trial = {};     ///< one has ended; exactly once for every switch
    std::optional<Verdict> evidence = {};      ///< judge()'s, when it was asked: the recommendation
    std::optional<Verdict> of_rate_limit = {}; ///< the same about the rate limit

    /// Whether the pool is to be given `target` now; what comes of it is an ApplyResult of
    /// `serial`.
    [[nodiscard]] bool asks() const {
        return decision == Decision::switch_option || decision == Decision::revert;
    }
};

/// Whether the knob is a person's to turn: the policy judges it, and only recommends. Where it is
/// the policy's, there may be obstacles for a while.
[[nodiscard]] bool by_hand(const State& state, const PolicySettings& settings, Knob knob);

/// Both knobs as the host was booted, as far as the policy may turn them on this pool.
[[nodiscard]] Change boot_of(const PoolSeen& pool, const PolicySettings& settings);

/// Never fails: an impossible input is refused with a reason. A time before the last one counts as
/// the last one.
[[nodiscard]] PoolVerdict step(State& state, Nanoseconds time, const Input& input,
                               const PolicySettings& settings = {});

} // namespace intellisched
