// SPDX-License-Identifier: MIT
// What the windows speak for, and what is in the way of trying it.
#include "src/base/counted.hpp"
#include "src/policy/stepper.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched {
namespace {

// No formula of logarithms of times and rates gives more; sums of squares stay finite.
constexpr double largest_utility = 1e6;

/// Windows with these options out of the choice.
void leave_out(Prediction& prediction, const std::array<bool, option_count>& out,
               const Classes& classes, Option current) {
    double left = 0;
    for (const Option option : all_options)
        if (!out[index(option)] && classes[index(option)] == option)
            left += prediction.probability[index(option)];
    for (const Option option : all_options) {
        const std::size_t o = index(option);
        if (out[o]) prediction.expected_gain[o] = -1;
        prediction.probability[o] = out[o] || left <= 0 ? 0 : prediction.probability[o] / left;
    }
    prediction.best = favourite(prediction, classes, current);
}

} // namespace

bool scored(const WindowSeen& window, const InputGate& gate) {
    const auto can_be = [](std::optional<double> term) {
        return !term || std::abs(*term) <= largest_utility;
    };
    return std::abs(window.utility) <= largest_utility &&
           std::all_of(window.guests.begin(), window.guests.end(),
                       [&](const GuestSeen& guest) {
                           const GuestTerms& terms = guest.terms;
                           return terms.claim >= 0 && terms.claim <= largest_utility &&
                                  terms.demand >= 0 && terms.demand <= largest_utility &&
                                  can_be(terms.work) && can_be(terms.headroom) &&
                                  can_be(terms.tail) && can_be(terms.share);
                       }) &&
           !rejected(window.observation, gate);
}

bool turns(const Change& change, Knob knob) {
    return knob == Knob::layout ? change.arrangement.has_value() : change.rate_limit_us.has_value();
}

bool Stepper::has_rate_limit() const {
    return state_.pool->rate_limit_us &&
           std::ranges::any_of(state_.history, [](const PastWindow& past) {
               return past.window.of_rate_limit.has_value();
           });
}

bool Stepper::may_have(const Trial& trial) const {
    const auto us = trial.to.rate_limit_us;
    return !us || trial.check ||
           (settings_.tune_rate_limit && *us >= settings_.least_rate_limit_us &&
            *us <= settings_.highest_rate_limit_us);
}

std::vector<Observation> Stepper::evidence(Knob knob) {
    const PoolSeen& pool = *state_.pool;
    const Classes classes = pool.classes(knob);
    const Option current = pool.option(knob);
    const std::size_t count = std::min<std::size_t>(state_.history.size(), settings_.windows);
    std::vector<Observation> windows;
    std::vector<Workload> workloads;
    for (std::size_t i = state_.history.size() - count; i < state_.history.size(); ++i) {
        workloads.push_back(state_.history[i].window.workload);
        if (const auto seen = state_.history[i].window.about(knob)) windows.push_back(*seen);
    }
    const Workload workload = mean_workload(workloads);
    std::array<bool, option_count> out{};
    for (const Option option : all_options) {
        const Option representative = classes[index(option)];
        if (representative == classes[index(current)]) continue;
        if (knob == Knob::rate_limit && (limit_of(option) < settings_.least_rate_limit_us ||
                                         limit_of(option) > settings_.highest_rate_limit_us)) {
            out[index(option)] = true;
            continue;
        }
        const auto* entry = quarantined(state_.quarantines, knob, representative, state_.intent,
                                        workload, state_.now, settings_.quarantine);
        if (!entry) continue;
        out[index(option)] = true;
        if (option == representative)
            because("quarantined",
                    "{} did not stand its trial on this load ({} so far): not tried "
                    "again for {}",
                    to_string(turn(knob, option)), entry->times,
                    text_of(entry->until - state_.now));
    }
    if (std::find(out.begin(), out.end(), true) != out.end())
        for (Observation& window : windows)
            if (!rejected(window, settings_.gate))
                leave_out(window.prediction, out, classes, current);
    return windows;
}

