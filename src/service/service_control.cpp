// SPDX-License-Identifier: MIT
// What the service says of itself, and what it can be told: by the control socket and by signals.
#include "src/base/log.hpp"
#include "src/layout/snapshot.hpp"
#include "src/service/service.hpp"

#include <algorithm>
#include <boost/log/core.hpp>
#include <boost/log/expressions.hpp>
#include <cmath>
#include <ctime>
#include <systemd/sd-daemon.h>

namespace intellisched::service {
namespace {

constexpr Nanoseconds reload_every = 10 * second; ///< at most, over the socket

std::uint64_t seconds_until(Nanoseconds time, Nanoseconds now) {
    return time > now ? (time - now + second - 1) / second : 0;
}

unsigned long long monotonic_microseconds() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<unsigned long long>(time.tv_sec) * 1'000'000 +
           static_cast<unsigned long long>(time.tv_nsec) / 1000;
}

void add_layouts(proto::PoolStatus& out, const Prediction& prediction, const Representatives& same,
                 unsigned windows) {
    for (const Layout layout : all_layouts) {
        proto::LayoutStatus& told = *out.add_layouts();
        told.set_layout(std::string(to_string(layout)));
        if (same[index(layout)] != layout)
            told.set_same_as(std::string(to_string(same[index(layout)])));
        told.set_probability(prediction.probability[index(layout)]);
        told.set_expected_gain(prediction.expected_gain[index(layout)]);
    }
    out.set_layout_windows(windows);
}

void add_rate_limits(proto::PoolStatus& out, const Prediction& prediction, unsigned windows) {
    for (const Option option : all_options) {
        proto::RateLimitStatus& told = *out.add_rate_limits();
        told.set_rate_limit_us(limit_of(option));
        told.set_probability(prediction.probability[index(option)]);
        told.set_expected_gain(prediction.expected_gain[index(option)]);
    }
    out.set_rate_limit_windows(windows);
}

} // namespace

proto::WindowStatus window_status(const WindowStats& stats, const FeatureVector& features) {
    const auto value = [&](std::string_view name) -> std::optional<double> {
        const auto at = feature_index(name);
        if (!at || !std::isfinite(features.values[*at])) return std::nullopt;
        return features.values[*at];
    };
    const double cpus = stats.facts.cpus; // rates are those of a CPU
    proto::WindowStatus out;
    out.set_seconds(stats.seconds());
    out.set_coverage(stats.coverage());
    out.set_busy(value("load.busy_mean").value_or(0));
    out.set_waiting(value("load.waiters").value_or(0) * cpus);
    if (const auto wait = value("wait.wake_p50")) out.set_wake_p50_us(*wait);
    if (const auto wait = value("wait.wake_p99")) out.set_wake_p99_us(*wait);
    out.set_switches_s(value("events.switches").value_or(0) * cpus);
    double moves = 0;
    for (const auto* name : {"moves.sibling", "moves.socket", "moves.node", "moves.remote"})
        moves += value(name).value_or(0) * cpus;
    out.set_moves_s(moves);
    for (std::size_t i = 0; i < stats.cpu_busy.size(); ++i)
        out.add_cpu_busy(static_cast<float>(stats.busy_part(i).value_or(0)));
    return out;
}

void add_runqueues(proto::PoolStatus& status, const Topology& topology, const Pool& pool,
                   const Arrangement& in_force, const proto::WindowStatus* window) {
    const bool known = window && window->cpu_busy_size() == static_cast<int>(pool.cpus.size());
    for (const auto& cpus : partition(topology, pool, in_force)) {
        proto::RunqueueStatus& told = *status.add_runqueues();
        double busy = 0;
        for (const unsigned cpu : cpus) {
            told.add_cpus(cpu);
            const auto at = std::lower_bound(pool.cpus.begin(), pool.cpus.end(), cpu);
            if (known) busy += window->cpu_busy(static_cast<int>(at - pool.cpus.begin()));
        }
        if (known) told.set_busy(busy / static_cast<double>(cpus.size()));
    }
}

