// SPDX-License-Identifier: MIT
#include "collector/window/window.hpp"

#include "collector/window/facts.hpp"
#include "collector/window/pool_window.hpp"
#include "collector/window/rates.hpp"
#include "collector/window/vcpu_times.hpp"
#include "src/layout/snapshot.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

namespace intellisched {
namespace {

using trace::Runstate;
using trace::RunstateTracker;
using trace::VcpuState;
using Use = PoolWindow::Use;

constexpr std::uint16_t nowhere = 0xffff;
constexpr std::uint64_t never = UINT64_MAX;

/// credit2's longest slice (CSCHED2_MAX_TIMER): a busy CPU has a record within it.
constexpr double longest_slice_s = 0.01;
/// From a tickle to the run of who was woken, and from one vCPU's run to the next one's.
constexpr double longest_tickle_s = 100e-6, longest_switch_s = 20e-6;

/// What a host tells of a moment comes ahead of the records of that moment by so much, at most.
constexpr double most_ahead_s = 60;

/// A vCPU that waits beside an idle CPU for so long is not what a scheduler means to do.
constexpr double least_stall_s = 0.5;

/// What the window keeps of a vCPU beside its runstate.
struct VcpuUse {
    std::uint16_t pool = nowhere; ///< in which it last ran
    std::uint16_t position = nowhere;
    unsigned runqueue = 0; ///< in which it waits
    bool waiting = false;
    bool preempted = false;
    std::uint64_t asleep = 0; ///< TSC since which it sleeps, if it does
    double running = 0;       ///< cycles in this window
    double waited = 0;
    double slept = 0;
    std::uint32_t wakes = unasked; ///< its domain's place in Impl::wakes, or one of these:
    static constexpr std::uint32_t unasked = UINT32_MAX, none = UINT32_MAX - 1;
};

/// Of what was thought of a pool's runqueues, in one window; each CPU tells of one at most.
constexpr unsigned most_corrections = 64;

/// Windows in a row without a record, at most; a host's own timers write some each second.
constexpr std::uint64_t most_without_records = 60;

/// More domains than that at a time have no histogram of their own.
constexpr std::size_t most_domains = 4096;

struct Place {
    std::uint16_t pool = nowhere;
    std::uint16_t position = 0;
};

} // namespace

struct WindowBuilder::Impl {
    Impl(WindowOptions o, std::uint64_t tsc_khz, Sink s)
        : options(o), sink(std::move(s)), hz(static_cast<double>(tsc_khz) * 1000),
          length(static_cast<std::uint64_t>(hz * options.seconds)) {}

    WindowOptions options;
    Sink sink;
    double hz;
    std::uint64_t length; ///< of a window, in cycles
    RunstateTracker tracker{true};
    std::vector<Pool> pools;
    Topology topology;
    std::vector<PoolWindow> windows;      ///< by pool
    std::vector<unsigned> corrections;    ///< by pool, of its runqueues in this window
    std::vector<Place> places;            ///< by CPU
    std::vector<std::uint64_t> taken_off; ///< by CPU: TSC at which a vCPU last had to leave it
    std::vector<VcpuUse> uses;            ///< by the tracker's number
    std::set<unsigned> capped;            ///< domains
    std::map<std::pair<unsigned, unsigned>, std::vector<unsigned>> affinities; ///< hard, by vCPU
    std::unordered_map<unsigned, double> weights;                              ///< by domain
    std::unordered_map<unsigned, unsigned> pool_ids;                           ///< of domains
    std::vector<Histogram> wakes; ///< waits after a wake-up in this window, by domain_slots
    std::unordered_map<unsigned, std::uint32_t> domain_slots; ///< by domain
    std::vector<std::uint32_t> free_wakes;                    ///< that no domain has (any more)
    std::uint64_t untracked = 0, untracked_before = 0; ///< by `wakes`; by the tracker at `begin`
    std::unordered_map<unsigned, Arrangement> traced;  ///< of pools by id, last told by a record
    std::deque<proto::CounterSample> samples;
    std::deque<proto::HostSnapshot> snapshots; ///< for when the records reach their time
    bool open = false;
    bool restarted = false; ///< the TSC has begun anew, and no record has come since
    std::uint64_t begin = 0;
    std::uint64_t last = 0;
    std::uint64_t next_stop = 0;     ///< records before it need nothing but to be counted
    std::uint64_t idle_from = never; ///< of CPUs without a record since tracing was resumed

