// SPDX-License-Identifier: MIT
// The sums of one window of one pool: events and counters.
#pragma once

#include "collector/window/histogram.hpp"
#include "src/layout/layout.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace intellisched {

/// What somebody may turn while a guest runs, and what it gets follows from.
struct GuestTurned {
    unsigned domain = 0, weight = 0, cap = 0;
    unsigned pinned = 0; ///< online vCPUs with hard affinity to less than the pool
    friend bool operator==(const GuestTurned&, const GuestTurned&) = default;
};

/// What the topology and the domains' parameters say of a pool.
struct PoolFacts {
    unsigned pool_id = 0;
    std::string pool;
    Arrangement in_force;
    Partition runqueues_in_force;          ///< as far as is known
    std::optional<unsigned> rate_limit_us; ///< in force; nothing: not told
    bool explained = true;      ///< some layout gives them; else a prediction is of other runqueues
    bool can_rearrange = false; ///< the pool can go to another layout while it runs
    // The layouts to choose from: without a cap where the pool can be rearranged, otherwise with
    // the cap of the boot, because there only boot parameters can change them.
    Representatives representatives{};
    std::array<unsigned, layout_count> runqueues{}; ///< that each layout gives
    Layout current = Layout::socket; ///< the one that gives the runqueues in force; if none does
                                     ///< (its cap cuts them up), the one that is in force by name
    bool exact = true;               ///< `current` does give them
    unsigned cpus = 0, cores = 0, sockets = 0, nodes = 0;

    unsigned domains = 0;
    unsigned vcpus = 0;          ///< online, of the pool's domains
    double weight_spread = 1;    ///< largest weight / smallest
    double capped = 0;           ///< part of the vCPUs whose domain has a cap
    double pinned = 0;           ///< part of the vCPUs with hard affinity to less than the pool
    double soft_affine = 0;      ///< part of the vCPUs with soft affinity to less than the pool
    unsigned largest_domain = 0; ///< online vCPUs
    std::vector<GuestTurned> turned = {}; ///< of each domain of the pool
};

/// How far a vCPU moved between two stretches of running.
enum class Distance : std::uint8_t { none, sibling, socket, node, remote };
inline constexpr std::size_t distance_count = 5;

/// Why a domain's vCPUs wait, counted at moments some 100 ms apart (PoolVcpus::take_census()). A
/// wait is found as often as it is long, so parts of these counts are parts of the waiting. Waits
/// that are no longer than a tickle takes are for nobody, and are not counted.
struct WaitCensus {
    std::uint32_t waiting = 0;        ///< vCPUs that were found waiting
    std::uint32_t beside_idle = 0;    ///< ... while a CPU was idle that they may use, of their own
                                      ///< runqueue
    std::uint32_t idle_elsewhere = 0; ///< ... of other runqueues only
    std::uint32_t idle_forbidden = 0; ///< ... while CPUs were idle, none of which they may use
    /// By domain, which ran where they may run: on one CPU of their runqueue at a time, in turn.
    std::map<unsigned, std::uint32_t> behind = {};
};

/// What one domain of the pool got.
struct DomainWindow {
    double running = 0; ///< cycles, all vCPUs together
    double waiting = 0;
    double demand = 0;         ///< what its vCPUs would have run alone, see demand.hpp
    std::uint64_t sleeps = 0;  ///< begun: as many as wake-ups, but for one of a vCPU
    std::uint64_t bursts = 0;  ///< stretches of running that ended
    std::uint64_t moves = 0;   ///< starts of running on another CPU than before
    Histogram wake_wait;       ///< as WindowStats'
    CoarseHistogram wait = {}; ///< all waits that ended in a run, after wake-ups or preemption
    double held_back = 0;      ///< as WindowStats'
    WaitCensus census = {};
    /// From a wake-up until the vCPU sleeps again: its waits, the work that it was woken for, and
    /// how slow that was. The response time of a job, as real-time scheduling calls it, and what a
    /// host sees of a guest's own.
    Histogram response;
};

/// A vCPU that waits beside an idle CPU of its own runqueue on which it may run.
struct Stall {
    unsigned domain = 0;
    unsigned vcpu = 0;
    unsigned cpu = 0;
    double seconds = 0; ///< up to the end of the window
};

/// Times are in TSC cycles until the accessors of the features turn them into seconds.
struct WindowStats {
    PoolFacts facts;
    std::uint64_t begin_tsc = 0;
    std::uint64_t end_tsc = 0;
    double tsc_hz = 0;

