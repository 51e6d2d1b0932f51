// SPDX-License-Identifier: MIT
#include "bench/days/closed_loop.hpp"

#include "collector/window/facts.hpp"
#include "src/host/apply.hpp"
#include "src/host/observe.hpp"
#include "src/pool/pool_loop.hpp"

namespace intellisched::bench {

ClosedLoop::ClosedLoop(const Models& models, ClosedLoopOptions options, Watcher watcher)
    : models_(models), options_(std::move(options)), watcher_(std::move(watcher)) {
    feed(SetMode{options_.mode});
    feed(SetIntent{options_.intent});
}

Result<void> ClosedLoop::run(SimHost& host) {
    host_ = &host;
    Result<void> went = take_over();
    if (went) {
        ObserveOptions observing;
        observing.tap = [&](const HostItem& item) -> Result<void> {
            if (const auto* now = std::get_if<HostView>(&item)) snapshot_ = now->snapshot;
            return {};
        };
        observing.stop = [&] {
            if (went) went = between();
            return !went || (options_.stop && *options_.stop);
        };
        const auto observed = observe(host, observing, [&](const WindowStats& stats) {
            if (went && stats.facts.pool_id == pool_.id) went = saw(stats);
        });
        if (went && !observed) went = tl::unexpected(observed.error());
    }
    before_ = now();
    host_ = nullptr;
    return went;
}

Result<void> ClosedLoop::take_over() {
    const HostView& first = host_->first_view();
    snapshot_ = first.snapshot;
    topology_ = first.topology;
    pool_ = TRY(find_pool(first.pools, options_.pool));
    if (state_.pool) {
        const Change wanted{state_.pool->in_force, state_.pool->rate_limit_us};
        TRY(apply(*host_, topology_, pool_, wanted, /*dry_run=*/false));
    }
    return read_pool();
}

Result<void> ClosedLoop::read_pool() {
    const auto in_force = TRY(host_->layout(pool_));
    pool_.arrangement = in_force.arrangement;
    pool_.runqueues = in_force.runqueues;
    pool_.rate_limit_us = TRY(host_->rate_limit(pool_));
    const HostInfo& info = host_->info();
    PoolSeen seen = pool_seen(pool_facts(snapshot_, topology_, pool_, info.boot, {}), topology_,
                              pool_, booted(info));
    seen.can_rearrange = seen.can_rearrange && !options_.stock;
    feed(seen);
    return {};
}

void ClosedLoop::feed(const Input& input) {
    PoolVerdict verdict = step(state_, second + now(), input, options_.settings);
    if (verdict.asks() || verdict.trial) acts_.push_back(verdict);
    if (std::holds_alternative<WindowSeen>(input)) last_ = std::move(verdict);
}

Result<void> ClosedLoop::saw(const WindowStats& stats) {
    const auto looked = TRY(look(stats, snapshot_, models_, {.intent = options_.intent}));
    if (watcher_.saw) watcher_.saw(looked.seen);
    feed(looked.seen);
    return {};
}

/// What the policy wants is done between two pieces of the host's time.
Result<void> ClosedLoop::between() {
    while (!acts_.empty()) {
        const PoolVerdict verdict = std::move(acts_.front());
        acts_.erase(acts_.begin());
        if (watcher_.acts) TRY(watcher_.acts(verdict));
        if (!verdict.asks()) continue;
        ++(verdict.decision == Decision::switch_option ? switches_ : reverts_);
        const auto applied = apply(*host_, topology_, pool_, verdict.target, /*dry_run=*/false);
        feed(ApplyResult{verdict.serial, applied.has_value(),
                         applied ? "" : applied.error().message});
        TRY(read_pool());
    }
    return watcher_.passed ? watcher_.passed() : Result<void>();
}

} // namespace intellisched::bench
