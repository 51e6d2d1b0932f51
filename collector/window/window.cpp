// SPDX-License-Identifier: MIT
#include "collector/window/window.hpp"

#include "collector/window/facts.hpp"
#include "collector/window/pool_vcpus.hpp"
#include "collector/window/rates.hpp"
#include "src/layout/snapshot.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace intellisched {
namespace {

constexpr std::uint64_t never = UINT64_MAX;

/// credit2's longest slice (CSCHED2_MAX_TIMER): a busy CPU has a record within it.
constexpr double longest_slice_s = 0.01;
/// What a host tells of a moment comes ahead of the records of that moment by so much, at most.
constexpr double most_ahead_s = 60;

/// Of what was thought of a pool's runqueues, in one window; each CPU tells of one at most.
constexpr unsigned most_corrections = 64;

/// Windows in a row without a record, at most; a host's own timers write some each second.
constexpr std::uint64_t most_without_records = 60;

} // namespace

struct WindowBuilder::Impl : PoolVcpus {
    Impl(WindowOptions o, std::uint64_t tsc_khz, Sink s)
        : PoolVcpus(static_cast<double>(tsc_khz) * 1000,
                    static_cast<std::uint64_t>(static_cast<double>(tsc_khz) * 1000 * o.seconds)),
          options(o), sink(std::move(s)) {}

    WindowOptions options;
    Sink sink;
    std::vector<Pool> pools;
    Topology topology;
    std::vector<unsigned> corrections;                ///< by pool, of its runqueues in this window
    std::unordered_map<unsigned, Arrangement> traced; ///< of pools by id, last told by a record
    std::deque<proto::CounterSample> samples;
    std::deque<HostView> snapshots;                   ///< for when the records reach their time
    std::uint64_t changes = 0, mismatches_before = 0; ///< of runstates, as WindowStats'
    bool open = false;
    bool restarted = false; ///< the TSC has begun anew, and no record has come since
    trace::Misfits misfits;
    std::uint64_t silences = 0;
    std::uint64_t last = 0;
    std::uint64_t next_stop = 0; ///< records before it need nothing but to be counted
    std::uint64_t next_census = 0;
    std::uint64_t idle_from = never; ///< of CPUs without a record since tracing was resumed

    /// The pool's runqueues were formed anew. What is known of CPUs and vCPUs goes on, what is
    /// known of runqueues starts afresh.
    void rearranged(const trace::Rearrange& e, std::uint64_t tsc) {
        const auto pool = std::find_if(pools.begin(), pools.end(),
                                       [&](const Pool& known) { return known.id == e.pool; });
        if (pool == pools.end()) return;
        const auto p = static_cast<std::uint16_t>(pool - pools.begin());
        if (e.layout < layout_count) { // else of a newer Xen: the runqueues are whatever they are
            pool->arrangement = Arrangement{all_layouts[e.layout], e.max_cpus};
            pool->can_rearrange = true;
            traced[pool->id] = *pool->arrangement;
        }
        pool->runqueues = 0; // the next snapshot tells
        windows[p].rearrange(facts_of(p, {}), tsc);
        runqueues_formed(p, tsc);
    }

    /// The facts of a pool as before, but for its runqueues.
    PoolFacts facts_of(std::uint16_t p, const SeenRunqueues& seen) const {
        PoolFacts facts = windows[p].facts();
        set_layouts(facts, topology, pools[p], options.boot, seen);
        return facts;
    }

    /// A CPU is on another runqueue than was thought. A damaged trace can say so with each record.
    void check_runqueues(std::uint16_t p, std::uint64_t tsc) {
        if (corrections[p] == most_corrections) return;
        ++corrections[p];
        PoolWindow& window = windows[p];
        const SeenRunqueues seen = window.seen_runqueues();
        if (agrees(window.facts().runqueues_in_force, seen, 0)) return;
        window.correct(facts_of(p, seen), tsc);
        runqueues_formed(p, tsc);
    }

    /// Tracing is on again: who runs is not known until a CPU's next record, or none in time.
    void resumed(std::uint64_t tsc) {
        idle_from = tsc + static_cast<std::uint64_t>(hz * longest_slice_s);
        next_stop = std::min(next_stop, idle_from);
    }
    void rest_is_idle() {
        for (PoolWindow& window : windows) window.end_off(idle_from);
        idle_from = never;
    }

