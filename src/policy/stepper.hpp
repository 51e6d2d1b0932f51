// SPDX-License-Identifier: MIT
// One step of the machine, in parts; for the files of the machine only. machine.cpp takes the
// inputs, choice.cpp judges, trials.cpp switches, tries and goes back.
#pragma once

#include "src/policy/machine.hpp"

namespace intellisched {

class Stepper {
  public:
    Stepper(State& state, const PolicySettings& settings) : state_(state), settings_(settings) {}

    void take(const WindowSeen& window);
    void take(const PoolSeen& pool);
    void take(const ApplyResult& result);
    void take(const SetMode& set);
    void take(const SetIntent& set);
    void take(const Pause& pause);
    void take(const Resume& resume);
    void take(const Restarted& restarted);
    void take(const PoolGone& gone);
    void take(const Leaving& leaving);
    void take(const Tick& /*tick*/) {}

    /// Forgets what is too old to matter.
    void prune();
    /// Does what time alone makes due.
    void chase();
    [[nodiscard]] PoolVerdict verdict() && { return std::move(verdict_); }

  private:
    template<class... Args>
    void because(std::string_view code, fmt::format_string<Args...> format, Args&&... args) {
        verdict_.reasons.push_back({code, fmt::format(format, std::forward<Args>(args)...)});
    }

    // choice.cpp
    void judge_pool();
    [[nodiscard]] Verdict judged(Knob knob);
    [[nodiscard]] std::vector<Observation> evidence(Knob knob);
    /// Whether there is a rate limit here, and a model of it.
    [[nodiscard]] bool has_rate_limit() const;
    /// If the verdict is to switch, begins a trial when nothing is in the way; recommends it where
    /// the knob is a person's to turn.
    void try_out(Knob knob, const Verdict& judged);
    void recommend(Knob knob, const Change& to);
    [[nodiscard]] bool obstacles(Knob knob);
    /// Puts an option that was kept on a prediction alone on trial, when that is due.
    bool check_unmeasured(Knob knob);
    [[nodiscard]] Nanoseconds dwell(Knob knob) const;
    /// What a switch has to promise now; of a layout less, the longer there was none.
    [[nodiscard]] Margins margins(Knob knob) const;
    /// The latest windows with a score, oldest first.
    [[nodiscard]] std::vector<TrialWindow> samples(std::size_t most) const;
    /// Whether the settings, which may have changed since, allow what is on trial.
    [[nodiscard]] bool may_have(const Trial& trial) const;

    // machine.cpp
    void forget_pool();
    /// Somebody else turned the knob; `anew`: nobody did, the pool was formed anew.
    void foreign(Knob knob, bool anew);
    void failed();

    // trials.cpp
    /// `trial` says what is tried and why; the rest of it is filled in.
    void begin(Trial trial, std::vector<TrialWindow> before);
    void ask(const Change& target, bool revert);
    void in_force();
    void not_in_force(std::string_view why);
    void measure(const WindowSeen& window);
    void conclude();
    /// Whether the switch was allowed only because the pool had been left alone for long.
    [[nodiscard]] bool small_promise(const Trial& trial) const;
    /// Ends the trial, and goes back if that is what the ending means.
    void end(Ending ending);
    /// Ends the trial now, or once it is known what is in force.
    void void_trial(Ending ending);
    /// Counts the ending for later trials, and returns the change to make; nothing: all stays.
    /// After a check the pool stays in the option before the one that was measured, unless that is
    /// worse.
    [[nodiscard]] std::optional<Change> after_trial(const Trial& trial, Ending ending);
    [[nodiscard]] std::optional<Change> after_check(const Trial& trial, Ending ending);
    /// Keeps the option from being tried for a while on the load that there was before the trial.
    void quarantine_option(const Trial& trial, Option option);
    /// What the pool is to have when the breaker trips: its boot layout, or of the rate limit what
    /// there was before the trial.
    [[nodiscard]] Change at_breaker(const Trial& trial) const;
    /// Counts a switch that came to nothing; whether the breaker trips.
    bool trips_breaker();
    [[nodiscard]] Comparison comparison() const;

    State& state_;
    const PolicySettings& settings_;
    PoolVerdict verdict_;
};

/// Whether the change is about this knob.
[[nodiscard]] bool turns(const Change& change, Knob knob);

/// Whether the window passes the gate and has a score, for a trial.
[[nodiscard]] bool scored(const WindowSeen& window, const InputGate& gate);

/// "5 s", "12 min" or "3.5 h".
[[nodiscard]] std::string text_of(Nanoseconds time);

} // namespace intellisched
