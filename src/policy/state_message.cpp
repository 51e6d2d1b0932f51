// SPDX-License-Identifier: MIT
#include "src/policy/state_message.hpp"

#include "src/base/counted.hpp"
#include "src/layout/snapshot.hpp"
#include "src/model/score.hpp"
#include "src/policy/stepper.hpp"

#include <algorithm>
#include <limits>

namespace intellisched {
namespace {

constexpr std::uint32_t version = 3;
// Far above what any settings ask for; a state's size is in proportion.
constexpr int most_windows = 100'000;

void write(proto::PolicyPool& out, const PoolSeen& pool) {
    out.set_topology(pool.topology);
    out.set_can_rearrange(pool.can_rearrange);
    for (const Layout layout : pool.same) out.add_representative(std::string(to_string(layout)));
    *out.mutable_in_force() = message_of(pool.in_force);
    out.set_current(std::string(to_string(pool.current)));
    out.set_exact(pool.exact);
    *out.mutable_boot() = message_of(pool.boot);
    if (pool.rate_limit_us) out.set_rate_limit_us(*pool.rate_limit_us);
    out.set_boot_rate_limit_us(pool.boot_rate_limit_us);
}

proto::PolicyChange message_of(const Change& change) {
    proto::PolicyChange out;
    if (change.arrangement)
        *out.mutable_arrangement() = intellisched::message_of(*change.arrangement);
    if (change.rate_limit_us) out.set_rate_limit_us(*change.rate_limit_us);
    return out;
}

template<class List> void write_guests(List& out, std::span<const GuestSeen> guests) {
    for (const GuestSeen& guest : guests) {
        proto::PolicyGuest& one = *out.Add();
        one.set_uuid(guest.uuid);
        one.set_identity(guest.identity);
        one.set_claim(guest.terms.claim);
        one.set_demand(guest.terms.demand);
        if (guest.terms.work) one.set_work(*guest.terms.work);
        if (guest.terms.headroom) one.set_headroom(*guest.terms.headroom);
        if (guest.terms.tail) one.set_tail(*guest.terms.tail);
        if (guest.terms.share) one.set_share(*guest.terms.share);
    }
}

void write(proto::PolicyWindow& out, const PastWindow& past) {
    const WindowSeen& window = past.window;
    const Prediction& prediction = window.observation.prediction;
    out.set_time(past.time);
    out.set_coverage(window.observation.coverage);
    out.set_decisions(window.observation.decisions);
    out.set_rearrangements(window.observation.rearrangements);
    out.set_unexplained(!window.observation.explained);
    out.set_disordered(window.observation.disordered);
    out.set_mismatched(window.observation.mismatched);
    out.set_runs_only(window.observation.runs_only);
    out.set_cleared(window.observation.cleared);
    out.set_untracked(window.observation.untracked);
    for (const double value : prediction.probability) out.add_probability(value);
    for (const double value : prediction.expected_gain) out.add_expected_gain(value);
    out.set_best(std::string(to_string(layout_of(prediction.best))));
    out.set_outside_training(prediction.outside_training);
    *out.mutable_in_force() = message_of(window.in_force);
    out.set_utility(window.utility);
    for (const double number : window.workload) out.add_workload(number);
    write_guests(*out.mutable_guests(), window.guests);
    if (window.rate_limit_us) out.set_rate_limit_us(*window.rate_limit_us);
    if (!window.of_rate_limit) return;
    proto::PolicyPrediction& of_rate_limit = *out.mutable_of_rate_limit();
    const Prediction& about = *window.of_rate_limit;
    of_rate_limit.mutable_probability()->Add(about.probability.begin(), about.probability.end());
    of_rate_limit.mutable_expected_gain()->Add(about.expected_gain.begin(),
                                               about.expected_gain.end());
    of_rate_limit.set_best(static_cast<std::uint32_t>(index(about.best)));
    of_rate_limit.set_outside_training(about.outside_training);
}

void write(proto::PolicySample& out, const TrialWindow& sample) {
    out.set_utility(sample.utility);
    out.set_gain_back(sample.gain_back);
    for (const double number : sample.workload) out.add_workload(number);
    write_guests(*out.mutable_guests(), sample.guests);
}

void write(proto::PolicyTrial& out, const Trial& trial) {
    *out.mutable_from() = message_of(trial.from);
    *out.mutable_to() = message_of(trial.to);
    out.set_from_option(static_cast<std::uint32_t>(index(trial.from_option)));
    out.set_to_option(static_cast<std::uint32_t>(index(trial.to_option)));
    out.set_promised(trial.promised);
    out.set_in_force(trial.in_force);
    out.set_since(trial.since);
    out.set_settled(trial.settled);
    out.set_extensions(trial.extensions);
    out.set_check(trial.check);
    if (trial.cancelled) out.set_cancelled(std::string(to_string(*trial.cancelled)));
    for (const TrialWindow& sample : trial.before) write(*out.add_before(), sample);
    for (const TrialWindow& sample : trial.after) write(*out.add_after(), sample);
}

void write(proto::PolicyPending& out, const Pending& pending) {
    out.set_revert(pending.revert);
    *out.mutable_target() = message_of(pending.target);
    out.set_serial(pending.serial);
    out.set_asked(pending.asked);
    out.set_in_flight(pending.in_flight);
    out.set_failures(pending.failures);
    out.set_retry_at(pending.retry_at);
}

void write(proto::PolicyQuarantine& out, const Quarantined& entry) {
    out.set_knob(std::string(to_string(entry.knob)));
    out.set_option(static_cast<std::uint32_t>(index(entry.option)));
    out.set_intent(std::string(to_string(entry.intent)));
    for (const double number : entry.workload) out.add_workload(number);
    out.set_times(entry.times);
    out.set_until(entry.until);
}

/// Reads a message; the first thing that is wrong is kept, and what is read after it is of no use.
class StateParser {
  public:
    [[nodiscard]] const std::optional<std::string>& wrong() const { return wrong_; }
    void refuse(std::string what) {
        if (!wrong_) wrong_ = std::move(what);
    }