    Place place(std::uint16_t cpu) const { return cpu < places.size() ? places[cpu] : Place{}; }
    VcpuUse& use(std::uint32_t vcpu) {
        if (uses.size() <= vcpu) uses.resize(std::max<std::size_t>(vcpu + 1, uses.size() * 2));
        return uses[vcpu];
    }
    std::uint64_t in_window(std::uint64_t tsc) const { return std::max(tsc, begin); }

    // --- the tracker's observer ---------------------------------------------------------------
    void on_change(std::uint32_t i, const VcpuState& before, Runstate to, std::uint16_t cpu,
                   std::uint64_t tsc) {
        VcpuUse& vcpu = use(i);
        if (before.state == Runstate::running)
            left_cpu(vcpu, before, to, tsc);
        else if (before.state == Runstate::runnable)
            waited(vcpu, before, to, cpu, tsc);
        else if (before.asleep() && (to == Runstate::runnable || to == Runstate::running))
            woke(vcpu, before, i, cpu, tsc);

        if (before.asleep()) vcpu.slept += static_cast<double>(tsc - in_window(before.since));

        if (!before.asleep() && before.asleep_in(to)) vcpu.asleep = tsc;
        if (to == Runstate::running)
            took_cpu(vcpu, before, cpu, tsc);
        else if (to == Runstate::runnable && vcpu.pool != nowhere && !before.ref.idle())
            set_waiting(vcpu, true, tsc);
        else if (to == Runstate::unknown)
            vcpu.position = nowhere;
    }

    void left_cpu(VcpuUse& vcpu, const VcpuState& before, Runstate to, std::uint64_t tsc) {
        if (vcpu.pool == nowhere) return;
        PoolWindow& window = windows[vcpu.pool];
        // Until the next vCPU takes it (well below a microsecond) the CPU counts as idle.
        if (const Place there = place(before.cpu); there.pool != nowhere)
            windows[there.pool].set_use(there.position, Use::idle, tsc);
        if (before.ref.idle()) return;
        vcpu.running += static_cast<double>(tsc - in_window(before.since));
        if (to == Runstate::unknown) return; // cut by a loss: its length is not known
        window.stats.burst.add(tsc - before.since);
        vcpu.preempted = to != Runstate::running && !before.asleep_in(to);
        if (!vcpu.preempted) return;
        ++window.stats.preemptions;
        if (before.cpu < taken_off.size()) taken_off[before.cpu] = tsc;
    }

    void waited(VcpuUse& vcpu, const VcpuState& before, Runstate to, std::uint16_t cpu,
                std::uint64_t tsc) {
        if (!vcpu.waiting) return;
        set_waiting(vcpu, false, tsc);
        vcpu.waited += static_cast<double>(tsc - in_window(before.since));
        if (to != Runstate::running) return;
        auto& stats = windows[vcpu.pool].stats;
        (vcpu.preempted ? stats.preempt_wait : stats.wake_wait).add(tsc - before.since);
        if (vcpu.preempted) return;
        const auto wait = static_cast<double>(tsc - before.since);
        stats.wake_waited += wait;
        // Xen writes nothing where it does not tickle a CPU because of the rate limit. What shows
        // is a wait far longer than a tickle takes that ends as another vCPU is taken off the CPU.
        if (wait > hz * longest_tickle_s && cpu < taken_off.size() && taken_off[cpu] != 0 &&
            static_cast<double>(tsc - taken_off[cpu]) < hz * longest_switch_s)
            stats.held_back += wait;
        if (vcpu.wakes == VcpuUse::unasked) vcpu.wakes = wakes_of(before.ref.domain);
        if (vcpu.wakes != VcpuUse::none)
            wakes[vcpu.wakes].add(tsc - before.since);
        else
            ++untracked;
    }

    std::uint32_t wakes_of(unsigned domain) {
        if (const auto known = domain_slots.find(domain); known != domain_slots.end())
            return known->second;
        if (free_wakes.empty()) {
            if (wakes.size() == most_domains) return VcpuUse::none;
            free_wakes.push_back(static_cast<std::uint32_t>(wakes.size()));
            wakes.emplace_back();
        }
        const std::uint32_t slot = free_wakes.back();
        free_wakes.pop_back();
        return domain_slots[domain] = slot;
    }

