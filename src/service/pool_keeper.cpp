// SPDX-License-Identifier: MIT
#include "src/service/pool_keeper.hpp"

#include "src/base/log.hpp"
#include "src/layout/snapshot.hpp"
#include "src/model/score.hpp"

#include <algorithm>
#include <boost/log/sources/record_ostream.hpp>

namespace intellisched::service {
namespace {

// What else changes in a state between its acts is its clock and its windows; a restart drops them.
constexpr Nanoseconds store_every = minute;
constexpr Nanoseconds quiet = 5 * second; ///< without an input, after which a Tick is due
// Verdicts of a load at the edge of a margin change every second; the journal is for people.
constexpr Nanoseconds keep_every = 10 * second;
constexpr Nanoseconds complain_every = minute;

/// Whether the runqueues in force are those of the layout they are called by. A cap may make others
/// of them, for which a sample has no place.
bool by_name(const PoolSeen& pool) {
    return pool.exact && pool.same[index(pool.in_force.layout)] == pool.same[index(pool.current)];
}

/// Without a name and scores.
proto::Sample sample_of(const FeatureVector& features, const PoolSeen& pool, bool guest_scores) {
    proto::Sample sample;
    sample.set_guest_scores(guest_scores);
    sample.set_schema_version(feature_schema_version);
    sample.set_score_version(score_version);
    sample.set_current(std::string(to_string(pool.current)));
    for (const Layout layout : pool.same) sample.add_representative(std::string(to_string(layout)));
    sample.mutable_features()->Add(features.values.begin(), features.values.end());
    return sample;
}

/// A step as a line of the log: an id that stays the same, and in brackets a text for people.
/// `from`: what is in force of what is asked for.
std::string in_words(const PoolVerdict& verdict, const Change& from) {
    std::vector<std::string> parts;
    std::string id;
    if (verdict.trial) {
        id = "trial-ended"; // what came of it is among the reasons
        parts.emplace_back(to_string(verdict.trial->ending));
    } else if (verdict.asks()) {
        id = to_string(verdict.decision);
        parts.push_back(fmt::format("{} to {}", to_string(from), to_string(verdict.target)));
    }
    for (const Reason& reason : verdict.reasons)
        parts.push_back(id.empty() ? fmt::format("{} ({})", reason.code, reason.text)
                                   : reason.text);
    const std::string text = fmt::format("{}", fmt::join(parts, "; "));
    return id.empty() ? text : fmt::format("{} ({})", id, text);
}

} // namespace

PoolKeeper::PoolKeeper(PoolName pool, const PoolConfig& config, Journal& journal,
                       const std::string& boot, Moment now, Ask ask)
    : pool_(std::move(pool)), config_(config), journal_(journal), ask_(std::move(ask)) {
    auto stored = journal_.state(pool_.name);
    if (!stored)
        BOOST_LOG_TRIVIAL(warning) << stored.error().message << "; begun anew";
    else if (*stored) {
        state_ = std::move((*stored)->state);
        feed(Restarted{(*stored)->boot != boot}, now);
    }
    feed(SetMode{config.mode}, now);
    feed(SetIntent{config.intent}, now);
}

void PoolKeeper::configure(const PoolConfig& config, Moment now) {
    config_ = config;
    recommended_ = {}; // of other margins, or not wanted any more
    feed(SetMode{config.mode}, now);
    feed(SetIntent{config.intent}, now);
}

void PoolKeeper::saw(const PoolSeen& pool, unsigned id, Nanoseconds taken, Moment now) {
    if (taken < not_before_) return;
    pool_.id = id;
    PoolSeen seen = pool;
    if (const auto advised = recommended_[index(Knob::rate_limit)].advice.option())
        seen.advised_limit_us = limit_of(*advised);
    feed(seen, now);
}

void PoolKeeper::saw(const WindowSeen& seen, const FeatureVector& features, Nanoseconds length,
                     const std::string& bundle, Moment now) {
    if (state_.mode == Mode::off) return;
    bundle_ = bundle;
    ++metrics_.windows;
    metrics_.utility = seen.utility;
    metrics_.prediction = seen.observation.prediction;
    metrics_.of_rate_limit = seen.of_rate_limit;
    if (const auto reason = rejected(seen.observation, config_.settings.gate))
        ++metrics_.rejected[std::string(reason->code)];
    const Window window{.begin = now.wall - static_cast<UnixTime>(length),
                        .length = length,
                        .in_force = seen.in_force,
                        .rate_limit_us = state_.pool ? state_.pool->rate_limit_us : std::nullopt,
                        .coverage = seen.observation.coverage,
                        .decisions = seen.observation.decisions,
                        .utility = seen.utility,
                        .prediction = seen.observation.prediction};
    advise(feed(seen, now, &window, &features), now);
}

void PoolKeeper::advise(const PoolVerdict& verdict, Moment now) {
    if (verdict.asks()) recommended_ = {}; // a trial tells more
    for (const Knob knob : all_knobs) {
        const auto& judged = knob == Knob::layout ? verdict.evidence : verdict.of_rate_limit;
        if (!judged || verdict.asks()) continue;
        const PoolSeen& pool = *state_.pool;
        auto& [advice, since] = recommended_[index(knob)];
        if (!advice.saw(*judged, {{pool.in_force, pool.rate_limit_us}, state_.intent}, now.time,
                        config_.settings.dwell))
            continue;
        since = now.wall;
        if (!by_hand(knob)) continue;
        const auto to = advice.option();
        const std::string text =
            to ? fmt::format("recommended ({}: {}; {})", words_of(knob), advice.why(),
                             command_for(knob, *to))
               : fmt::format("nothing-recommended ({}: no other is worth a change any more; {} is "
                             "in force)",
                             words_of(knob), to_string(pool.now(turn(knob, boot_option))));
        BOOST_LOG_TRIVIAL(info) << printable(pool_.name, 64) << ": " << printable(text, 1024);
    }
}

std::string PoolKeeper::command_for(Knob knob, Option option) const {
    if (knob == Knob::rate_limit) return rate_limit_command(pool_.name, pool_.id, limit_of(option));
    return layout_command(pool_.name, pool_.id, state_.pool && state_.pool->can_rearrange,
                          layout_of(option));
}

void PoolKeeper::applied(const ApplyResult& result, Nanoseconds finished, Moment now) {
    not_before_ = finished;
    feed(result, now);
}

void PoolKeeper::pause(Moment now) {
    if (!state_.paused) feed(Pause{}, now);
}

void PoolKeeper::resume(Moment now) {
    const bool ends_something =
        state_.paused || state_.stand_down_until > 0 || state_.breaker_until > 0 ||
        !state_.reverts.empty() ||
        std::ranges::any_of(state_.knobs, [](const KnobState& knob) { return knob.setbacks > 0; });
    if (ends_something) feed(Resume{}, now);
}

void PoolKeeper::tick(Moment now) {
    if (now.time >= last_input_ + quiet) feed(Tick{}, now);
}

void PoolKeeper::gone(Moment now) {
    recommended_ = {};
    if (state_.pool || state_.trial) feed(PoolGone{}, now);
}

bool PoolKeeper::wants_reading() const {
    return state_.unread || !state_.pool || (state_.pending && !state_.pending->in_flight);
}

const PoolVerdict& PoolKeeper::feed(const Input& input, Moment now, const Window* window,
                                    const FeatureVector* features) {
    const bool of_window = window != nullptr;
    std::optional<State> before;
    if (of_window && state_.mode == Mode::automatic && !state_.trial) before = state_;
    last_input_ = now.time;
    PoolVerdict verdict = step(state_, now.time, input, config_.settings);

    const auto* answer = std::get_if<ApplyResult>(&input);
    bool acts = verdict.asks() || verdict.trial || answer;
    const bool told = !of_window && !verdict.reasons.empty();
    if (acts || told || std::holds_alternative<Pause>(input)) unstored_ = true;
    // A trial begins or ends: what a window under that layout looked like is what can be learnt
    // from. A sample has scores of layouts.
    std::optional<proto::Sample> sample;
    const bool begins =
        verdict.decision == Decision::switch_option && state_.trial->knob == Knob::layout;
    const bool ends = verdict.trial && verdict.trial->knob == Knob::layout;
    if (features && state_.pool && by_name(*state_.pool) && (begins || ends))
        sample = sample_of(*features, *state_.pool, config_.guest_scores);
    const bool store = unstored_ || now.time >= stored_at_ + store_every;
    const bool keep = acts || told || (of_window && is_news(verdict, now));
    if (window || keep || store) {
        const auto recorded = journal_.record({.pool = pool_,
                                               .time = now.wall,
                                               .window = window,
                                               .answer = answer,
                                               .verdict = keep ? &verdict : nullptr,
                                               .bundle = bundle_,
                                               .sample = sample ? &*sample : nullptr,
                                               .state = store ? &state_ : nullptr});
        note(recorded, now);
        if (recorded && store) {
            unstored_ = false;
            stored_at_ = now.time;
        }
        if (!recorded && verdict.decision == Decision::switch_option) {
            state_ = std::move(*before); // changes come from windows alone
            verdict.decision = Decision::keep;
            acts = false;
            verdict.reasons.push_back(
                {"not-stored", "no switch is started while the journal cannot be written"});
        }
    }
    count(input, verdict);
    if (acts || told) {
        // That a change was done is what its line has said would be; the reading of it follows.
        const bool quiet_answer = answer && answer->done && !verdict.trial && !verdict.asks();
        const Change from = state_.pool ? state_.pool->now(verdict.target) : Change{};
        BOOST_LOG_STREAM_SEV(boost::log::trivial::logger::get(),
                             quiet_answer ? boost::log::trivial::debug : boost::log::trivial::info)
            << printable(pool_.name, 64) << ": " << printable(in_words(verdict, from), 1024);
    }
    if (of_window || acts || told) last_ = std::move(verdict);
    if (acts && last_.asks())
        ask_({pool_, last_.serial, last_.target, state_.pool->now(last_.target)});
    return last_;
}

bool PoolKeeper::is_news(const PoolVerdict& verdict, Moment now) {
    std::string says(to_string(verdict.decision));
    if (verdict.evidence)
        says += fmt::format(" {}", to_string(layout_of(verdict.evidence->option)));
    if (verdict.of_rate_limit)
        says += fmt::format(" {}", text_of(Knob::rate_limit, verdict.of_rate_limit->option));
    for (const Reason& reason : verdict.reasons) says += fmt::format(" {}", reason.code);
    if (says == kept_ || (!kept_.empty() && now.time < kept_at_ + keep_every)) return false;
    kept_ = std::move(says);
    kept_at_ = now.time;
    return true;
}

void PoolKeeper::note(const Result<void>& recorded, Moment now) {
    if (recorded) {
        if (std::exchange(journal_failed_, false))
            BOOST_LOG_TRIVIAL(warning)
                << printable(pool_.name, 64) << ": the journal can be written again";
        return;
    }
    ++journal_errors_;
    if (std::exchange(journal_failed_, true) && now.time < complained_at_ + complain_every) return;
    complained_at_ = now.time;
    BOOST_LOG_TRIVIAL(error) << recorded.error().message
                             << " (until then no switch is started and nothing is kept)";
}

void PoolKeeper::count(const Input& input, const PoolVerdict& verdict) {
    if (const auto* answer = std::get_if<ApplyResult>(&input)) {
        if (!answer->done)
            ++metrics_.failed_applies;
        else
            ++(asked_revert_ ? metrics_.reverts : metrics_.switches);
    }
    if (!verdict.asks()) return;
    if (verdict.target.arrangement) metrics_.requested = verdict.target.arrangement;
    if (verdict.target.rate_limit_us)
        metrics_.requested_rate_limit_us = verdict.target.rate_limit_us;
    asked_revert_ = verdict.decision == Decision::revert;
}

std::optional<Request> PoolKeeper::return_to_boot(Moment now) {
    if (state_.mode != Mode::automatic || !state_.pool || state_.now < state_.stand_down_until)
        return std::nullopt;
    Change boot = boot_of(*state_.pool, config_.settings);
    // What is on trial goes back, whatever may be turned now.
    if (state_.trial && state_.trial->knob == Knob::rate_limit && !boot.rate_limit_us)
        boot.rate_limit_us = state_.trial->from.rate_limit_us;
    if (boot.empty() || (!state_.pending && state_.pool->has(boot))) return std::nullopt;
    // A serial of its own: what was asked for before may come to its end meanwhile.
    const Request asked{pool_, state_.serial + 1, boot};
    feed(Leaving{}, now);
    if (unstored_) return std::nullopt;
    returning_ = asked;
    return asked;
}

void PoolKeeper::returned(const ApplyResult& result, Moment now) {
    if (!returning_ || result.serial != returning_->serial) return;
    const std::string boot = to_string(returning_->change);
    PoolVerdict told;
    told.reasons = {result.done
                        ? Reason{"returned-to-boot", fmt::format("the pool has {} again", boot)}
                        : Reason{"not-returned-to-boot",
                                 fmt::format("{} could not be given back: {}", boot, result.text)}};
    returning_.reset();
    note(journal_.record({.pool = pool_, .time = now.wall, .verdict = &told, .bundle = bundle_}),
         now);
    BOOST_LOG_TRIVIAL(info) << printable(pool_.name, 64) << ": "
                            << printable(in_words(told, {}), 1024);
}

PoolMetrics PoolKeeper::metrics() const {
    PoolMetrics metrics = metrics_;
    metrics.name = pool_.name;
    metrics.mode = state_.mode;
    if (state_.pool) {
        metrics.effective = state_.pool->in_force;
        metrics.rate_limit_us = state_.pool->rate_limit_us;
    }
    metrics.can_apply[index(Knob::layout)] = state_.pool && state_.pool->can_rearrange;
    metrics.can_apply[index(Knob::rate_limit)] = state_.pool && state_.pool->rate_limit_us;
    for (const Knob knob : all_knobs) {
        const auto& [advice, since] = recommended_[index(knob)];
        if (const auto option = advice.option())
            metrics.recommended[index(knob)] = {*option, advice.gain(),
                                                static_cast<double>(since) / 1e9};
    }
    metrics.trial = state_.trial.has_value();
    metrics.breaker_open = state_.now < state_.breaker_until;
    metrics.paused = state_.paused;
    return metrics;
}

} // namespace intellisched::service