    /// The window that is open would be of two times. Counters and snapshots that came ahead of the
    /// records may be of either; those of the time before are further on than any record will be.
    void time_restarted(std::uint64_t tsc) {
        for (PoolWindow& window : windows) window.nothing_traced(tsc);
        taken_off.assign(taken_off.size(), 0);
        last_on.assign(last_on.size(), RunstateTracker::none);
        open = false;
        restarted = true;
        next_stop = 0;
    }
    void drop_times_before(std::uint64_t tsc) {
        restarted = false;
        const std::uint64_t latest = tsc + static_cast<std::uint64_t>(hz * most_ahead_s);
        std::erase_if(samples, [&](const auto& sample) { return sample.tsc() > latest; });
        for (auto& [snapshot, topology_then, pools_then] : snapshots)
            if (snapshot.tsc() > latest) snapshot.set_tsc(tsc); // still what was known last
    }

    // --- windows ------------------------------------------------------------------------------
    void start(std::uint64_t tsc) {
        begin = tsc;
        open = true;
        next_census = tsc + static_cast<std::uint64_t>(hz * census_s);
        for (PoolWindow& window : windows) window.begin(tsc);
        forget_window();
    }

    void forget_window() {
        for (VcpuUse& vcpu : uses) {
            vcpu.running = vcpu.waited = vcpu.slept = 0;
            vcpu.sleeps = vcpu.bursts = vcpu.moves = 0;
        }
        for (DomainUse& domain : domain_uses) domain.clear();
        corrections.assign(windows.size(), 0);
        untracked = 0;
        stall_searches = 0;
        untracked_before = tracker.untracked();
        mismatches_before = tracker.mismatches();
        changes = 0;
    }

    void close(std::uint64_t end) {
        for (std::size_t p = 0; p < windows.size(); ++p)
            windows[p].close(end, [&](WindowStats& stats) {
                sum_up_vcpus(stats, static_cast<std::uint16_t>(p), end);
                sum_up_counters(stats, end);
                stats.untracked = untracked + tracker.untracked() - untracked_before;
                stats.changes = changes;
                stats.mismatches = tracker.mismatches() - mismatches_before;
                sink(stats);
            });
        begin = end;
        forget_window();
    }

    /// Of the two samples that lie nearest to the window's ends, at most a quarter of it late.
    void sum_up_counters(WindowStats& stats, std::uint64_t end) {
        const std::uint64_t slack = length / 4;
        const proto::CounterSample *first = nullptr, *second = nullptr;
        for (const proto::CounterSample& sample : samples) {
            if (sample.tsc() <= begin + slack) first = &sample;
            if (sample.tsc() > end + slack) break;
            second = &sample;
        }
        if (first && second && first->tsc() < second->tsc())
            add_rates(stats, *first, *second, pool_ids);
        // However old: a sample that is late must not look as if guests had ceased to publish.
        if (second) add_published(stats, *second, pool_ids);
        while (samples.size() > 1 && samples[1].tsc() <= begin) samples.pop_front();
    }

    std::uint64_t next_snapshot() const {
        return snapshots.empty() ? never : snapshots.front().snapshot.tsc();
    }

    /// Whether no CPU has told anything until then although some were busy: the TSC was stepped
    /// forward, or the host stood still.
    bool silent(std::uint64_t tsc) const {
        return tsc > last && static_cast<double>(tsc - last) > hz * options.longest_silence_s &&
               std::any_of(windows.begin(), windows.end(),
                           [](const PoolWindow& window) { return window.busy() > 0; });
    }

