// SPDX-License-Identifier: MIT
#include "src/policy/machine.hpp"

#include "src/policy/stepper.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched {
namespace {

// No formula of logarithms of times and rates gives more; sums of squares stay finite.
constexpr double largest_utility = 1e6;

bool passed(Nanoseconds time, Nanoseconds stretch, Nanoseconds now) {
    return now >= later(time, stretch);
}

/// Makes `time` of the old clock one of the new clock that is as far from now; one that would be
/// before the new clock's beginning is its beginning.
void move(Nanoseconds& time, Nanoseconds old_now, Nanoseconds new_now) {
    if (time >= old_now)
        time = later(new_now, time - old_now);
    else
        time = new_now - std::min(new_now, old_now - time);
}

void move_clock(State& state, Nanoseconds now) {
    const auto to_new = [&](Nanoseconds& time) { move(time, state.now, now); };
    to_new(state.stand_down_until);
    to_new(state.breaker_until);
    for (KnobState& knob : state.knobs) {
        if (knob.changed_at) to_new(*knob.changed_at);
        if (knob.unmeasured) to_new(knob.unmeasured->due);
    }
    for (auto& entry : state.quarantines) to_new(entry.until);
    for (auto* times : {&state.switches, &state.reverts})
        for (Nanoseconds& time : *times) to_new(time);
    state.now = now;
}

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

std::string text_of(Nanoseconds time) {
    const double seconds = static_cast<double>(time) / static_cast<double>(second);
    if (seconds < 120) return fmt::format("{:.0f} s", seconds);
    if (seconds < 7200) return fmt::format("{:.0f} min", seconds / 60);
    return fmt::format("{:.1f} h", seconds / 3600);
}

Change boot_of(const PoolSeen& pool, const PolicySettings& settings) {
    Change boot;
    if (pool.can_rearrange) boot.arrangement = pool.boot;
    if (pool.rate_limit_us && settings.tune_rate_limit)
        boot.rate_limit_us = pool.boot_rate_limit_us;
    return boot;
}

PoolVerdict step(State& state, Nanoseconds time, const Input& input,
                 const PolicySettings& settings) {
    const auto* restarted = std::get_if<Restarted>(&input);
    if (restarted && restarted->rebooted) move_clock(state, time);
    state.now = std::max(state.now, time);
    Stepper stepper(state, settings);
    stepper.prune();
    std::visit([&](const auto& what) { stepper.take(what); }, input);
    stepper.chase();
    return std::move(stepper).verdict();
}

void Stepper::prune() {
    const auto over = [&](Nanoseconds stretch) {
        return [&, stretch](Nanoseconds time) { return passed(time, stretch, state_.now); };
    };
    std::erase_if(state_.switches, over(24 * hour));
    std::erase_if(state_.reverts, over(settings_.breaker_within));
    std::erase_if(state_.history, [&](const PastWindow& past) {
        return passed(past.time, settings_.window_age, state_.now);
    });
}

void Stepper::take(const WindowSeen& window) {
    if (state_.mode == Mode::off) {
        verdict_.decision = Decision::abstain;
        return because("mode-off", "the policy is off for this pool");
    }
    if (!state_.pool) {
        verdict_.decision = Decision::abstain;
        return because("no-pool", "the host has not told yet what the pool is and has");
    }
    if (state_.pending)
        return because("apply-pending", "it is not known yet whether {} came into force",
                       to_string(state_.pending->target));
    if (state_.unread)
        return because("layout-unread", "the layout in force is to be read again first");
    if (window.in_force != state_.pool->in_force)
        return because("other-layout", "the window is of another layout, {}",
                       to_string(window.in_force));
    if (window.rate_limit_us && state_.pool->rate_limit_us &&
        window.rate_limit_us != state_.pool->rate_limit_us)
        return because("other-rate-limit", "the window is of another rate limit, {}",
                       rate_limit_text(*window.rate_limit_us));
    if (state_.trial) return measure(window);

    const std::size_t most = 2 * std::max(settings_.windows, settings_.trial.windows) + 1;
    state_.history.push_back({state_.now, window});
    if (state_.history.size() > most)
        state_.history.erase(state_.history.begin(),
                             state_.history.end() - static_cast<std::ptrdiff_t>(most));
    judge_pool();
}

bool turns(const Change& change, Knob knob) {
    return knob == Knob::layout ? change.arrangement.has_value() : change.rate_limit_us.has_value();
}

bool Stepper::turns_rate_limit() const {
    return settings_.tune_rate_limit && state_.pool->rate_limit_us &&
           std::ranges::any_of(state_.history, [](const PastWindow& past) {
               return past.window.of_rate_limit.has_value();
           });
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
    return judge(evidence(knob), knob, state_.pool->option(knob), state_.pool->classes(knob),
                 settings_.gate, margins(knob));
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
    if (turns_rate_limit()) verdict_.of_rate_limit = judged(Knob::rate_limit);

    if (!check_unmeasured(Knob::rate_limit) && !check_unmeasured(Knob::layout)) {
        if (verdict_.of_rate_limit && state_.mode == Mode::automatic)
            try_out(Knob::rate_limit, *verdict_.of_rate_limit);
        if (!state_.trial) try_out(Knob::layout, of_layout);
    }
    verdict_.evidence = std::move(of_layout);
}

void Stepper::try_out(Knob knob, const Verdict& judged) {
    if (judged.decision != Decision::switch_option || obstacles(knob, judged)) return;
    if (knob == Knob::rate_limit) // the layout's are there already
        verdict_.reasons.insert(verdict_.reasons.end(), judged.reasons.begin(),
                                judged.reasons.end());
    begin({.knob = knob,
           .to = turn(knob, judged.option),
           .to_option = judged.option,
           .promised = judged.mean.expected_gain[index(judged.option)]},
          samples(settings_.trial.windows));
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

bool Stepper::obstacles(Knob knob, const Verdict& judged) {
    const std::size_t before = verdict_.reasons.size();
    const Nanoseconds now = state_.now;
    const PoolSeen& pool = *state_.pool;
    const Classes classes = pool.classes(knob);
    if (pool.exactly(knob) && classes[index(judged.option)] == classes[index(pool.option(knob))])
        because("equivalent", "{} gives what is there already",
                to_string(turn(knob, judged.option)));
    if (state_.mode == Mode::recommend)
        because("mode-recommend", "it is recommended only: the pool's mode is recommend");
    if (state_.paused) because("paused", "the policy is paused");
    if (now < state_.stand_down_until)
        because("standing-down", "somebody else changed the pool: respected for another {}",
                text_of(state_.stand_down_until - now));
    if (now < state_.breaker_until)
        because("breaker-open", "too many switches were wrong: none for another {}",
                text_of(state_.breaker_until - now));
    if (knob == Knob::layout && !pool.can_rearrange)
        because("cannot-rearrange", "the host cannot change the layout while the pool runs");
    const auto changed_at = state_.of(knob).changed_at;
    if (changed_at && !passed(*changed_at, dwell(knob), now))
        because("dwell", "the {} changed {} ago, {} are needed between changes", words_of(knob),
                text_of(now - *changed_at), text_of(dwell(knob)));
    const auto last_hour =
        std::count_if(state_.switches.begin(), state_.switches.end(),
                      [&](Nanoseconds time) { return !passed(time, hour, now); });
    if (static_cast<std::size_t>(last_hour) >= settings_.switches_an_hour)
        because("rate-limit", "{} switches within the hour, which is all that may be", last_hour);
    if (state_.switches.size() >= settings_.switches_a_day)
        because("rate-limit", "{} switches within the day, which is all that may be",
                state_.switches.size());
    const std::size_t needed = settings_.trial.windows;
    // Some more than the baseline: a load that has just become another one must be gone from it.
    const std::vector<TrialWindow> recent = samples(needed + needed / 3);
    if (recent.size() < needed)
        because("no-baseline",
                "{} windows in a row have a score to compare a new {} with, {} are needed",
                recent.size(), words_of(knob), needed);
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
    if (!state_.of(knob).unmeasured || state_.mode != Mode::automatic || state_.paused)
        return false;
    const Unmeasured unmeasured = *state_.of(knob).unmeasured;
    if (state_.now < unmeasured.due) return false;
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

void Stepper::take(const PoolSeen& pool) {
    if (!state_.pool) {
        state_.pool = pool;
        state_.unread = false;
        return;
    }
    const PoolSeen old = *state_.pool;
    state_.pool = pool;
    state_.unread = false;

    const bool other_topology = pool.topology != old.topology || pool.same != old.same;
    if (other_topology) {
        because("topology-changed", "the pool's CPUs or runqueues are others than before");
        state_.history.clear();
        for (KnobState& knob : state_.knobs) knob.unmeasured.reset();
        state_.quarantines.clear(); // of partitions that are no more
    }
    // Half of what was asked for is ours, too.
    const Change asked = state_.pending ? state_.pending->target : Change{};
    const bool foreign_layout = pool.in_force != old.in_force && pool.in_force != asked.arrangement;
    const bool foreign_rate_limit = old.rate_limit_us && pool.rate_limit_us &&
                                    pool.rate_limit_us != old.rate_limit_us &&
                                    pool.rate_limit_us != asked.rate_limit_us;
    if (state_.pending && pool.has(asked))
        in_force();
    else if (state_.pending && !state_.pending->revert && !state_.pending->in_flight &&
             !foreign_layout && !foreign_rate_limit)
        not_in_force("the host still has what it had");
    // A pool that was made anew has the layout and the rate limit of the boot; nobody chose them.
    if (foreign_layout) foreign(Knob::layout, other_topology && pool.in_force == pool.boot);
    if (other_topology && state_.trial) void_trial(Ending::voided_topology);
    if (foreign_rate_limit && !other_topology) foreign(Knob::rate_limit, false);
}

void Stepper::foreign(Knob knob, bool anew) {
    const PoolSeen& pool = *state_.pool;
    if (state_.pending && turns(state_.pending->target, knob)) state_.pending.reset();
    state_.of(knob).unmeasured.reset();
    state_.of(knob).changed_at = state_.now;
    state_.history.clear(); // of windows under what there was before
    const bool advised = knob == Knob::rate_limit && pool.rate_limit_us == pool.advised_limit_us;
    const std::string now = to_string(pool.now(turn(knob, boot_option)));
    if (anew)
        because("pool-anew", "the pool was formed anew, with the boot layout, {}", now);
    else if (advised)
        because("advice-followed", "the pool has {} now, as was advised", now);
    else
        because("foreign-change", "somebody else gave the pool {}", now);
    if (!anew && !advised && state_.mode == Mode::automatic)
        state_.stand_down_until = later(state_.now, settings_.stand_down);
    if (!state_.trial) return;
    if (state_.trial->knob == knob)
        end(anew ? Ending::voided_topology : Ending::voided_foreign);
    else
        void_trial(knob == Knob::layout ? Ending::voided_layout : Ending::voided_rate_limit);
}

void Stepper::take(const ApplyResult& result) {
    if (!state_.pending || !state_.pending->in_flight || state_.pending->serial != result.serial)
        return because("late-result", "a result of something that is no longer waited for");
    const Pending& pending = *state_.pending;
    if (result.done) {
        const Change& target = pending.target;
        if (target.arrangement) state_.pool->in_force = *target.arrangement;
        if (target.rate_limit_us) state_.pool->rate_limit_us = target.rate_limit_us;
        state_.unread = true; // which of the choices that is, and what is there indeed
        return in_force();
    }
    because("apply-failed", "{} could not be applied: {}", to_string(pending.target), result.text);
    failed();
}

void Stepper::take(const SetMode& set) {
    if (set.mode == state_.mode) return;
    state_.mode = set.mode;
    if (state_.trial) void_trial(Ending::voided_mode);
}

void Stepper::take(const SetIntent& set) {
    if (set.intent == state_.intent) return;
    state_.intent = set.intent;
    state_.history.clear();
    if (state_.trial) void_trial(Ending::voided_intent);
}

void Stepper::take(const Pause& /*pause*/) { state_.paused = true; }

void Stepper::take(const Resume& /*resume*/) {
    state_.paused = false;
    state_.stand_down_until = state_.breaker_until = 0;
    for (KnobState& knob : state_.knobs) knob.setbacks = 0;
    state_.reverts.clear();
    because("resumed", "resumed by hand");
}

void Stepper::take(const Restarted& restarted) {
    because("restarted", "{}", restarted.rebooted ? "the host was booted anew" : "the service was");
    if (restarted.rebooted) {
        forget_pool();
        if (state_.trial) end(Ending::voided_reboot);
        return;
    }
    state_.history.clear();
    state_.unread = true;
    if (state_.pending) state_.pending->in_flight = false;
    if (!state_.trial) return;
    state_.trial->since = state_.now;
    state_.trial->settled = 0;
    state_.trial->after.clear(); // the guests may have changed what they do in the meantime
}

void Stepper::take(const PoolGone& /*gone*/) {
    because("pool-gone", "there is no credit2 cpupool of that name any more");
    forget_pool();
    if (state_.trial) end(Ending::voided_gone);
}

void Stepper::forget_pool() {
    state_.history.clear();
    state_.unread = true;
    state_.pool.reset();
    state_.pending.reset();
    for (KnobState& knob : state_.knobs) knob.unmeasured.reset();
}

void Stepper::failed() {
    Pending& pending = *state_.pending;
    pending.in_flight = false; // a switch is given up unless it is found in force
    pending.retry_at =
        later(state_.now, doubled(settings_.retry, pending.failures, settings_.longest_retry));
    ++pending.failures;
}

void Stepper::chase() {
    if (state_.trial && state_.trial->in_force &&
        passed(state_.trial->since, settings_.trial.longest, state_.now)) {
        if (state_.trial->after.size() >= settings_.trial.least_windows)
            conclude();
        else
            end(state_.trial->check ? Ending::went_back : Ending::reverted_untested);
    }
    if (!state_.pending) return;
    const Pending& pending = *state_.pending;
    if (pending.in_flight && passed(pending.asked, settings_.apply_timeout, state_.now)) {
        because("apply-failed", "nothing was heard of {} for {}", to_string(pending.target),
                text_of(settings_.apply_timeout));
        failed();
    }
    // What is in force must be known: somebody else's layout is not to be overwritten.
    if (pending.revert && !pending.in_flight && !state_.unread && state_.now >= pending.retry_at)
        ask(Change{pending.target}, true);
}

} // namespace intellisched