    /// Forgets what is kept of domains that the snapshot just taken up (pool_ids) does not have,
    /// but for one that did anything in the last window: it may be newer than the snapshot. Ids of
    /// domains go up with each guest that starts, for as long as a host runs.
    void forget_gone(std::uint64_t now) {
        std::unordered_map<unsigned, bool> gone; // whether it may be forgotten
        for (const VcpuState& vcpu : tracker.vcpus()) {
            if (vcpu.ref.idle() || pool_ids.count(vcpu.ref.domain) > 0) continue;
            const bool still = vcpu.state != Runstate::running && vcpu.since + length < now;
            const auto [known, added] = gone.emplace(vcpu.ref.domain, still);
            known->second = known->second && still;
        }
        for (const auto& [domain, forgettable] : gone) {
            if (!forgettable) continue;
            tracker.forget(static_cast<std::uint16_t>(domain), [&](std::uint32_t i) {
                set_waiting(use(i), false, now);
                use(i) = {};
            });
            const auto slot = domain_slots.find(domain);
            if (slot == domain_slots.end()) continue;
            wakes[slot->second].clear();
            free_wakes.push_back(slot->second);
            domain_slots.erase(slot);
        }
    }

    void woke(VcpuUse& vcpu, const VcpuState& before, std::uint32_t i, std::uint16_t cpu,
              std::uint64_t tsc) {
        vcpu.preempted = false;
        if (vcpu.pool == nowhere) return;
        windows[vcpu.pool].stats.sleep.add(tsc - vcpu.asleep);
        count_wakeup(vcpu, before.ref, i, cpu);
    }

    void count_wakeup(const VcpuUse& vcpu, trace::VcpuRef ref, std::uint32_t i, std::uint16_t cpu) {
        auto& stats = windows[vcpu.pool].stats;
        ++stats.wakeups;
        if (ref.domain == 0) ++stats.dom0_wakeups;
        const std::uint32_t waker = tracker.current(cpu);
        if (waker != RunstateTracker::none && waker != i &&
            tracker.vcpus()[waker].ref.domain == ref.domain)
            ++stats.sibling_wakeups;
    }

    /// What a record says by itself of a vCPU whose state the tracker does not know, or is about
    /// not to know any more, because of a loss: counts are of all that was seen.
    void count_unfollowed(const trace::RunstateChange& e, std::uint16_t cpu) {
        const std::uint32_t i = tracker.known(e.vcpu);
        if (i == RunstateTracker::none || e.vcpu.idle()) return;
        if (!tracker.lossy() && tracker.vcpus()[i].state != Runstate::unknown) return;
        VcpuUse& vcpu = use(i);
        if (vcpu.pool == nowhere || e.to != Runstate::runnable) return;
        vcpu.preempted = e.from == Runstate::running;
        if (e.from == Runstate::running) ++windows[vcpu.pool].stats.preemptions;
        if (e.from == Runstate::blocked) count_wakeup(vcpu, e.vcpu, i, cpu);
    }

    void took_cpu(VcpuUse& vcpu, const VcpuState& before, std::uint16_t cpu, std::uint64_t tsc) {
        const Place here = place(cpu);
        if (here.pool == nowhere) {
            vcpu.pool = nowhere;
            return;
        }
        PoolWindow& window = windows[here.pool];
        window.set_use(here.position, before.ref.idle() ? Use::idle : Use::busy, tsc);
        if (!before.ref.idle()) {
            ++window.stats.switches;
            if (vcpu.pool == here.pool && vcpu.position != nowhere) {
                const auto distance = window.distance(vcpu.position, here.position);
                ++window.stats.moves[static_cast<std::size_t>(distance)];
                if (window.runqueue_of(vcpu.position) != window.runqueue_of(here.position))
                    ++window.stats.runqueue_moves;
            }
        }
        vcpu.pool = here.pool;
        vcpu.position = here.position;
        vcpu.runqueue = window.runqueue_of(here.position);
    }

    void set_waiting(VcpuUse& vcpu, bool waiting, std::uint64_t tsc) {
        if (vcpu.waiting == waiting) return;
        vcpu.waiting = waiting;
        windows[vcpu.pool].add_waiting(vcpu.runqueue, waiting ? +1 : -1, tsc);
    }

