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
    if (state.changed_at) to_new(*state.changed_at);
    if (state.unmeasured) to_new(state.unmeasured->due);
    for (auto& entry : state.quarantines) to_new(entry.until);
    for (auto* times : {&state.switches, &state.reverts})
        for (Nanoseconds& time : *times) to_new(time);
    state.now = now;
}

/// Windows with these layouts out of the choice.
void leave_out(Prediction& prediction, const std::array<bool, layout_count>& out,
               const Representatives& same, Layout current) {
    double left = 0;
    for (const Layout layout : all_layouts)
        if (!out[index(layout)] && same[index(layout)] == layout)
            left += prediction.probability[index(layout)];
    for (const Layout layout : all_layouts) {
        const std::size_t l = index(layout);
        if (out[l]) prediction.expected_gain[l] = -1;
        prediction.probability[l] = out[l] || left <= 0 ? 0 : prediction.probability[l] / left;
    }
    prediction.best = favourite(prediction, classes_of(same), option_of(current));
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
    if (state_.trial) return measure(window);

    const std::size_t most = 2 * std::max(settings_.windows, settings_.trial.windows) + 1;
    state_.history.push_back({state_.now, window});
    if (state_.history.size() > most)
        state_.history.erase(state_.history.begin(),
                             state_.history.end() - static_cast<std::ptrdiff_t>(most));
    judge_pool();
}

std::vector<Observation> Stepper::evidence() {
    const PoolSeen& pool = *state_.pool;
    const std::size_t count = std::min<std::size_t>(state_.history.size(), settings_.windows);
    std::vector<Observation> windows;
    std::vector<Workload> workloads;
    for (std::size_t i = state_.history.size() - count; i < state_.history.size(); ++i) {
        windows.push_back(state_.history[i].window.observation);
        workloads.push_back(state_.history[i].window.workload);
    }
    const Workload workload = mean_workload(workloads);
    std::array<bool, layout_count> out{};
    for (const Layout layout : all_layouts) {
        const Layout representative = pool.same[index(layout)];
        if (representative == pool.same[index(pool.current)]) continue;
        const auto* entry = quarantined(state_.quarantines, representative, state_.intent, workload,
                                        state_.now, settings_.quarantine);
        if (!entry) continue;
        out[index(layout)] = true;
        if (layout == representative)
            because("quarantined",
                    "{} did not stand its trial on this load ({} so far): not tried "
                    "again for {}",
                    to_string(layout), entry->times, text_of(entry->until - state_.now));
    }
    if (std::find(out.begin(), out.end(), true) != out.end())
        for (Observation& window : windows)
            if (!rejected(window, settings_.gate))
                leave_out(window.prediction, out, pool.same, pool.current);
    return windows;
}

void Stepper::judge_pool() {
    if (state_.mode == Mode::observe) {
        verdict_.decision = Decision::abstain;
        return because("mode-observe", "the pool is only observed");
    }
    Verdict judged = judge(evidence(), Knob::layout, option_of(state_.pool->current),
                           classes_of(state_.pool->same), settings_.gate, margins());
    verdict_.reasons.insert(verdict_.reasons.end(), judged.reasons.begin(), judged.reasons.end());
    verdict_.decision = judged.decision;
    if (judged.decision == Decision::switch_option) verdict_.decision = Decision::keep;
    if (!check_unmeasured() && judged.decision == Decision::switch_option && !obstacles(judged))
        begin({.to = {layout_of(judged.option), no_cap},
               .to_layout = layout_of(judged.option),
               .promised = judged.mean.expected_gain[index(judged.option)]},
              samples(settings_.trial.windows));
    verdict_.evidence = std::move(judged);
}

Nanoseconds Stepper::dwell() const {
    return doubled(settings_.dwell, state_.setbacks, settings_.longest_dwell);
}

Margins Stepper::margins() const {
    Margins margins = settings_.switch_margins;
    double part = 0; // of a layout that nobody has changed
    if (state_.changed_at) {
        const auto since =
            static_cast<double>(state_.now - std::min(state_.now, *state_.changed_at));
        part = static_cast<double>(dwell()) / std::max(since, 1.0);
    }
    margins.gain *= std::clamp(part, settings_.least_gain_part, 1.0);
    return margins;
}

