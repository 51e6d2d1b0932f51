// SPDX-License-Identifier: MIT
// Follows the vCPUs of all pools through a window, as the tracker's observer. It adds what it sees
// to the pools' windows, and keeps what is known of a vCPU beside its runstate from window to
// window. All of it is inline, because it is on the path of every record.
#pragma once

#include "collector/trace/runstates.hpp"
#include "collector/window/pool_window.hpp"
#include "collector/window/vcpu_times.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

namespace intellisched {

/// All vCPUs, and the pools they run in. WindowBuilder says where a window begins, and adds its
/// sums to the pools' windows as it ends.
struct PoolVcpus {
    using Runstate = trace::Runstate;
    using RunstateTracker = trace::RunstateTracker;
    using VcpuState = trace::VcpuState;
    using Use = PoolWindow::Use;

    static constexpr std::uint16_t nowhere = 0xffff;
    /// The longest time from a tickle until the woken vCPU runs, and from the end of one vCPU's run
    /// until the next one's.
    static constexpr double longest_tickle_s = 100e-6, longest_switch_s = 20e-6;
    /// Of a burst on a cold cache, how long filling it lasts at most. Fitted
    /// (src/pool/live_score.hpp).
    static constexpr double refill_s = 200e-6;
    /// A vCPU that waits beside an idle CPU for so long is reported as a stall.
    static constexpr double least_stall_s = 0.5;
    /// The most searches for such an idle CPU in a window. Only damaged traces need more.
    static constexpr unsigned most_stall_searches = 4096;
    /// The most domains that have a histogram of their own.
    static constexpr std::size_t most_domains = 4096;
    /// Between two counts of who waits. Not the length of anybody's slice or timer.
    static constexpr double census_s = 0.103;
    /// The most domains that WaitCensus tells one to wait behind.
    static constexpr std::size_t most_behind = 64;

    /// What a vCPU finds in the caches as it starts.
    enum class Cache : std::uint8_t {
        warm, ///< what it left
        cold, ///< another vCPU's: it comes from another core, or another vCPU ran here meanwhile
        far,  ///< as cold, and what it left is in another socket or node
    };
    static Cache cache_after(Distance distance, bool another_ran) {
        if (distance == Distance::node || distance == Distance::remote) return Cache::far;
        return distance == Distance::socket || (distance == Distance::none && another_ran)
                   ? Cache::cold
                   : Cache::warm;
    }

    /// What the window keeps of a vCPU beside its runstate.
    struct VcpuUse {
        std::uint16_t pool = nowhere; ///< in which it last ran
        std::uint16_t position = nowhere;
        unsigned runqueue = 0; ///< in which it waits
        bool waiting = false;
        bool preempted = false;
        Cache cache = Cache::warm; ///< as this burst began
        std::uint32_t sleeps = 0;  ///< begun in this window
        std::uint32_t bursts = 0;  ///< ended in it
        std::uint32_t moves = 0;   ///< to another CPU in it
        std::uint64_t asleep = 0;  ///< TSC since which it sleeps, if it does
        double running = 0;        ///< cycles in this window
        double waited = 0;
        double slept = 0;
        std::uint64_t woken = 0;      ///< TSC at which it was woken, until it sleeps again; 0: not
                                      ///< known
        std::uint32_t slot = unasked; ///< of its domain in domain_uses, or one of these:
        static constexpr std::uint32_t unasked = UINT32_MAX, none = UINT32_MAX - 1;
    };

    struct Place {
        std::uint16_t pool = nowhere;
        std::uint16_t position = 0;
    };

    PoolVcpus(double tsc_hz, std::uint64_t window_length) : hz(tsc_hz), length(window_length) {}

    double hz;
    std::uint64_t length; ///< of a window, in cycles
    std::uint64_t begin = 0;
    RunstateTracker tracker{true};
    std::vector<PoolWindow> windows;      ///< by pool
    std::vector<Place> places;            ///< by CPU
    std::vector<std::uint64_t> taken_off; ///< by CPU: TSC at which a vCPU was last preempted there
    std::vector<std::uint32_t> last_on; ///< by CPU: the tracker's number of the guest's vCPU there
    std::vector<VcpuUse> uses;          ///< by the tracker's number
    std::set<unsigned> capped;          ///< domains
    std::map<std::pair<unsigned, unsigned>, std::vector<unsigned>> affinities; ///< hard, by vCPU
    std::unordered_map<unsigned, double> weights;                              ///< by domain
    std::unordered_map<unsigned, unsigned> pool_ids;                           ///< of domains
    /// What is kept of a domain in this window, beside its vCPUs' times.
    struct DomainUse {
        Histogram wake_wait, response; ///< as DomainWindow's
        CoarseHistogram wait;
        double held_back = 0;
        WaitCensus census;
        void clear() {
            wake_wait.clear();
            response.clear();
            wait.clear();
            held_back = 0;
            census = {};
        }
    };
    std::vector<DomainUse> domain_uses;                       ///< by domain_slots
    std::unordered_map<unsigned, std::uint32_t> domain_slots; ///< by domain
    std::vector<std::uint32_t> free_slots;                    ///< free places in `domain_uses`
    unsigned stall_searches = 0;                              ///< in this window
    std::uint64_t untracked = 0,
                  untracked_before = 0; ///< by `domain_uses`; by the tracker at `begin`