    /// credit2 put a unit on another runqueue: its waiting counts there from now on.
    void assigned(std::uint32_t i, unsigned id, std::uint64_t tsc) {
        if (i == RunstateTracker::none) return;
        VcpuUse& vcpu = use(i);
        if (vcpu.pool == nowhere) return;
        const unsigned runqueue = windows[vcpu.pool].runqueue_with(id);
        if (runqueue == PoolWindow::no_runqueue || runqueue == vcpu.runqueue) return;
        const bool waiting = vcpu.waiting;
        set_waiting(vcpu, false, tsc);
        vcpu.runqueue = runqueue;
        set_waiting(vcpu, waiting, tsc);
    }

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
        PoolWindow& window = windows[p];
        const SeenRunqueues seen = window.seen_runqueues();
        if (agrees(window.facts().runqueues_in_force, seen, 0)) return;
        if (corrections[p] == most_corrections) return;
        ++corrections[p];
        window.correct(facts_of(p, seen), tsc);
        runqueues_formed(p, tsc);
    }

    /// Nobody waits in the pool's runqueues until they are told who does.
    void runqueues_formed(std::uint16_t p, std::uint64_t tsc) {
        for (VcpuUse& vcpu : uses) {
            if (vcpu.pool != p) continue;
            const bool waiting = std::exchange(vcpu.waiting, false);
            if (vcpu.position == nowhere) {
                vcpu.pool = nowhere; // nor is it known where it waits: it is taken up as it runs
                continue;
            }
            // Xen takes a vCPU to the runqueue of the CPU that it last ran on.
            vcpu.runqueue = windows[p].runqueue_of(vcpu.position);
            set_waiting(vcpu, waiting, tsc);
        }
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
        open = false;
        restarted = true;
        next_stop = 0;
    }
    void drop_times_before(std::uint64_t tsc) {
        restarted = false;
        const std::uint64_t latest = tsc + static_cast<std::uint64_t>(hz * most_ahead_s);
        std::erase_if(samples, [&](const auto& sample) { return sample.tsc() > latest; });
        for (auto& snapshot : snapshots)
            if (snapshot.tsc() > latest) snapshot.set_tsc(tsc); // still what was known last
    }

    // --- windows ------------------------------------------------------------------------------
    void start(std::uint64_t tsc) {
        begin = tsc;
        open = true;
        for (PoolWindow& window : windows) window.begin(tsc);
        forget_window();
    }

    void forget_window() {
        for (VcpuUse& vcpu : uses) vcpu.running = vcpu.waited = vcpu.slept = 0;
        for (Histogram& waits : wakes) waits.clear();
        corrections.assign(windows.size(), 0);
        untracked = 0;
        untracked_before = tracker.untracked();
    }

    void close(std::uint64_t end) {
        for (std::size_t p = 0; p < windows.size(); ++p) {
            WindowStats stats = windows[p].close(end);
            sum_up_vcpus(stats, static_cast<std::uint16_t>(p), end);
            sum_up_counters(stats, end);
            stats.untracked = untracked + tracker.untracked() - untracked_before;
            sink(stats);
        }
        begin = end;
        forget_window();
    }

    /// A vCPU under a cap may be made to wait beside an idle CPU.
    void note_stall(WindowStats& stats, const PoolWindow& window, const VcpuState& state,
                    unsigned runqueue, std::uint64_t end) const {
        const auto cycles = static_cast<std::uint64_t>(hz * least_stall_s);
        if (end - state.since < cycles || capped.count(state.ref.domain) > 0) return;
        const auto pinned = affinities.find({state.ref.domain, state.ref.vcpu});
        const auto cpu = window.idle_since(runqueue, end - cycles,
                                           pinned == affinities.end() ? std::vector<unsigned>()
                                                                      : pinned->second);
        if (!cpu) return;
        stats.stalls.push_back(
            {state.ref.domain, state.ref.vcpu, *cpu, static_cast<double>(end - state.since) / hz});
    }

