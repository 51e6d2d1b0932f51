// SPDX-License-Identifier: MIT
#include "src/base/counted.hpp"
#include "src/policy/stepper.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched {
namespace {

bool kept(Ending ending) {
    return ending == Ending::kept_better || ending == Ending::kept_unclear ||
           ending == Ending::kept_predicted;
}

/// Whether the option itself was found wanting.
bool for_cause(Ending ending) {
    return ending == Ending::reverted_harm || ending == Ending::reverted_worse ||
           ending == Ending::reverted_unclear;
}

/// Whether the old option is to be had again.
bool goes_back(Ending ending) {
    return for_cause(ending) || ending == Ending::reverted_changed ||
           ending == Ending::reverted_predicted || ending == Ending::reverted_untested ||
           ending == Ending::voided_mode || ending == Ending::voided_intent ||
           ending == Ending::voided_topology || ending == Ending::voided_rate_limit ||
           ending == Ending::voided_layout;
}

/// How a trial ends for a loss while the load or the guests changed. The option before is the one
/// to be in then: a check is in it.
Ending lost(const Trial& trial) {
    return trial.check ? Ending::went_back : Ending::reverted_changed;
}

} // namespace

void Stepper::begin(Trial trial, std::vector<TrialWindow> before) {
    trial.from = state_.pool->now(trial.to);
    trial.from_option = state_.pool->option(trial.knob);
    trial.before = std::move(before);
    state_.trial = std::move(trial);
    state_.switches.push_back(state_.now);
    state_.history.clear();
    ask(Change{state_.trial->to}, false);
}

void Stepper::ask(const Change& target, bool revert) {
    const unsigned failures = state_.pending ? state_.pending->failures : 0;
    state_.pending = {.revert = revert,
                      .target = target,
                      .serial = ++state_.serial,
                      .asked = state_.now,
                      .in_flight = true,
                      .failures = failures,
                      .retry_at = later(state_.now, settings_.retry)};
    for (const Knob knob : all_knobs) {
        if (!turns(target, knob)) continue;
        state_.of(knob).changed_at = state_.now;
        state_.of(knob).unmeasured.reset();
    }
    verdict_.decision = revert ? Decision::revert : Decision::switch_option;
    verdict_.target = target;
    verdict_.serial = state_.serial;
    if (revert) because("reverting", "back to {}", to_string(target));
}

void Stepper::in_force() {
    const bool revert = state_.pending->revert;
    because("in-force", "{} is in force", to_string(state_.pending->target));
    for (const Knob knob : all_knobs)
        if (turns(state_.pending->target, knob)) state_.of(knob).changed_at = state_.now;
    state_.pending.reset();
    state_.history.clear();
    if (revert || !state_.trial) return;
    Trial& trial = *state_.trial;
    trial.in_force = true;
    trial.since = state_.now;
    if (trial.cancelled) end(*trial.cancelled);
}

void Stepper::not_in_force(std::string_view why) {
    because("apply-failed", "{} did not come into force: {}", to_string(state_.pending->target),
            why);
    state_.pending.reset();
    if (state_.trial) end(Ending::not_applied);
}

void Stepper::void_trial(Ending ending) {
    if (!state_.trial->in_force)
        state_.trial->cancelled = ending;
    else
        end(ending);
}

Comparison Stepper::comparison() const {
    return compare(state_.trial->before, state_.trial->after, state_.intent,
                   settings_.trial_of(state_.trial->knob));
}

void Stepper::measure(const WindowSeen& window) {
    Trial& trial = *state_.trial;
    const TrialSettings settings = settings_.trial_of(trial.knob);
    const auto observation = window.about(trial.knob);
    if (!observation)
        because("window-unusable", "there is no prediction about the {}", words_of(trial.knob));
    else if (const auto reason = rejected(*observation, settings_.gate))
        because("window-unusable", "{}", reason->text);
    else if (!scored(window, settings_.gate))
        because("window-unusable", "it has no score");
    else if (trial.settled < settings.settle) {
        ++trial.settled;
        because("settling", "window {} of {} after the switch, not counted", trial.settled,
                settings.settle);
    } else {
        const double gain_back = observation->prediction.expected_gain[index(trial.from_option)];
        trial.after.push_back({window.utility, gain_back, window.workload, window.guests});
        if (trial.after.size() >= settings.early_windows) {
            const Comparison found = comparison();
            if (find(found, settings) == Finding::much_worse)
                return end(found.changed() ? lost(trial) : Ending::reverted_harm);
            if (surely_better(found, settings)) return end(Ending::kept_better);
        }
        if (trial.after.size() >= settings.windows) return conclude();
        because("trial-running", "{} on trial: {} of {}", to_string(trial.to), trial.after.size(),
                counted(settings.windows, "window"));
    }
}

bool Stepper::small_promise(const Trial& trial) const {
    return trial.promised < settings_.switch_margins.gain;
}