    Place place(std::uint16_t cpu) const { return cpu < places.size() ? places[cpu] : Place{}; }
    VcpuUse& use(std::uint32_t vcpu) {
        if (uses.size() <= vcpu) uses.resize(std::max<std::size_t>(vcpu + 1, uses.size() * 2));
        return uses[vcpu];
    }
    std::uint64_t in_window(std::uint64_t tsc) const { return std::max(tsc, begin); }

    /// The tracker tells of each change (see RunstateTracker).
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

        if (!before.asleep() && before.asleep_in(to)) {
            vcpu.asleep = tsc;
            ++vcpu.sleeps;
            if (vcpu.woken != 0) responded(vcpu, before.ref.domain, tsc);
        }
        if (to == Runstate::running)
            took_cpu(vcpu, before, i, cpu, tsc);
        else if (to == Runstate::runnable && vcpu.pool != nowhere && !before.ref.idle())
            set_waiting(vcpu, true, tsc);
        else if (to == Runstate::unknown) {
            vcpu.position = nowhere;
            vcpu.woken = 0;
        }
    }

    [[gnu::always_inline]] void left_cpu(VcpuUse& vcpu, const VcpuState& before, Runstate to,
                                         std::uint64_t tsc) {
        if (vcpu.pool == nowhere) return;
        PoolWindow& window = windows[vcpu.pool];
        // Until the next vCPU takes it (well below a microsecond) the CPU counts as idle.
        if (const Place there = place(before.cpu); there.pool != nowhere)
            windows[there.pool].set_use(there.position, Use::idle, tsc);
        if (before.ref.idle()) return;
        vcpu.running += static_cast<double>(tsc - in_window(before.since));
        ++vcpu.bursts;
        if (to == Runstate::unknown) return; // cut by a loss: its length is not known
        window.stats.burst.add(tsc - before.since);
        const double filling = std::min(static_cast<double>(tsc - before.since), hz * refill_s);
        if (vcpu.cache == Cache::cold) window.stats.refilled_near += filling;
        if (vcpu.cache == Cache::far) window.stats.refilled_far += filling;
        vcpu.preempted = to != Runstate::running && !before.asleep_in(to);
        if (!vcpu.preempted) return;
        ++window.stats.preemptions;
        if (before.cpu < taken_off.size()) taken_off[before.cpu] = tsc;
    }

    [[gnu::always_inline]] void waited(VcpuUse& vcpu, const VcpuState& before, Runstate to,
                                       std::uint16_t cpu, std::uint64_t tsc) {
        if (!vcpu.waiting) return;
        set_waiting(vcpu, false, tsc);
        vcpu.waited += static_cast<double>(tsc - in_window(before.since));
        if (to != Runstate::running) return;
        auto& stats = windows[vcpu.pool].stats;
        (vcpu.preempted ? stats.preempt_wait : stats.wake_wait).add(tsc - before.since);
        DomainUse* domain = use_of_domain(vcpu, before.ref.domain);
        if (domain)
            domain->wait.add(tsc - before.since);
        else
            ++untracked;
        if (vcpu.preempted) return;
        if (domain) domain->wake_wait.add(tsc - before.since);
        const auto wait = static_cast<double>(tsc - before.since);
        stats.wake_waited += wait;
        // Xen writes no record when the rate limit keeps it from tickling a CPU. What shows is a
        // wait far longer than a tickle takes, which ends as another vCPU is taken off the CPU.
        if (wait > hz * longest_tickle_s && cpu < taken_off.size() && taken_off[cpu] != 0 &&
            static_cast<double>(tsc - taken_off[cpu]) < hz * longest_switch_s) {
            stats.held_back += wait;
            if (domain) domain->held_back += wait;
        }
    }

    /// It has done what it was woken for.
    void responded(VcpuUse& vcpu, unsigned domain, std::uint64_t tsc) {
        const std::uint64_t woken = std::exchange(vcpu.woken, 0);
        if (DomainUse* kept = use_of_domain(vcpu, domain)) kept->response.add(tsc - woken);
    }

    /// None where there are too many domains.
    DomainUse* use_of_domain(VcpuUse& vcpu, unsigned domain) {
        if (vcpu.slot == VcpuUse::unasked) vcpu.slot = slot_of(domain);
        return vcpu.slot == VcpuUse::none ? nullptr : &domain_uses[vcpu.slot];
    }