    void sum_up_vcpus(WindowStats& stats, std::uint16_t pool, std::uint64_t end) {
        std::vector<VcpuTime> times;
        const auto& vcpus = tracker.vcpus();
        for (std::uint32_t i = 0; i < vcpus.size(); ++i) {
            const VcpuState& state = vcpus[i];
            VcpuUse& vcpu = use(i);
            if (vcpu.pool != pool || state.ref.idle()) continue;
            const auto so_far = static_cast<double>(end - in_window(state.since));
            if (state.state == Runstate::running) vcpu.running += so_far;
            if (state.state == Runstate::runnable && vcpu.waiting) vcpu.waited += so_far;
            if (state.asleep()) vcpu.slept += so_far;
            if (state.state == Runstate::runnable && vcpu.waiting)
                note_stall(stats, windows[pool], state, vcpu.runqueue, end);
            if (vcpu.running + vcpu.waited <= 0) continue;
            const auto weight = weights.find(state.ref.domain);
            times.push_back({state.ref.domain, weight == weights.end() ? 256 : weight->second,
                             vcpu.running, vcpu.waited, vcpu.slept});
        }
        add_vcpu_times(stats, times);
        for (auto& [id, domain] : stats.domains)
            if (const auto slot = domain_slots.find(id); slot != domain_slots.end())
                domain.wake_wait = wakes[slot->second];
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

    /// What has to happen before a record of that time: snapshots take effect, windows that ended
    /// are closed.
    void advance_to(std::uint64_t tsc) {
        const bool anew = restarted;
        if (anew) drop_times_before(tsc);
        while (!snapshots.empty() && snapshots.front().tsc() <= tsc) {
            const proto::HostSnapshot snapshot = std::move(snapshots.front());
            snapshots.pop_front();
            apply(snapshot, *topology_of(snapshot), *pools_of(snapshot)); // checked in add()
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
        next_stop = std::min(begin + length, idle_from);
        if (!snapshots.empty()) next_stop = std::min(next_stop, snapshots.front().tsc());
    }

    void on_record(const trace::Record& record);
    void apply(const proto::HostSnapshot& snapshot, Topology now, std::vector<Pool> now_pools);
};

void WindowBuilder::Impl::on_record(const trace::Record& r) {
    if (r.tsc >= next_stop) [[unlikely]]
        advance_to(r.tsc);
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
                            const std::uint64_t before = tracker.mismatches();
                            tracker.on(r, e, *this);
                            if (!window) return;
                            ++window->stats.changes;
                            window->stats.mismatches += tracker.mismatches() - before;
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
                            window->set_use(here.position, e.paused ? Use::off : Use::lost, r.tsc);
                            window->stats.lost += e.count;
                            if (e.count == 0 && !e.paused) ++window->stats.disordered;
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
                        [](const auto&) {}});
}

WindowBuilder::WindowBuilder(WindowOptions options, std::uint64_t tsc_khz, Sink sink)
    : impl_(std::make_unique<Impl>(options, tsc_khz, std::move(sink))) {}
WindowBuilder::~WindowBuilder() = default;

void WindowBuilder::Impl::apply(const proto::HostSnapshot& snapshot, Topology now,
                                std::vector<Pool> now_pools) {
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
    for (Pool& pool : now_pools) {
        // A snapshot that cannot tell says what was booted; the trace may know better.
        const auto told = traced.find(pool.id);
        if (pool.can_rearrange || told == traced.end()) continue;
        pool.arrangement = told->second;
        pool.can_rearrange = true;
    }
    const auto same_pool = [](const Pool& before, Pool now) {
        now.runqueues = before.runqueues; // follows from the rest, or tells more of the same
        return now == before;
    };
    const bool same = now == topology && std::equal(pools.begin(), pools.end(), now_pools.begin(),
                                                    now_pools.end(), same_pool);
    topology = std::move(now);
    pools = std::move(now_pools);
    const auto facts_with = [&](const Pool& pool, const SeenRunqueues& seen) {
        return pool_facts(snapshot, topology, pool, options.boot, seen);
    };
    if (same) {
        for (std::size_t p = 0; p < pools.size(); ++p)
            windows[p].set_facts(facts_with(pools[p], windows[p].seen_runqueues()));
        return;
    }
    windows.clear();
    corrections.assign(pools.size(), 0);
    taken_off.assign(topology.cpus.back().id + 1, 0);
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

Result<void> WindowBuilder::add(const proto::HostSnapshot& snapshot) {
    auto topology = topology_of(snapshot);
    if (!topology) return tl::unexpected(topology.error());
    auto pools = pools_of(snapshot);
    if (!pools) return tl::unexpected(pools.error());
    if (impl_->windows.empty())
        impl_->apply(snapshot, std::move(*topology), std::move(*pools));
    else
        impl_->snapshots.push_back(snapshot), impl_->next_stop = 0;
    return {};
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