void Stepper::conclude() {
    Trial& trial = *state_.trial;
    const TrialSettings settings = settings_.trial_of(trial.knob);
    const Comparison found = comparison();
    const bool favoured = found.gain_back <= -settings_.stay_gain;
    switch (find(found, settings)) {
    case Finding::better:
        return end(Ending::kept_better);
    case Finding::worse:
        return end(found.changed() ? lost(trial) : Ending::reverted_worse);
    case Finding::much_worse:
        return end(found.changed() ? lost(trial) : Ending::reverted_harm);
    case Finding::unclear: {
        if (trial.check) return end(Ending::went_back);
        // The less was promised, the likelier it was chance that did.
        const double least = small_promise(trial) ? 0 : -found.error;
        const bool leans_to_harm = found.difference + found.excused < least;
        return end(favoured && !leans_to_harm ? Ending::kept_unclear : Ending::reverted_unclear);
    }
    case Finding::incomparable:
        break;
    }
    const bool overdue = state_.now >= later(trial.since, settings.longest);
    // More windows do not bring guests back that are gone.
    if (found.guests_changed || overdue || trial.extensions >= settings.extensions) {
        if (trial.check) return end(Ending::went_back);
        return end(favoured ? Ending::kept_predicted : Ending::reverted_predicted);
    }
    ++trial.extensions;
    trial.after.clear();
    because("trial-prolonged", "the load is another one than before the switch: {}",
            counted(settings.windows, "more window"));
}

void Stepper::end(Ending ending) {
    const Trial trial = std::move(*state_.trial);
    TrialReport report{
        ending,
        trial.knob,
        trial.from,
        trial.to,
        trial.promised,
        compare(trial.before, trial.after, state_.intent, settings_.trial_of(trial.knob))};
    state_.trial.reset();
    state_.history.clear();
    const Comparison& found = report.comparison;
    if (trial.after.size() >= 2)
        because(to_string(ending),
                "{} after {}: {}; utility {:+.1f}% (standard error {:.1f}%, promised {:+.1f}%; up "
                "to {:.1f}% may be the load's, which wants another amount of CPU time now)",
                to_string(trial.to), to_string(trial.from), meaning(ending), found.difference * 100,
                found.error * 100, trial.promised * 100, found.undeserved * 100);
    else
        because(to_string(ending), "{} after {}: {}", to_string(trial.to), to_string(trial.from),
                meaning(ending));
    verdict_.trial = std::move(report);
    const auto target = trial.check ? after_check(trial, ending) : after_trial(trial, ending);
    // A pool that was formed anew may have it already.
    if (target && state_.pool && state_.pool->has(trial.to) && !state_.pool->has(*target))
        ask(*target, true);
}

void Stepper::quarantine_option(const Trial& trial, Option option) {
    std::vector<Workload> workloads;
    for (const TrialWindow& sample : trial.before) workloads.push_back(sample.workload);
    const Workload mean = mean_workload(workloads);
    const Quarantined& entry =
        quarantine(state_.quarantines, trial.knob, state_.pool->classes(trial.knob)[index(option)],
                   state_.intent, mean, state_.now, settings_.quarantine);
    because("quarantined", "{} is not tried again on this load for {}",
            to_string(turn(trial.knob, option)), text_of(entry.until - state_.now));
}

bool Stepper::trips_breaker() {
    state_.reverts.push_back(state_.now);
    if (state_.reverts.size() < settings_.breaker_reverts) return false;
    because("breaker-tripped", "{} within {}: recommendations only for {}",
            counted(state_.reverts.size(), "revert"), text_of(settings_.breaker_within),
            text_of(settings_.breaker_for));
    state_.breaker_until = later(state_.now, settings_.breaker_for);
    state_.reverts.clear();
    return true;
}

std::optional<Change> Stepper::after_trial(const Trial& trial, Ending ending) {
    KnobState& knob = state_.of(trial.knob);
    if (ending == Ending::kept_predicted)
        knob.unmeasured = {trial.from, trial.from_option,
                           later(state_.now, settings_.measure_after)};
    if (kept(ending)) knob.setbacks = 0;
    if (ending == Ending::not_applied) ++knob.setbacks;
    if (!goes_back(ending)) return std::nullopt;
    // That little was promised and nothing found says nothing against the model.
    const bool expected = ending == Ending::reverted_unclear && small_promise(trial);
    const bool blamed = for_cause(ending) && !expected;
    if (blamed || ending == Ending::reverted_changed || ending == Ending::reverted_predicted ||
        ending == Ending::reverted_untested)
        ++knob.setbacks;
    if (for_cause(ending)) quarantine_option(trial, trial.to_option);
    // Another load is no sign of a model that is wrong; windows that cannot be used, three times in
    // a row, are a sign of somebody who sees to it.
    const bool counts = blamed || ending == Ending::reverted_untested;
    return counts && trips_breaker() ? at_breaker(trial) : trial.from;
}

std::optional<Change> Stepper::after_check(const Trial& trial, Ending ending) {
    KnobState& knob = state_.of(trial.knob);
    if (ending == Ending::reverted_worse || ending == Ending::reverted_harm) {
        knob.setbacks = 0; // what was kept on a prediction has been measured now
        return trial.from;
    }
    if (ending == Ending::not_applied) ++knob.setbacks;
    if (ending != Ending::kept_better && ending != Ending::went_back) return std::nullopt;
    ++knob.setbacks;
    if (ending == Ending::kept_better) quarantine_option(trial, trial.from_option);
    if (!trips_breaker()) return std::nullopt;
    return at_breaker(trial);
}

Change Stepper::at_breaker(const Trial& trial) const {
    if (trial.knob == Knob::layout) return {.arrangement = state_.pool->boot};
    // What there was has stood its own trial, or is what somebody chose. Of a check it is in force.
    return trial.check ? trial.to : trial.from;
}

} // namespace intellisched
