// SPDX-License-Identifier: MIT
// What the policy knows of one pool, as a plain value. What step() (machine.hpp) does follows from
// it and from the inputs alone, so it can be stored, and restored after a kill (state_message.hpp).
#pragma once

#include "src/policy/comparison.hpp"
#include "src/policy/guests.hpp"
#include "src/policy/quarantine.hpp"

#include <optional>

namespace intellisched {

/// What the policy may do with a pool.
enum class Mode : std::uint8_t {
    off,       ///< nothing; windows are not looked at
    observe,   ///< look at windows, judge nothing
    recommend, ///< judge, and say what should be done
    automatic, ///< do it
};
/// "off", "observe", "recommend" or "auto".
[[nodiscard]] std::string_view to_string(Mode mode);
[[nodiscard]] std::optional<Mode> mode_from_string(std::string_view name);

/// The pool as it was read from the host; most of it is from PoolFacts.
struct PoolSeen {
    /// Changes whenever the pool's CPUs, their places or its granularity do: a hash of them.
    std::uint64_t topology = 0;
    bool can_rearrange = false;
    Representatives same{}; ///< of the layouts to choose from
    Arrangement in_force;
    Layout current = Layout::socket; ///< the choice that is in force; by name unless `exact`
    bool exact = true;               ///< its runqueues are those in force
    Arrangement boot;                ///< what the host was booted with
    std::optional<unsigned> rate_limit_us = {}; ///< in force; nothing: not told
    unsigned boot_rate_limit_us = default_rate_limit_us;
    /// That was advised last (advice.hpp): whoever sets it follows the service.
    std::optional<unsigned> advised_limit_us = {};

    /// What is in force of what `change` is about.
    [[nodiscard]] Change now(const Change& change) const;
    [[nodiscard]] bool has(const Change& change) const { return now(change) == change; }
    /// The option in force: the current layout, or the rate limit that is nearest to it.
    [[nodiscard]] Option option(Knob knob) const;
    /// Whether what is in force is an option of this knob exactly.
    [[nodiscard]] bool exactly(Knob knob) const;
    [[nodiscard]] Classes classes(Knob knob) const;
};

/// The change that turns the knob to that option.
[[nodiscard]] Change turn(Knob knob, Option option);

/// One window of the pool.
struct WindowSeen {
    Observation observation;                      ///< the prediction is against PoolSeen::current
    Arrangement in_force;                         ///< during all of it
    std::optional<unsigned> rate_limit_us = {};   ///< likewise; nothing: not told
    std::optional<Prediction> of_rate_limit = {}; ///< against the limit in force
    /// Live score: utility (score.hpp) under the pool's intent; NaN: none.
    double utility = 0;
    Workload workload{};
    bool weight_on_trial = false; ///< some guest's (protection.hpp)
    std::vector<GuestSeen> guests =
        {}; ///< that it is made of; of these two windows can be compared

    /// The observation with the prediction about this knob; nothing: there is none.
    [[nodiscard]] std::optional<Observation> about(Knob knob) const;
};

struct PastWindow {
    Nanoseconds time = 0;
    WindowSeen window;
};

/// How a trial ended.
enum class Ending : std::uint8_t {
    kept_better,        ///< sure to be better
    kept_unclear,       ///< no difference beyond chance; the prediction still favours it
    kept_predicted,     ///< nothing to compare; the prediction favours it: to be measured later
    went_back,          ///< from a layout kept on a prediction: nothing showed that it is better
    reverted_harm,      ///< much worse, before all windows were in
    reverted_worse,     ///< sure to be worse
    reverted_unclear,   ///< no difference beyond chance, and nothing speaks for it any more
    reverted_changed,   ///< sure to be worse, but load or guests are others, too
    reverted_predicted, ///< nothing to compare, and the prediction does not favour it
    reverted_untested,  ///< too few usable windows for too long
    voided_mode,        ///< no longer automatic; reverted
    voided_intent,      ///< another intent; reverted
    voided_topology,    ///< the pool is another one; reverted
    voided_foreign,     ///< somebody else changed what was on trial; left alone
    voided_rate_limit,  ///< somebody else changed the rate limit meanwhile; reverted
    voided_layout,      ///< somebody else changed the layout meanwhile; reverted
    voided_reboot,      ///< the host was booted anew, into its boot layout
    voided_gone,        ///< the pool was destroyed or renamed; what it has, it keeps
    voided_stop,        ///< the service stopped, and gave the pool what it was booted with
    not_applied,        ///< the switch never came into force
};
/// "kept-better" and so on: stable names.
[[nodiscard]] std::string_view to_string(Ending ending);
[[nodiscard]] std::optional<Ending> ending_from_string(std::string_view name);
/// What happened, as a sentence: "the new one is better".
[[nodiscard]] std::string_view meaning(Ending ending);

/// From the decision to switch to the end of the trial.
struct Trial {
    /// The switch goes back, from an option that was kept on a prediction alone to the one before
    /// it. That one stays unless it is found to be worse.
    bool check = false;
    Knob knob = Knob::layout;
    Change from = {}, to = {}; ///< of this knob
    Option from_option = boot_option, to_option = boot_option;
    double promised = 0;   ///< predicted gain
    bool in_force = false; ///< `to` is
    Nanoseconds since = 0; ///< that it is in force, or that the trial began to measure anew
    unsigned settled = 0, extensions = 0;
    std::optional<Ending> cancelled = {}; ///< how to end it once it is known what is in force
    std::vector<TrialWindow> before = {}, after = {};
};

/// A change that was asked for, until it is known whether the host has it.
struct Pending {
    bool revert = false; ///< or a switch
    Change target;
    std::uint64_t serial = 0; ///< that its result will bear
    Nanoseconds asked = 0;
    bool in_flight = true; ///< false: it failed, or its process is gone; the host must be read
    unsigned failures = 0;
    Nanoseconds retry_at = 0; ///< a revert that failed
};

/// An option that was kept on a prediction alone is in force.
struct Unmeasured {
    Change from = {}; ///< what there was before
    Option from_option = boot_option;
    Nanoseconds due = 0; ///< when it is to be measured
};

/// What is remembered of each knob.
struct KnobState {
    std::optional<Nanoseconds> changed_at = {}; ///< by whomsoever
    unsigned setbacks = 0;                      ///< switches in a row that did not last
    std::optional<Unmeasured> unmeasured = {};
};

struct State {
    Nanoseconds now = 0;
    Mode mode = Mode::observe;
    Intent intent = Intent::balanced;
    bool paused = false;
    std::optional<PoolSeen> pool = {};
    bool unread = true; ///< the pool is to be read again before anything is judged or asked for
    std::vector<PastWindow> history = {}; ///< under the layout in force, oldest first
    std::optional<Trial> trial = {};
    std::optional<Pending> pending = {};
    std::array<KnobState, all_knobs.size()> knobs = {};
    std::uint64_t serial = 0; ///< of the last change that was asked for
    std::vector<Quarantined> quarantines = {};
    std::vector<Nanoseconds> switches = {}; ///< of the last day
    std::vector<Nanoseconds> reverts = {};  ///< for cause, that the breaker still counts
    Nanoseconds stand_down_until = 0, breaker_until = 0;

    [[nodiscard]] KnobState& of(Knob knob) { return knobs[static_cast<std::size_t>(knob)]; }
    [[nodiscard]] const KnobState& of(Knob knob) const {
        return knobs[static_cast<std::size_t>(knob)];
    }
};

} // namespace intellisched