    Layout layout(const std::string& name) { return known(layout_from_string(name), name); }
    Intent intent(const std::string& name) { return known(intent_from_string(name), name); }
    Mode mode(const std::string& name) { return known(mode_from_string(name), name); }
    Ending ending(const std::string& name) { return known(ending_from_string(name), name); }

    Knob knob(const std::string& name) { return known(knob_from_string(name), name); }

    Arrangement arrangement(const proto::Arrangement& in) {
        return known(arrangement_of(in), in.layout());
    }

    Option option(std::uint32_t number) {
        if (number < option_count) return all_options[number];
        refuse(fmt::format("there is no option {}", number));
        return boot_option;
    }

    unsigned rate_limit(std::uint32_t us) {
        if (!possible_rate_limit(us)) refuse("a rate limit that is not possible");
        return us;
    }

    /// Of something: a change of nothing is none.
    Change change(const proto::PolicyChange& in) {
        Change out;
        if (in.has_arrangement()) out.arrangement = arrangement(in.arrangement());
        if (in.has_rate_limit_us()) out.rate_limit_us = rate_limit(in.rate_limit_us());
        if (out.empty()) refuse("a change of nothing");
        return out;
    }

    /// Of one knob.
    Change turned(const proto::PolicyChange& in, Knob knob) {
        Change out = change(in);
        if (turns(out, knob) == (out.arrangement && out.rate_limit_us))
            refuse(fmt::format("a change that is not of the {}", words_of(knob)));
        return out;
    }

    Unmeasured unmeasured(const proto::PolicyUnmeasured& in, Knob knob) {
        return {turned(in.from(), knob), option(in.from_option()), in.due()};
    }