Verdict Stepper::judged(Knob knob) {
    const PoolSeen& pool = *state_.pool;
    const Option current = pool.option(knob);
    const Classes classes = pool.classes(knob);
    Verdict verdict = judge(evidence(knob), knob, current, classes, settings_.gate, margins(knob));
    if (verdict.decision == Decision::switch_option && pool.exactly(knob) &&
        classes[index(verdict.option)] == classes[index(current)]) {
        verdict.decision = Decision::keep;
        verdict.reasons.push_back({"equivalent", fmt::format("{} gives what is there already",
                                                             text_of(knob, verdict.option))});
        verdict.option = current;
    }
    return verdict;
}

void Stepper::judge_pool() {
    if (state_.mode == Mode::observe) {
        verdict_.decision = Decision::abstain;
        return because("mode-observe", "the pool is only observed");
    }
    Verdict of_layout = judged(Knob::layout);
    verdict_.reasons.insert(verdict_.reasons.end(), of_layout.reasons.begin(),
                            of_layout.reasons.end());
    verdict_.decision = of_layout.decision;
    if (of_layout.decision == Decision::switch_option) verdict_.decision = Decision::keep;
    if (has_rate_limit()) verdict_.of_rate_limit = judged(Knob::rate_limit);

    if (!check_unmeasured(Knob::rate_limit) && !check_unmeasured(Knob::layout)) {
        if (verdict_.of_rate_limit) try_out(Knob::rate_limit, *verdict_.of_rate_limit);
        if (!state_.trial) try_out(Knob::layout, of_layout);
    }
    verdict_.evidence = std::move(of_layout);
}

void Stepper::try_out(Knob knob, const Verdict& judged) {
    if (judged.decision != Decision::switch_option) return;
    const Change to = turn(knob, judged.option);
    const bool recommended = by_hand(state_, settings_, knob);
    if (!recommended && obstacles(knob)) return;
    if (recommended) {
        if (knob == Knob::rate_limit) // the layout's are there already
            verdict_.reasons.insert(verdict_.reasons.end(), judged.reasons.begin(),
                                    judged.reasons.end());
        return recommend(knob, to);
    }
    if (knob == Knob::rate_limit) verdict_.reasons = judged.reasons; // not the layout's
    begin({.knob = knob,
           .to = to,
           .to_option = judged.option,
           .promised = judged.mean.expected_gain[index(judged.option)]},
          samples(settings_.trial.windows));
}

void Stepper::recommend(Knob knob, const Change& to) {
    verdict_.decision = Decision::recommend;
    if (to.arrangement) verdict_.target.arrangement = to.arrangement;
    if (to.rate_limit_us) verdict_.target.rate_limit_us = to.rate_limit_us;
    if (state_.mode == Mode::recommend)
        because("mode-recommend", "it is recommended only: the pool's mode is recommend");
    else if (knob == Knob::layout)
        because("cannot-rearrange", "the host cannot change the layout while the pool runs");
    else
        because("rate-limit-kept", "the rate limit is left alone: the pool's rate_limit is keep");
}

Nanoseconds Stepper::dwell(Knob knob) const {
    const double part = knob == Knob::rate_limit ? settings_.rate_limit_dwell_part : 1;
    return doubled(static_cast<Nanoseconds>(part * static_cast<double>(settings_.dwell)),
                   state_.of(knob).setbacks, settings_.longest_dwell);
}

Margins Stepper::margins(Knob knob) const {
    Margins margins = settings_.switch_margins;
    if (knob == Knob::rate_limit) return margins;
    double part = 0; // of a layout that nobody has changed
    if (const auto changed_at = state_.of(knob).changed_at) {
        const auto since = static_cast<double>(state_.now - std::min(state_.now, *changed_at));
        part = static_cast<double>(dwell(knob)) / std::max(since, 1.0);
    }
    margins.gain *= std::clamp(part, settings_.least_gain_part, 1.0);
    return margins;
}