proto::PoolStatus status_of(const PoolKeeper& keeper, bool present, Moment now) {
    const State& state = keeper.state();
    const PoolVerdict& verdict = keeper.verdict();
    const PoolMetrics metrics = keeper.metrics();
    proto::PoolStatus out;
    out.set_name(keeper.pool().name);
    out.set_id(keeper.pool().id);
    out.set_present(present);
    out.set_mode(std::string(to_string(state.mode)));
    out.set_intent(std::string(to_string(state.intent)));
    if (state.pool) {
        *out.mutable_in_force() = message_of(state.pool->in_force);
        out.set_can_rearrange(state.pool->can_rearrange);
        if (state.pool->rate_limit_us) out.set_rate_limit_us(*state.pool->rate_limit_us);
    }
    for (const Knob knob : all_knobs) {
        const auto& change = metrics.recommended[index(knob)];
        if (!change) continue;
        proto::RecommendedChange& told = *out.add_recommendations();
        if (knob == Knob::layout)
            told.set_layout(std::string(to_string(layout_of(change->option))));
        else
            told.set_rate_limit_us(limit_of(change->option));
        told.set_expected_gain(change->gain);
        told.set_for_s(static_cast<std::uint64_t>(
            std::max(0.0, static_cast<double>(now.wall) / 1e9 - change->since_seconds)));
        told.set_can_apply(metrics.can_apply[index(knob)]);
        told.set_by_hand(keeper.by_hand(knob));
        told.set_command(keeper.command_for(knob, change->option));
    }
    out.set_paused(state.paused);
    out.set_decision(std::string(to_string(verdict.decision)));
    if (verdict.evidence) {
        const Verdict& judged = *verdict.evidence;
        out.set_recommended(std::string(to_string(layout_of(judged.option))));
        out.set_confidence(judged.mean.probability[index(judged.option)]);
        out.set_expected_gain(judged.mean.expected_gain[index(judged.option)]);
    }
    // While nothing is judged (a trial, a pause), what the model said of the last window.
    if (state.pool && verdict.evidence && verdict.evidence->windows > 0)
        add_layouts(out, verdict.evidence->mean, state.pool->same, verdict.evidence->windows);
    else if (state.pool && metrics.prediction)
        add_layouts(out, *metrics.prediction, state.pool->same, 1);
    if (verdict.of_rate_limit && verdict.of_rate_limit->windows > 0)
        add_rate_limits(out, verdict.of_rate_limit->mean, verdict.of_rate_limit->windows);
    else if (metrics.of_rate_limit)
        add_rate_limits(out, *metrics.of_rate_limit, 1);
    // Why windows cannot be used comes before that too few are left.
    if (verdict.decision == Decision::abstain && !verdict.reasons.empty())
        out.set_no_verdict(std::string(verdict.reasons.front().code));
    for (const Reason& reason : verdict.reasons) {
        proto::PolicyReason& told = *out.add_reasons();
        told.set_code(std::string(reason.code));
        told.set_text(reason.text);
    }
    if (state.trial) {
        const Change& to = state.trial->to;
        if (to.arrangement) *out.mutable_trial() = message_of(*to.arrangement);
        if (to.rate_limit_us) out.set_trial_rate_limit_us(*to.rate_limit_us);
        out.set_trial_windows(static_cast<std::uint32_t>(state.trial->after.size()));
    }
    if (state.pending) {
        const Change& target = state.pending->target;
        if (target.arrangement) *out.mutable_asked_for() = message_of(*target.arrangement);
        if (target.rate_limit_us) out.set_asked_for_rate_limit_us(*target.rate_limit_us);
    }
    out.set_stand_down_s(seconds_until(state.stand_down_until, state.now));
    out.set_breaker_s(seconds_until(state.breaker_until, state.now));
    out.set_windows(metrics.windows);
    out.set_switches(metrics.switches);
    out.set_reverts(metrics.reverts);
    out.set_failed_applies(metrics.failed_applies);
    return out;
}

proto::ServiceStatus Service::status() const {
    proto::ServiceStatus out;
    const ServiceMetrics told = metrics();
    out.set_version(options_.version);
    out.set_uptime_s((host_clock() - started_) / second);
    out.set_host(host_text());
    out.set_model_id(told.model_id);
    out.set_model_name(told.model_name);
    out.set_records_lost(told.records_lost);
    out.set_journal_errors(told.journal_errors);
    for (const auto& [name, keeper] : keepers_) {
        proto::PoolStatus& pool = *out.add_pools();
        pool = status_of(*keeper, present_.count(name) > 0, now());
        protector_->add_to(pool);
        add_seen(pool, *keeper);
    }
    return out;
}

void Service::add_seen(proto::PoolStatus& status, const PoolKeeper& keeper) const {
    const auto window = windows_of_.find(keeper.pool().name);
    const bool seen = window != windows_of_.end();
    if (seen) {
        *status.mutable_window() = window->second.status;
        const Nanoseconds clock = now().time;
        status.mutable_window()->set_age_s(
            clock > window->second.end ? (clock - window->second.end) / second : 0);
    }
    if (!status.present() || !last_ || !keeper.state().pool) return;
    for (const Pool& pool : last_->host.pools)
        if (pool.name == status.name())
            add_runqueues(status, last_->host.topology, pool, keeper.state().pool->in_force,
                          seen ? &window->second.status : nullptr);
}