    template<std::size_t count, class List>
    std::array<double, count> numbers(const List& in, std::string_view what) {
        std::array<double, count> out{};
        if (in.size() != static_cast<int>(count))
            refuse(fmt::format("{} for {} where there are {}", counted(in.size(), "number"), what,
                               count));
        else
            std::copy(in.begin(), in.end(), out.begin());
        return out;
    }

    template<class List> void count(const List& in) {
        if (in.size() > most_windows) refuse("too many windows");
    }

    PoolSeen pool(const proto::PolicyPool& in) {
        PoolSeen out;
        out.topology = in.topology();
        out.can_rearrange = in.can_rearrange();
        if (in.representative_size() != static_cast<int>(layout_count))
            refuse("representatives of not all layouts");
        else
            for (std::size_t l = 0; l < layout_count; ++l)
                out.same[l] = layout(in.representative(static_cast<int>(l)));
        out.in_force = arrangement(in.in_force());
        out.current = layout(in.current());
        out.exact = in.exact();
        out.boot = arrangement(in.boot());
        if (in.has_rate_limit_us()) out.rate_limit_us = rate_limit(in.rate_limit_us());
        if (in.has_boot_rate_limit_us())
            out.boot_rate_limit_us = rate_limit(in.boot_rate_limit_us());
        return out;
    }

    PastWindow window(const proto::PolicyWindow& in) {
        PastWindow out;
        out.time = in.time();
        Observation& observation = out.window.observation;
        observation.coverage = in.coverage();
        observation.decisions = in.decisions();
        observation.rearrangements = in.rearrangements();
        observation.explained = !in.unexplained();
        observation.disordered = in.disordered();
        observation.mismatched = in.mismatched();
        observation.runs_only = in.runs_only();
        if (in.has_cleared()) observation.cleared = in.cleared();
        observation.untracked = in.untracked();
        observation.prediction = {numbers<layout_count>(in.probability(), "probabilities"),
                                  numbers<layout_count>(in.expected_gain(), "gains"),
                                  option_of(layout(in.best())), in.outside_training()};
        out.window.in_force = arrangement(in.in_force());
        out.window.utility = in.utility();
        out.window.workload = numbers<workload_size>(in.workload(), "a workload");
        out.window.guests = guests(in.guests());
        if (in.has_rate_limit_us()) out.window.rate_limit_us = rate_limit(in.rate_limit_us());
        if (!in.has_of_rate_limit()) return out;
        const proto::PolicyPrediction& about = in.of_rate_limit();
        out.window.of_rate_limit = {numbers<option_count>(about.probability(), "probabilities"),
                                    numbers<option_count>(about.expected_gain(), "gains"),
                                    option(about.best()), about.outside_training()};
        return out;
    }

    template<class List> std::vector<GuestSeen> guests(const List& in) {
        if (in.size() > static_cast<int>(most_guests)) refuse("too many guests");
        std::vector<GuestSeen> out;
        for (const proto::PolicyGuest& one : in) {
            GuestSeen& guest = out.emplace_back(GuestSeen{one.uuid(), one.identity(), {}});
            guest.terms.claim = one.claim();
            guest.terms.demand = one.demand();
            if (one.has_work()) guest.terms.work = one.work();
            if (one.has_headroom()) guest.terms.headroom = one.headroom();
            if (one.has_tail()) guest.terms.tail = one.tail();
            if (one.has_share()) guest.terms.share = one.share();
        }
        return out;
    }

    template<class List> std::vector<TrialWindow> samples(const List& in) {
        count(in);
        std::vector<TrialWindow> out;
        for (const auto& one : in)
            out.push_back({one.utility(), one.gain_back(),
                           numbers<workload_size>(one.workload(), "a workload"),
                           guests(one.guests())});
        return out;
    }

