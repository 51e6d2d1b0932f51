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
    /// That was advised last (rate_limit_advice.hpp): whoever sets it follows the service.
    std::optional<unsigned> advised_limit_us = {};
};

/// One window of the pool.
struct WindowSeen {
    Observation observation; ///< the prediction is against PoolSeen::current
    Arrangement in_force;    ///< during all of it
    /// Live score: utility (score.hpp) under the pool's intent; NaN: none.
    double utility = 0;
    Workload workload{};
    std::vector<GuestSeen> guests =
        {}; ///< that it is made of; of these two windows can be compared
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
    voided_foreign,     ///< somebody else changed the layout; left alone
    voided_rate_limit,  ///< somebody else changed the rate limit; reverted
    voided_reboot,      ///< the host was booted anew, into its boot layout
    voided_gone,        ///< the pool was destroyed or renamed; what it has, it keeps
    not_applied,        ///< the switch never came into force
};
/// "kept-better" and so on: stable names.
[[nodiscard]] std::string_view to_string(Ending ending);
[[nodiscard]] std::optional<Ending> ending_from_string(std::string_view name);

/// From the decision to switch to the end of the trial.
struct Trial {
    /// The switch goes back, from a layout that was kept on a prediction alone to the one before
    /// it. That one stays unless it is found to be worse.
    bool check = false;
    Arrangement from = {}, to = {};
    Layout from_layout = Layout::socket, to_layout = Layout::socket;
    double promised = 0;   ///< predicted gain
    bool in_force = false; ///< `to` is
    Nanoseconds since = 0; ///< that it is in force, or that the trial began to measure anew
    unsigned settled = 0, extensions = 0;
    std::optional<Ending> cancelled = {}; ///< how to end it once it is known what is in force
    std::vector<TrialWindow> before = {}, after = {};
};

/// An arrangement that was asked for, until it is known whether the host has it.
struct Pending {
    bool revert = false; ///< or a switch
    Arrangement target;
    std::uint64_t serial = 0; ///< that its result will bear
    Nanoseconds asked = 0;
    bool in_flight = true; ///< false: it failed, or its process is gone; the host must be read
    unsigned failures = 0;
    Nanoseconds retry_at = 0; ///< a revert that failed
};

/// A layout that was kept on a prediction alone is in force.
struct Unmeasured {
    Arrangement from = {}; ///< what there was before
    Layout from_layout = Layout::socket;
    Nanoseconds due = 0; ///< when it is to be measured
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
    std::optional<Unmeasured> unmeasured = {};
    std::uint64_t serial = 0; ///< of the last arrangement that was asked for
    std::vector<Quarantined> quarantines = {};
    std::vector<Nanoseconds> switches = {};     ///< of the last day
    std::vector<Nanoseconds> reverts = {};      ///< for cause, that the breaker still counts
    std::optional<Nanoseconds> changed_at = {}; ///< the layout, by whomsoever
    unsigned setbacks = 0;                      ///< switches in a row that did not last
    Nanoseconds stand_down_until = 0, breaker_until = 0;
};

} // namespace intellisched