    /// What has to happen before a record of that time: snapshots take effect, windows that ended
    /// are closed. In line it would push what each record needs out of on_record().
    [[gnu::noinline]] void advance_to(const trace::Record& r) {
        const std::uint64_t tsc = r.tsc;
        if (open && silent(tsc)) {
            ++silences;
            tracker.on(r, trace::TimeRestart{}, *this);
            time_restarted(tsc);
        }
        const bool anew = restarted;
        // Nothing has changed since it was due.
        if (open && tsc >= next_census) {
            take_census(next_census);
            // Not a time after this record's: what happens at records must not choose the moments.
            const auto period = static_cast<std::uint64_t>(hz * census_s);
            next_census += ((tsc - next_census) / period + 1) * period;
        }
        if (anew) drop_times_before(tsc);
        while (!snapshots.empty() && next_snapshot() <= tsc) {
            apply(std::move(snapshots.front()));
            snapshots.pop_front();
        }
        // A clock that jumps must not make us write windows for years: a record of a few bytes
        // could ask for them, and the next one again.
        if (!open || tsc < begin || (tsc - begin) / length > most_without_records) start(tsc);
        if (anew) resumed(tsc);
        while (tsc - begin >= length) {
            if (idle_from <= begin + length) rest_is_idle();
            close(begin + length);
        }
        if (idle_from <= tsc) rest_is_idle();
        next_stop = std::min({begin + length, idle_from, next_census});
        next_stop = std::min(next_stop, next_snapshot());
    }

    void on_record(const trace::Record& record);
    void apply(HostView now);
};

void WindowBuilder::Impl::on_record(const trace::Record& r) {
    if (r.tsc >= next_stop) [[unlikely]]
        advance_to(r);
    last = r.tsc;
    tracker.saw(r);
    const Place here = place(r.cpu);
    PoolWindow* window = here.pool == nowhere ? nullptr : &windows[here.pool];
    if (window) ++window->stats.events;
    // Counts an event on its CPU's pool.
    const auto bump = [&](std::uint64_t WindowStats::*counter) {
        if (window) ++(window->stats.*counter);
    };
    trace::visit(r, trace::Visitor{
                        [&](const trace::RunstateChange& e) {
                            count_unfollowed(e, r.cpu);
                            const std::uint64_t fitted = tracker.mismatches();
                            tracker.on(r, e, *this);
                            ++changes;
                            if (window)
                                window->count_change(here.position, tracker.mismatches() != fitted);
                        },
                        [&](const trace::ContinueRunning& e) {
                            tracker.on(r, e, *this);
                            if (window && window->use_of(here.position) == Use::off)
                                window->set_use(here.position, Use::busy, r.tsc);
                        },
                        [&](const trace::TimeRestart& e) {
                            tracker.on(r, e, *this);
                            time_restarted(r.tsc);
                        },
                        [&](const trace::LossBegin& e) {
                            tracker.on(r, e, *this);
                            if (e.paused) idle_from = never;
                            if (!window) return;
                            window->stats.lost += e.count;
                            if (e.paused)
                                window->set_use(here.position, Use::off, r.tsc);
                            else if (e.count == 0)
                                window->set_late(here.position, r.tsc);
                            else
                                window->set_use(here.position, Use::lost, r.tsc);
                        },
                        [&](const trace::LossEnd& e) {
                            if (window && window->use_of(here.position) == Use::off)
                                resumed(r.tsc);
                            else if (window)
                                window->set_use(here.position, Use::idle, r.tsc);
                            tracker.on(r, e, *this);
                        },
                        [&](const trace::Schedule& e) {
                            bump(&WindowStats::decisions);
                            const Place there = place(e.cpu);
                            if (there.pool != nowhere &&
                                windows[there.pool].saw_runqueue(there.position, e.runqueue))
                                check_runqueues(there.pool, r.tsc);
                        },
                        [&](const trace::RunqAssign& e) {
                            assigned(tracker.find(e.unit), e.runqueue, r.tsc);
                        },
                        [&](const trace::Migrate& e) {
                            bump(&WindowStats::migrations);
                            tracker.on(r, e, *this);
                            assigned(tracker.find(e.unit), e.to, r.tsc);
                        },
                        [&](const trace::Rearrange& e) { rearranged(e, r.tsc); },
                        [&](const trace::Yield&) { bump(&WindowStats::yields); },
                        [&](const trace::Tickle&) { bump(&WindowStats::tickles); },
                        [&](const trace::CreditReset&) { bump(&WindowStats::credit_resets); },
                        [&](const trace::LoadCheck&) { bump(&WindowStats::balance_checks); },
                        [&](const trace::LoadBalance&) { bump(&WindowStats::balance_attempts); },
                        [&](const trace::RateLimit&) { bump(&WindowStats::ratelimited); },
                        [&](const trace::PickedCpu&) { bump(&WindowStats::picks); },
                        [&](const trace::RunqCandidate&) { bump(&WindowStats::candidates); },
                        [&](const trace::Unknown& e) { misfits.add(e); }});
}