    // From runstate records.
    Histogram wake_wait;          ///< runnable after a wake-up, until it ran
    Histogram preempt_wait;       ///< runnable after it was taken off its CPU, until it ran again
    Histogram burst;              ///< one stretch of running
    Histogram sleep;              ///< blocked, paused, or waiting for a device model, until woken
    std::vector<double> cpu_busy; ///< by position in the pool: cycles under a guest or dom0
    std::vector<double> cpu_seen; ///< by position in the pool: cycles in which it is known whether
    double traced = 0;            ///< cycles × CPUs in which tracing was on
    double observed = 0;          ///< ... and no record of the CPU was lost
    double clear = 0;             ///< cycles in which that is true of all CPUs
    double traced_all = 0;        ///< cycles in which tracing was on and all CPUs' use was known
    double running = 0;           ///< vCPU cycles
    double waiting = 0;           ///< vCPU cycles, over the same time as `running`
    double dom0_running = 0;
    double wake_waited = 0;    ///< vCPU cycles of waits after wake-ups that ended in a run
    double held_back = 0;      ///< ... as the vCPU that ran there was preempted: the rate limit
    std::vector<Stall> stalls; ///< at the end of the window, of at least half a second
    std::uint64_t wakeups = 0, dom0_wakeups = 0;
    std::uint64_t sibling_wakeups = 0; ///< woken by a vCPU of the same domain
    std::uint64_t switches = 0, preemptions = 0, yields = 0;
    std::array<std::uint64_t, distance_count> moves{}; ///< starts of running, by distance
    std::uint64_t runqueue_moves = 0;                  ///< starts of running in another runqueue
    /// Cycles of filling caches, the first 200 us of each burst that began on a cold one: with data
    /// of its own socket, and of another one.
    double refilled_near = 0, refilled_far = 0;

    // Integrals over clear time, in cycles.
    double contended = 0; ///< both siblings of a core busy while another core is idle as a whole
    double wasted = 0;    ///< a CPU idle while a vCPU waits in another runqueue
    double stalled = 0;   ///< a CPU idle while a vCPU waits in the same runqueue
    double saturated = 0; ///< no CPU idle
    double imbalance = 0; ///< standard deviation over runqueues of (running + waiting) / CPUs
    double shared = 0;    ///< CPUs busy while a sibling is busy too, summed up

    // From credit2's records.
    std::uint64_t tickles = 0, credit_resets = 0, migrations = 0, balance_checks = 0,
                  balance_attempts = 0, ratelimited = 0, picks = 0, candidates = 0;

    // From vCPUs and domains over the window.
    unsigned active_vcpus = 0; ///< that ran
    double hogs = 0;           ///< part of the running time of vCPUs that hardly ever block
    double share_error = 0;    ///< weighted-share error, see fairness.hpp
    double run_spread = 0;     ///< standard deviation of domains' running / mean
    std::map<unsigned, DomainWindow> domains; ///< by id; those that ran or waited

    // From counters; NaN without two samples.
    double network_bytes = std::numeric_limits<double>::quiet_NaN();   ///< a second
    double network_packets = std::numeric_limits<double>::quiet_NaN(); ///< a second
    double block_requests = std::numeric_limits<double>::quiet_NaN();  ///< a second
    double block_bytes = std::numeric_limits<double>::quiet_NaN();     ///< a second
    double counted_cpu = std::numeric_limits<double>::quiet_NaN(); ///< CPUs' worth of domain time
    /// By domain of the pool, what it published when it was last looked at; never trusted.
    std::map<unsigned, double> published;

    // How far the above can be trusted.
    std::uint64_t events = 0;    ///< on the pool's CPUs
    std::uint64_t decisions = 0; ///< of credit2: its SCHEDULE records
    std::uint64_t lost = 0;
    std::uint64_t changes = 0;    ///< of vCPUs' runstates, in all pools
    std::uint64_t mismatches = 0; ///< ... from another state than the vCPU was in
    double mismatched_cpu = 0;    ///< part of a CPU's changes that were so, of the CPU with most
    std::uint64_t disordered = 0; ///< stretches of records too late to be put in order, by CPU
    /// On the whole host: records of vCPUs and waits of domains that were not counted for lack of
    /// room.
    std::uint64_t untracked = 0;
    /// Times that the runqueues were formed anew. The sums above are then of both layouts, and the
    /// facts of the last one: nothing may be concluded from such a window.
    std::uint64_t rearrangements = 0;
    SeenRunqueues runqueue_of; ///< by CPU, as SCHEDULE records told

    [[nodiscard]] double seconds() const {
        return static_cast<double>(end_tsc - begin_tsc) / tsc_hz;
    }
    /// Part of the CPUs' time with tracing on that the trace covers without a loss.
    [[nodiscard]] double coverage() const { return traced > 0 ? observed / traced : 0; }
    /// Part of the time with tracing on in which no CPU had a loss. Only then are waits known, and
    /// what CPUs do at the same time.
    [[nodiscard]] double cleared() const { return traced_all > 0 ? clear / traced_all : 1; }
    /// Part of the runstate changes that fit no state before: records in a wrong order. Of all of
    /// them, or of the CPU that has most of it, for one clock that differs is little among many.
    [[nodiscard]] double mismatched() const {
        const double all =
            changes > 0
                ? std::min(1.0, static_cast<double>(mismatches) / static_cast<double>(changes))
                : 0;
        return std::max(all, mismatched_cpu);
    }
    /// Whether vCPUs ran but none waited, slept or was woken: then records are missing.
    [[nodiscard]] bool runs_only() const {
        return running > 0 && waiting == 0 && wakeups == 0 && sleep.count() == 0;
    }
    /// Utilisation of the CPU at that position of the pool, as far as it was seen; nothing: never.
    [[nodiscard]] std::optional<double> busy_part(std::size_t position) const {
        const double seen = cpu_seen[position];
        return seen > 0 ? std::optional(cpu_busy[position] / seen) : std::nullopt;
    }
    /// Seconds that were seen of the average CPU.
    [[nodiscard]] double seen_seconds() const {
        return facts.cpus > 0 ? observed / facts.cpus / tsc_hz : 0;
    }
};

} // namespace intellisched