bool Stepper::obstacles(Knob knob) {
    const std::size_t before = verdict_.reasons.size();
    const Nanoseconds now = state_.now;
    if (state_.paused) because("paused", "the policy is paused");
    if (now < state_.stand_down_until)
        because("standing-down", "somebody else changed the pool: respected for another {}",
                text_of(state_.stand_down_until - now));
    if (now < state_.breaker_until)
        because("breaker-open", "too many switches were wrong: none for another {}",
                text_of(state_.breaker_until - now));
    if (!state_.history.empty() && state_.history.back().window.weight_on_trial)
        because("weight-on-trial", "the weight of a guest is on trial: one at a time");
    const auto changed_at = state_.of(knob).changed_at;
    if (changed_at && !passed(*changed_at, dwell(knob), now))
        because("dwell", "the {} changed {} ago, {} are needed between changes", words_of(knob),
                text_of(now - *changed_at), text_of(dwell(knob)));
    const auto last_hour =
        std::count_if(state_.switches.begin(), state_.switches.end(),
                      [&](Nanoseconds time) { return !passed(time, hour, now); });
    if (static_cast<std::size_t>(last_hour) >= settings_.switches_an_hour)
        because("rate-limit", "{} within the hour, which is all that may be",
                counted(last_hour, "switch", "switches"));
    if (state_.switches.size() >= settings_.switches_a_day)
        because("rate-limit", "{} within the day, which is all that may be",
                counted(state_.switches.size(), "switch", "switches"));
    const std::size_t needed = settings_.trial.windows;
    // Some more than the baseline: a load that has just become another one must be gone from it.
    const std::vector<TrialWindow> recent = samples(needed + needed / 3);
    if (recent.size() < needed)
        because("no-baseline", "{} a score to compare a new {} with, {} are needed",
                counted(recent.size(), "window in a row has", "windows in a row have"),
                words_of(knob), needed);
    else if (!steady(recent, settings_.trial))
        because("load-changing",
                "the load is becoming another one; what is there to compare a new "
                "{} with is a mixture of both",
                words_of(knob));
    else if (!same_guests(recent))
        because("guests-changing",
                "too few of the guests have been there for long enough to "
                "compare a new {} by",
                words_of(knob));
    return verdict_.reasons.size() > before;
}

bool Stepper::check_unmeasured(Knob knob) {
    if (!state_.of(knob).unmeasured || state_.mode != Mode::automatic || state_.paused ||
        state_.now < state_.stand_down_until || state_.now < state_.breaker_until ||
        (knob == Knob::rate_limit && !settings_.tune_rate_limit))
        return false;
    const Unmeasured unmeasured = *state_.of(knob).unmeasured;
    if (state_.now < unmeasured.due) return false;
    if (!state_.history.empty() && state_.history.back().window.weight_on_trial) return false;
    const std::size_t needed = settings_.trial.windows;
    const std::vector<TrialWindow> recent = samples(needed + needed / 3);
    if ((recent.size() < needed || !steady(recent, settings_.trial)) &&
        !passed(unmeasured.due, settings_.measure_after, state_.now))
        return false;
    because("measuring", "{} was kept on a prediction alone: measured against {} now",
            to_string(state_.pool->now(unmeasured.from)), to_string(unmeasured.from));
    begin({.check = true, .knob = knob, .to = unmeasured.from, .to_option = unmeasured.from_option},
          samples(needed));
    return true;
}

std::vector<TrialWindow> Stepper::samples(std::size_t most) const {
    std::vector<TrialWindow> samples;
    const auto& history = state_.history;
    for (auto past = history.rbegin(); past != history.rend(); ++past) {
        if (samples.size() >= most) break;
        if (scored(past->window, settings_.gate))
            samples.push_back(
                {past->window.utility, 0, past->window.workload, past->window.guests});
    }
    std::reverse(samples.begin(), samples.end());
    return samples;
}

} // namespace intellisched
