// SPDX-License-Identifier: MIT
#include "src/policy/machine.hpp"

#include "src/policy/stepper.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched {
namespace {

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

} // namespace

std::string text_of(Nanoseconds time) {
    const double seconds = static_cast<double>(time) / static_cast<double>(second);
    if (seconds < 120) return fmt::format("{:.0f} s", seconds);
    if (seconds < 7200) return fmt::format("{:.0f} min", seconds / 60);
    return fmt::format("{:.1f} h", seconds / 3600);
}

bool by_hand(const State& state, const PolicySettings& settings, Knob knob) {
    if (state.mode != Mode::automatic) return true;
    return knob == Knob::layout ? !state.pool || !state.pool->can_rearrange
                                : !settings.tune_rate_limit;
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
    if (state_.pool->rate_limit_us && window.rate_limit_us != state_.pool->rate_limit_us)
        return because("other-rate-limit", "the window is of another rate limit, {}",
                       window.rate_limit_us ? rate_limit_text(*window.rate_limit_us)
                                            : "which was not told");
    if (state_.trial) return measure(window);

    const std::size_t most = 2 * std::max(settings_.windows, settings_.trial.windows) + 1;
    state_.history.push_back({state_.now, window});
    if (state_.history.size() > most)
        state_.history.erase(state_.history.begin(),
                             state_.history.end() - static_cast<std::ptrdiff_t>(most));
    judge_pool();
}

void Stepper::take(const PoolSeen& pool) {
    if (!state_.pool) {
        state_.pool = pool;
        state_.unread = false;
        return;
    }
    const PoolSeen old = *state_.pool;
    state_.pool = pool;
    // A rate limit that was told, and is not for once, is what it was until it is told again.
    state_.unread = old.rate_limit_us && !pool.rate_limit_us;
    if (state_.unread) state_.pool->rate_limit_us = old.rate_limit_us;

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
    if (state_.pending && !state_.unread && pool.has(asked))
        in_force();
    else if (state_.pending && !state_.pending->revert && !state_.pending->in_flight &&
             !foreign_layout && !foreign_rate_limit && !state_.unread)
        not_in_force("the host still has what it had");
    // A pool that was made anew has the layout and the rate limit of the boot; nobody chose them.
    if (foreign_layout) foreign(Knob::layout, other_topology && pool.in_force == pool.boot);
    if (other_topology && state_.trial) void_trial(Ending::voided_topology);
    if (foreign_rate_limit)
        foreign(Knob::rate_limit, other_topology && pool.rate_limit_us == pool.boot_rate_limit_us);
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
        because("pool-anew", "the pool was formed anew, with what it was booted with, {}", now);
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
        return because("late-result",
                       "what was asked for {}, but too late: it had been given up, and what the "
                       "pool has now is read again",
                       result.done ? "was done" : "has failed");
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

void Stepper::take(const Pause& /*pause*/) {
    state_.paused = true;
    because("paused-by-hand", "paused by hand: no switches until `intellisched resume`");
}

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

void Stepper::take(const Leaving& /*leaving*/) {
    because("leaving", "the service stops, and the pool gets back what it was booted with");
    forget_pool();
    if (state_.trial) end(Ending::voided_stop);
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
    if (state_.trial && !state_.trial->cancelled && !may_have(*state_.trial))
        void_trial(Ending::voided_mode);
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