bool Stepper::obstacles(const Verdict& judged) {
    const std::size_t before = verdict_.reasons.size();
    const Nanoseconds now = state_.now;
    const PoolSeen& pool = *state_.pool;
    if (pool.exact && pool.same[index(judged.option)] == pool.same[index(pool.current)])
        because("equivalent", "{} gives the runqueues that are there already",
                to_string(layout_of(judged.option)));
    if (state_.mode == Mode::recommend)
        because("mode-recommend", "it is recommended only: the pool's mode is recommend");
    if (state_.paused) because("paused", "the policy is paused");
    if (now < state_.stand_down_until)
        because("standing-down", "somebody else changed the pool: respected for another {}",
                text_of(state_.stand_down_until - now));
    if (now < state_.breaker_until)
        because("breaker-open", "too many switches were wrong: none for another {}",
                text_of(state_.breaker_until - now));
    if (!pool.can_rearrange)
        because("cannot-rearrange", "the host cannot change the layout while the pool runs");
    if (state_.changed_at && !passed(*state_.changed_at, dwell(), now))
        because("dwell", "the layout changed {} ago, {} are needed between changes",
                text_of(now - *state_.changed_at), text_of(dwell()));
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
                "{} windows in a row have a score to compare a new layout with, {} are needed",
                recent.size(), needed);
    else if (!steady(recent, settings_.trial))
        because("load-changing", "the load is becoming another one; what is there to compare a new "
                                 "layout with is a mixture of both");
    else if (!same_guests(recent))
        because("guests-changing", "too few of the guests have been there for long enough to "
                                   "compare a new layout by");
    return verdict_.reasons.size() > before;
}

bool Stepper::check_unmeasured() {
    if (!state_.unmeasured || state_.mode != Mode::automatic || state_.paused) return false;
    const Unmeasured unmeasured = *state_.unmeasured;
    if (state_.now < unmeasured.due) return false;
    const std::size_t needed = settings_.trial.windows;
    const std::vector<TrialWindow> recent = samples(needed + needed / 3);
    if ((recent.size() < needed || !steady(recent, settings_.trial)) &&
        !passed(unmeasured.due, settings_.measure_after, state_.now))
        return false;
    because("measuring", "{} was kept on a prediction alone: measured against {} now",
            to_string(state_.pool->in_force), to_string(unmeasured.from));
    begin({.check = true, .to = unmeasured.from, .to_layout = unmeasured.from_layout},
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
    const Arrangement& expected = old.in_force;
    state_.pool = pool;
    state_.unread = false;

    const bool other_topology = pool.topology != old.topology || pool.same != old.same;
    if (other_topology) {
        because("topology-changed", "the pool's CPUs or runqueues are others than before");
        state_.history.clear();
        state_.unmeasured.reset();
        state_.quarantines.clear(); // of partitions that are no more
    }
    if (state_.pending && pool.in_force == state_.pending->target) {
        in_force();
    } else if (pool.in_force != expected) {
        // A pool that was made anew has the layout of the boot; nobody chose it.
        return foreign(pool, other_topology && pool.in_force == pool.boot);
    } else if (state_.pending && !state_.pending->revert && !state_.pending->in_flight) {
        not_in_force("the host still has the old layout");
    }
    if (other_topology && state_.trial) void_trial(Ending::voided_topology);
    // A pool that was made anew has the rate limit of the boot; nobody chose it.
    if (!other_topology && old.rate_limit_us && pool.rate_limit_us &&
        *old.rate_limit_us != *pool.rate_limit_us)
        foreign_rate_limit(*pool.rate_limit_us, pool.rate_limit_us == pool.advised_limit_us);
}

void Stepper::foreign(const PoolSeen& pool, bool anew) {
    state_.pending.reset();
    state_.unmeasured.reset();
    state_.history.clear();
    state_.changed_at = state_.now;
    if (anew)
        because("pool-anew", "the pool was formed anew, with the boot layout, {}",
                to_string(pool.in_force));
    else
        because("foreign-change", "somebody else gave the pool {}", to_string(pool.in_force));
    if (!anew && state_.mode == Mode::automatic)
        state_.stand_down_until = later(state_.now, settings_.stand_down);
    if (state_.trial) end(anew ? Ending::voided_topology : Ending::voided_foreign);
}

void Stepper::foreign_rate_limit(unsigned us, bool advised) {
    state_.history.clear(); // of windows under the one before
    if (state_.trial) void_trial(Ending::voided_rate_limit);
    if (advised)
        return because("advice-followed", "the pool's rate limit is {} now, as was advised",
                       rate_limit_text(us));
    because("foreign-change", "somebody else set the pool's rate limit: {}", rate_limit_text(us));
    if (state_.mode == Mode::automatic)
        state_.stand_down_until = later(state_.now, settings_.stand_down);
}

void Stepper::take(const ApplyResult& result) {
    if (!state_.pending || !state_.pending->in_flight || state_.pending->serial != result.serial)
        return because("late-result", "a result of something that is no longer waited for");
    const Pending& pending = *state_.pending;
    if (result.done) {
        state_.pool->in_force = pending.target;
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
    state_.setbacks = 0;
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
    state_.unmeasured.reset();
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
        ask(Arrangement{pending.target}, true);
}

} // namespace intellisched