ServiceMetrics Service::metrics() const {
    ServiceMetrics out{.host_up = watched(),
                       .records_lost = records_lost_,
                       .windows = windows_,
                       .model_id = models_->layout.manifest().id(),
                       .model_name = models_->layout.manifest().name(),
                       .loop_seconds = turn_seconds_,
                       .written_seconds = static_cast<double>(now().wall) / 1e9};
    for (const auto& [name, keeper] : keepers_) {
        out.journal_errors += keeper->journal_errors();
        if (present_.count(name) > 0) out.pools.push_back(keeper->metrics());
    }
    out.journal_errors += protector_->journal_errors();
    return out;
}

Result<std::vector<PoolKeeper*>> Service::pools(const std::string& name) {
    std::vector<PoolKeeper*> found;
    std::string there;
    for (const auto& [known, keeper] : keepers_) {
        if (name.empty() || known == name) found.push_back(keeper.get());
        there += (there.empty() ? "" : ", ") + printable(known, 64);
    }
    if (found.empty() && keepers_.empty())
        return fail("no cpupool is known yet; see `intellisched status` for what is wrong with the "
                    "host");
    if (found.empty())
        return fail("no credit2 cpupool '{}'; there is: {}", printable(name, 64), there);
    return found;
}

proto::ControlReply Service::answer(const proto::ControlRequest& request, Asker asker) {
    proto::ControlReply reply;
    if (asker == Asker::group && !request.has_status() && !config_.control_group_changes) {
        reply.set_error("the socket's group may ask for the status only; be root, or have the "
                        "administrator set control_group_may = \"change\"");
        return reply;
    }
    const auto each = [&](const std::string& name, auto deed) {
        const auto found = pools(name);
        if (!found) return reply.set_error(found.error().message);
        for (PoolKeeper* keeper : *found) deed(*keeper);
    };
    switch (request.what_case()) {
    case proto::ControlRequest::kStatus:
        *reply.mutable_status() = status();
        break;
    case proto::ControlRequest::kPause:
        each(request.pause().pool(), [this](PoolKeeper& keeper) { keeper.pause(now()); });
        break;
    case proto::ControlRequest::kResume:
        each(request.resume().pool(), [this](PoolKeeper& keeper) { keeper.resume(now()); });
        break;
    case proto::ControlRequest::kReload:
        // It reads a model, which takes long.
        if (const Nanoseconds clock = host_clock();
            reloaded_at_ && clock < *reloaded_at_ + reload_every) {
            reply.set_error(fmt::format("it was reloaded less than {} s ago; again in {} s",
                                        reload_every / second,
                                        seconds_until(*reloaded_at_ + reload_every, clock)));
            break;
        }
        reloaded_at_ = host_clock();
        if (auto reloaded = reload(); !reloaded) reply.set_error(reloaded.error().message);
        break;
    case proto::ControlRequest::WHAT_NOT_SET:
        reply.set_error("the request asks for nothing that this version knows");
        break;
    }
    return reply;
}

Result<void> Service::reload() {
    // Fed first: on a slow host the model takes seconds to verify and load.
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu\nWATCHDOG=1", monotonic_microseconds());
    const auto loaded = [&]() -> Result<void> {
        auto config = TRY(read_config(options_.config));
        auto models = TRY(load_bundle(config));
        if (config.journal != config_.journal || config.socket != config_.socket ||
            config.interval != config_.interval || config.duty != config_.duty ||
            config.buffer_pages != config_.buffer_pages || config.trace_mb != config_.trace_mb)
            BOOST_LOG_TRIVIAL(warning) << "another journal, socket, interval, duty, buffer_pages "
                                          "or trace_mb counts from the next start on";
        config_ = std::move(config);
        guest_scores_ = config_.guest_scores();
        models_ = std::move(models);
        return {};
    }();
    if (loaded) {
        if (!options_.verbose)
            boost::log::core::get()->set_filter(boost::log::trivial::severity >= config_.log_level);
        missing_.clear();
        for (const auto& [name, keeper] : keepers_) keeper->configure(config_.pool(name), now());
        BOOST_LOG_TRIVIAL(info) << "reloaded, with the model " << models_->layout.manifest().name()
                                << " (" << models_->layout.manifest().id() << ")";
    }
    sd_notify(0, "READY=1");
    return loaded;
}

} // namespace intellisched::service