const trace::Misfits& WindowBuilder::misfits() const { return impl_->misfits; }
std::uint64_t WindowBuilder::silences() const { return impl_->silences; }

WindowBuilder::WindowBuilder(WindowOptions options, std::uint64_t tsc_khz, Sink sink)
    : impl_(std::make_unique<Impl>(options, tsc_khz, std::move(sink))) {}
WindowBuilder::~WindowBuilder() = default;

void WindowBuilder::Impl::apply(HostView now) {
    const proto::HostSnapshot& snapshot = now.snapshot;
    weights.clear();
    capped.clear();
    affinities.clear();
    pool_ids.clear();
    for (const proto::Domain& domain : snapshot.domains()) {
        pool_ids[domain.id()] = domain.pool_id();
        if (domain.weight() > 0) weights[domain.id()] = domain.weight();
        if (domain.cap() != 0) capped.insert(domain.id());
        for (const proto::Vcpu& vcpu : domain.vcpus()) {
            if (vcpu.hard_affinity().empty()) continue;
            std::vector<unsigned>& cpus = affinities[{domain.id(), vcpu.id()}];
            cpus.assign(vcpu.hard_affinity().begin(), vcpu.hard_affinity().end());
            std::sort(cpus.begin(), cpus.end());
        }
    }
    if (!windows.empty()) forget_gone(last);
    for (Pool& pool : now.pools) {
        // A snapshot that cannot tell says what was booted; the trace may know better.
        const auto told = traced.find(pool.id);
        if (pool.can_rearrange || told == traced.end()) continue;
        pool.arrangement = told->second;
        pool.can_rearrange = true;
    }
    const auto same_pool = [](const Pool& before, Pool after) {
        after.runqueues = before.runqueues; // follows from the rest, or tells more of the same
        return after == before;
    };
    const bool same = now.topology == topology && std::ranges::equal(pools, now.pools, same_pool);
    topology = std::move(now.topology);
    pools = std::move(now.pools);
    const auto facts_with = [&](const Pool& pool, const SeenRunqueues& seen) {
        return pool_facts(snapshot, topology, pool, options.boot, seen);
    };
    if (same) {
        for (std::size_t p = 0; p < pools.size(); ++p)
            windows[p].set_facts(facts_with(pools[p], windows[p].seen_runqueues()));
        return;
    }
    windows.clear();
    windows.reserve(pools.size());
    corrections.assign(pools.size(), 0);
    taken_off.assign(topology.cpus.back().id + 1, 0);
    last_on.assign(topology.cpus.back().id + 1, RunstateTracker::none);
    places.clear();
    for (std::size_t p = 0; p < pools.size(); ++p) {
        const Pool& pool = pools[p];
        windows.emplace_back(facts_with(pool, {}), topology, pool.cpus, hz);
        for (std::size_t i = 0; i < pool.cpus.size(); ++i) {
            if (places.size() <= pool.cpus[i]) places.resize(pool.cpus[i] + 1);
            places[pool.cpus[i]] = {static_cast<std::uint16_t>(p), static_cast<std::uint16_t>(i)};
        }
    }
    // What was known of vCPUs refers to the old places; they are taken up as they run again.
    uses.assign(uses.size(), {});
    open = false;
    next_stop = 0;
}

void WindowBuilder::add(HostView host) {
    if (impl_->windows.empty())
        impl_->apply(std::move(host));
    else
        impl_->snapshots.push_back(std::move(host)), impl_->next_stop = 0;
}

void WindowBuilder::add(const proto::CounterSample& sample) { impl_->samples.push_back(sample); }

void WindowBuilder::add(const trace::Record& record) { impl_->on_record(record); }

void WindowBuilder::finish() {
    Impl& w = *impl_;
    if (w.open && w.last - w.begin >= w.length / 2) w.close(w.last);
    w.open = false;
    w.next_stop = 0;
}

} // namespace intellisched