    Trial trial(const proto::PolicyTrial& in) {
        Trial out;
        out.knob = in.to().has_arrangement() ? Knob::layout : Knob::rate_limit;
        out.from = turned(in.from(), out.knob);
        out.to = turned(in.to(), out.knob);
        out.from_option = option(in.from_option());
        out.to_option = option(in.to_option());
        out.promised = in.promised();
        out.in_force = in.in_force();
        out.since = in.since();
        out.settled = in.settled();
        out.extensions = in.extensions();
        out.check = in.check();
        if (!in.cancelled().empty()) out.cancelled = ending(in.cancelled());
        out.before = samples(in.before());
        out.after = samples(in.after());
        return out;
    }

    Quarantined quarantine(const proto::PolicyQuarantine& in) {
        return {knob(in.knob()),     option(in.option()),
                intent(in.intent()), numbers<workload_size>(in.workload(), "a workload"),
                in.times(),          in.until()};
    }

  private:
    template<class Value> Value known(std::optional<Value> value, const std::string& name) {
        if (!value) refuse(fmt::format("'{}' is not known", printable(name, 32)));
        return value.value_or(Value{});
    }

    std::optional<std::string> wrong_;
};

/// What version 2 said of layouts, as what came after says it.
proto::PolicyState from_version_2(proto::PolicyState state) {
    const auto option = [](const std::string& layout) {
        // An unknown name is refused as an option.
        const auto known = layout_from_string(layout);
        return known ? static_cast<std::uint32_t>(index(*known)) : std::uint32_t{option_count};
    };
    if (state.has_trial()) {
        proto::PolicyTrial& trial = *state.mutable_trial();
        *trial.mutable_from()->mutable_arrangement() = trial.from_2();
        *trial.mutable_to()->mutable_arrangement() = trial.to_2();
        trial.set_from_option(option(trial.from_layout_2()));
        trial.set_to_option(option(trial.to_layout_2()));
    }
    if (state.has_pending()) {
        proto::PolicyPending& pending = *state.mutable_pending();
        *pending.mutable_target()->mutable_arrangement() = pending.target_2();
    }
    for (proto::PolicyQuarantine& entry : *state.mutable_quarantines()) {
        entry.set_knob(std::string(to_string(Knob::layout)));
        entry.set_option(option(entry.layout_2()));
    }
    proto::PolicyKnob& layout = *state.add_knobs();
    if (state.has_changed_at_2()) layout.set_changed_at(state.changed_at_2());
    layout.set_setbacks(state.setbacks_2());
    if (state.has_unmeasured_2()) {
        proto::PolicyUnmeasured& of = *layout.mutable_unmeasured();
        of = state.unmeasured_2();
        *of.mutable_from()->mutable_arrangement() = of.from_2();
        of.set_from_option(option(of.from_layout_2()));
    }
    state.set_score_version(0); // the live score was another one
    return state;
}

/// Of another version of the program, whose utilities are others: a trial ends without them.
void forget_utilities(State& state) {
    for (PastWindow& past : state.history) {
        past.window.utility = std::numeric_limits<double>::quiet_NaN();
        past.window.guests.clear();
    }
    if (!state.trial) return;
    state.trial->before.clear();
    state.trial->after.clear();
}

/// What step() takes for granted.
void check(const State& state, StateParser& parser) {
    const bool switching = state.pending && !state.pending->revert;
    const bool unmeasured = std::ranges::any_of(
        state.knobs, [](const KnobState& knob) { return knob.unmeasured.has_value(); });
    if ((state.trial || state.pending || unmeasured) && !state.pool)
        parser.refuse("a trial or a change asked for, but no pool");
    if (switching && !state.trial) parser.refuse("a switch without a trial");
    if (state.trial && state.trial->in_force == state.pending.has_value())
        parser.refuse("a trial that is neither of a switch nor of a layout in force");
}

} // namespace

proto::PolicyState message_of(const State& state) {
    proto::PolicyState out;
    out.set_version(version);
    out.set_now(state.now);
    out.set_mode(std::string(to_string(state.mode)));
    out.set_intent(std::string(to_string(state.intent)));
    out.set_paused(state.paused);
    if (state.pool) write(*out.mutable_pool(), *state.pool);
    out.set_unread(state.unread);
    for (const PastWindow& past : state.history) write(*out.add_history(), past);
    if (state.trial) write(*out.mutable_trial(), *state.trial);
    if (state.pending) write(*out.mutable_pending(), *state.pending);
    for (const KnobState& knob : state.knobs) {
        proto::PolicyKnob& one = *out.add_knobs();
        if (knob.changed_at) one.set_changed_at(*knob.changed_at);
        one.set_setbacks(knob.setbacks);
        if (!knob.unmeasured) continue;
        *one.mutable_unmeasured()->mutable_from() = message_of(knob.unmeasured->from);
        one.mutable_unmeasured()->set_from_option(
            static_cast<std::uint32_t>(index(knob.unmeasured->from_option)));
        one.mutable_unmeasured()->set_due(knob.unmeasured->due);
    }
    out.set_serial(state.serial);
    for (const Quarantined& entry : state.quarantines) write(*out.add_quarantines(), entry);
    for (const Nanoseconds time : state.switches) out.add_switches(time);
    for (const Nanoseconds time : state.reverts) out.add_reverts(time);
    out.set_stand_down_until(state.stand_down_until);
    out.set_breaker_until(state.breaker_until);
    out.set_score_version(score_version);
    return out;
}

Result<State> state_of(const proto::PolicyState& stored) {
    const bool old = stored.version() == 2;
    const proto::PolicyState in = old ? from_version_2(stored) : stored;
    if (in.version() != version && !old)
        return fail("the policy's stored state is of version {}, this program knows {}; remove it "
                    "to begin anew",
                    in.version(), version);
    StateParser parser;
    parser.count(in.history());
    State out;
    out.now = in.now();
    out.mode = parser.mode(in.mode());
    out.intent = parser.intent(in.intent());
    out.paused = in.paused();
    if (in.has_pool()) out.pool = parser.pool(in.pool());
    out.unread = in.unread();
    for (const auto& window : in.history()) out.history.push_back(parser.window(window));
    if (in.has_trial()) out.trial = parser.trial(in.trial());
    if (in.has_pending())
        out.pending = {.revert = in.pending().revert(),
                       .target = parser.change(in.pending().target()),
                       .serial = in.pending().serial(),
                       .asked = in.pending().asked(),
                       .in_flight = in.pending().in_flight(),
                       .failures = in.pending().failures(),
                       .retry_at = in.pending().retry_at()};
    if (in.knobs_size() > static_cast<int>(all_knobs.size())) parser.refuse("too many knobs");
    for (const Knob knob : all_knobs) {
        if (static_cast<int>(knob) >= in.knobs_size()) continue;
        const proto::PolicyKnob& one = in.knobs(static_cast<int>(knob));
        KnobState& of = out.of(knob);
        if (one.has_changed_at()) of.changed_at = one.changed_at();
        of.setbacks = one.setbacks();
        if (one.has_unmeasured()) of.unmeasured = parser.unmeasured(one.unmeasured(), knob);
    }
    out.serial = in.serial();
    for (const auto& entry : in.quarantines()) out.quarantines.push_back(parser.quarantine(entry));
    out.switches.assign(in.switches().begin(), in.switches().end());
    out.reverts.assign(in.reverts().begin(), in.reverts().end());
    out.stand_down_until = in.stand_down_until();
    out.breaker_until = in.breaker_until();
    if (in.score_version() != score_version) forget_utilities(out);
    check(out, parser);
    if (parser.wrong())
        return fail("the policy's stored state is damaged: {}; remove it to begin anew",
                    *parser.wrong());
    return out;
}

} // namespace intellisched