    [[gnu::noinline]] std::uint32_t slot_of(unsigned domain) { // once a vCPU
        if (const auto known = domain_slots.find(domain); known != domain_slots.end())
            return known->second;
        if (free_slots.empty()) {
            if (domain_uses.size() == most_domains) return VcpuUse::none;
            free_slots.push_back(static_cast<std::uint32_t>(domain_uses.size()));
            domain_uses.emplace_back();
        }
        const std::uint32_t slot = free_slots.back();
        free_slots.pop_back();
        return domain_slots[domain] = slot;
    }

    /// Forgets domains that the latest snapshot (pool_ids) does not have. One that did anything in
    /// the last window is kept: it may be newer than the snapshot. Each guest that starts has a new
    /// id, so without this, memory would grow for as long as the host runs.
    void forget_gone(std::uint64_t now) {
        std::unordered_map<unsigned, bool> gone; // whether it may be forgotten
        for (const VcpuState& vcpu : tracker.vcpus()) {
            if (vcpu.ref.idle() || pool_ids.count(vcpu.ref.domain) > 0) continue;
            // `since` may be of before the TSC restarted.
            const bool still =
                vcpu.state != Runstate::running && (vcpu.since > now || now - vcpu.since > length);
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
            domain_uses[slot->second].clear();
            free_slots.push_back(slot->second);
            domain_slots.erase(slot);
        }
    }

    void woke(VcpuUse& vcpu, const VcpuState& before, std::uint32_t i, std::uint16_t cpu,
              std::uint64_t tsc) {
        vcpu.preempted = false;
        vcpu.woken = tsc;
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

    /// Counts what a record says by itself of a vCPU whose state a loss hides from the tracker, or
    /// is about to hide. So the counts include everything that was seen.
    void count_unfollowed(const trace::RunstateChange& e, std::uint16_t cpu) {
        if (e.to != Runstate::runnable || e.vcpu.idle()) return;
        const std::uint32_t i = tracker.known(e.vcpu);
        if (i == RunstateTracker::none) return;
        if (!tracker.lossy() && tracker.vcpus()[i].state != Runstate::unknown) return;
        VcpuUse& vcpu = use(i);
        if (vcpu.pool == nowhere) return;
        vcpu.preempted = e.from == Runstate::running;
        if (e.from == Runstate::running) ++windows[vcpu.pool].stats.preemptions;
        if (e.from == Runstate::blocked) count_wakeup(vcpu, e.vcpu, i, cpu);
    }

    void took_cpu(VcpuUse& vcpu, const VcpuState& before, std::uint32_t i, std::uint16_t cpu,
                  std::uint64_t tsc) {
        const Place here = place(cpu);
        if (here.pool == nowhere) {
            vcpu.pool = nowhere;
            return;
        }
        PoolWindow& window = windows[here.pool];
        window.set_use(here.position, before.ref.idle() ? Use::idle : Use::busy, tsc);
        if (!before.ref.idle()) {
            ++window.stats.switches;
            const std::uint32_t last = std::exchange(last_on[cpu], i);
            if (vcpu.pool == here.pool && vcpu.position != nowhere) {
                const auto distance = window.distance(vcpu.position, here.position);
                ++window.stats.moves[static_cast<std::size_t>(distance)];
                vcpu.moves += distance != Distance::none;
                vcpu.cache = cache_after(distance, last != i);
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

    /// Takes the pool's vCPUs to its new runqueues.
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

    /// Notes a vCPU that waits beside an idle CPU. Not one under a cap, which may have to wait.
    void note_stall(WindowStats& stats, const PoolWindow& window, const VcpuState& state,
                    unsigned runqueue, std::uint64_t end) {
        const auto cycles = static_cast<std::uint64_t>(hz * least_stall_s);
        if (end - state.since < cycles || capped.count(state.ref.domain) > 0) return;
        if (stall_searches++ >= most_stall_searches) return;
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
                             vcpu.running, vcpu.waited, vcpu.slept, vcpu.sleeps, vcpu.bursts,
                             vcpu.moves});
        }
        add_vcpu_times(stats, times);
        for (auto& [id, domain] : stats.domains)
            if (const auto slot = domain_slots.find(id); slot != domain_slots.end()) {
                const DomainUse& kept = domain_uses[slot->second];
                domain.wake_wait = kept.wake_wait;
                domain.response = kept.response;
                domain.wait = kept.wait;
                domain.held_back = kept.held_back;
                domain.census = kept.census;
            }
    }

    /// Counts who waits at this moment, and behind whom (WaitCensus).
    void take_census(std::uint64_t tsc);
    std::uint32_t censuses = 0;
    std::vector<unsigned> reachable = {}; ///< room for take_census()
};

} // namespace intellisched
