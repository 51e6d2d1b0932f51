// SPDX-License-Identifier: MIT
// The running state of one pool inside a window: which CPU is busy, who waits where, and the
// integrals over time that follow from it. Each change is handled in constant time.
#pragma once

#include "collector/window/stats.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace intellisched {

class PoolWindow {
  public:
    PoolWindow(PoolFacts facts, const Topology& topology, const std::vector<unsigned>& cpus,
               double tsc_hz);

    /// Domains or their parameters changed; the CPUs did not.
    void set_facts(PoolFacts facts) { facts_ = stats.facts = std::move(facts); }

    [[nodiscard]] const PoolFacts& facts() const { return facts_; }

    /// The runqueues were formed anew, as `facts` say. Nobody waits in them until add_waiting()
    /// says so. The hypervisor's numbers of them are unknown until its records name them again.
    void rearrange(PoolFacts facts, std::uint64_t tsc);
    /// The runqueues have been other ones than was thought all along: those of `facts`. Nobody
    /// waits in them until add_waiting() says so. The hypervisor's numbers of them stay.
    void correct(PoolFacts facts, std::uint64_t tsc);

    /// What a CPU does. Before its first record a CPU is idle: a busy one would have had a
    /// scheduling decision within credit2's longest slice, 10 ms. `lost`: records of it are
    /// missing. `off`: tracing is paused, or was resumed and it is not known yet who runs.
    enum class Use : std::uint8_t { idle, busy, lost, off };

    void set_use(unsigned position, Use use, std::uint64_t tsc);
    /// The CPU is lost because its records come too late to be put in order.
    void set_late(unsigned position, std::uint64_t tsc) {
        set_use(position, Use::lost, tsc);
        cpus_[position].late = true;
        ++stats.disordered;
    }
    /// A CPU of that runqueue that has been idle since `tsc` and is one of `allowed` (sorted ids;
    /// empty: all).
    [[nodiscard]] std::optional<unsigned> idle_since(unsigned runqueue, std::uint64_t tsc,
                                                     const std::vector<unsigned>& allowed) const;
    /// Where there is an idle CPU for one who waits in a runqueue: in that one, in another, or only
    /// where it may not run.
    enum class IdleCpu : std::uint8_t { none, own, elsewhere, forbidden };
    [[nodiscard]] IdleCpu idle_for(unsigned runqueue, const std::vector<unsigned>& allowed) const;
    /// From `tsc` on nothing is known of any CPU.
    void nothing_traced(std::uint64_t tsc);
    /// CPUs of which nothing was traced are idle from `tsc` on.
    void end_off(std::uint64_t tsc);
    /// CPUs under a vCPU.
    [[nodiscard]] int busy() const { return static_cast<int>(cpus_.size()) - idle_ - lost_ - off_; }
    [[nodiscard]] Use use_of(unsigned position) const { return cpus_[position].use; }
    /// A runstate change on that CPU, from the state that the vCPU was in or from another.
    void count_change(unsigned position, bool mismatch) {
        ++cpus_[position].changes;
        cpus_[position].mismatches += mismatch;
    }
    /// A vCPU begins (+1) or ends (-1) to wait in that runqueue of the current partition.
    void add_waiting(unsigned runqueue, int change, std::uint64_t tsc);

    [[nodiscard]] unsigned runqueue_of(unsigned position) const { return cpus_[position].runqueue; }
    [[nodiscard]] Distance distance(unsigned from, unsigned to) const;

    /// A SCHEDULE record: the hypervisor's own number of the runqueue that a CPU is on. Returns
    /// whether it is news that contradicts the runqueues in force.
    bool saw_runqueue(unsigned position, unsigned id);
    /// All that such records said.
    [[nodiscard]] SeenRunqueues seen_runqueues() const;
    /// The runqueue of the current partition with the hypervisor's number, or `no_runqueue`.
    [[nodiscard]] unsigned runqueue_with(unsigned id) const {
        return id < by_id_.size() ? by_id_[id] : no_runqueue;
    }
    static constexpr unsigned no_runqueue = UINT32_MAX;
    /// The hypervisor numbers runqueues from 0, and has no more of them than CPUs.
    static constexpr unsigned trace_runqueues = 4096;

    /// Opens the first window, or throws the open one away and begins anew.
    void begin(std::uint64_t tsc);
    /// Ends the window at `tsc`, shows its sums to `see(WindowStats&)`, and opens the next one
    /// there.
    template<class See> void close(std::uint64_t tsc, See see) {
        end(tsc);
        see(stats);
        begin(tsc);
        for (const CpuSlot& cpu : cpus_) stats.disordered += cpu.late;
    }

    WindowStats stats; ///< of the open window: counts are added by whoever sees the records

  private:
    struct CpuSlot {
        unsigned id = 0;
        Cpu place;
        unsigned runqueue = 0;
        unsigned core = 0;
        Use use = Use::idle;
        bool late = false; ///< lost because its records come too late to be put in order
        std::uint64_t since = 0;
        std::uint64_t used_since = 0;         ///< as `since`, but over windows; 0: always
        unsigned changes = 0, mismatches = 0; ///< of runstates, as WindowStats'
        unsigned seen_runqueue = no_runqueue;
    };
    struct CoreSlot {
        unsigned threads = 0, busy = 0, idle = 0;
    };
    struct RunqueueSlot {
        unsigned cpus = 0, busy = 0, idle = 0, waiting = 0;
    };

    void end(std::uint64_t tsc);
    void form_runqueues();
    void number(unsigned id, unsigned runqueue);
    void advance(std::uint64_t tsc);
    void count_use(unsigned position);
    void count_core(const CoreSlot& core, int sign);
    void count_runqueue(const RunqueueSlot& runqueue, int sign);

    PoolFacts facts_;
    double tsc_hz_;
    std::vector<CpuSlot> cpus_;
    std::vector<CoreSlot> cores_;
    std::vector<RunqueueSlot> runqueues_;
    std::vector<unsigned> by_id_; ///< runqueue by the hypervisor's number
    std::uint64_t now_ = 0;

    int lost_ = 0;         ///< CPUs in a loss
    int off_ = 0;          ///< CPUs of which nothing is traced
    int idle_ = 0;         ///< CPUs
    int shared_cores_ = 0; ///< with two or more busy threads
    int shared_cpus_ = 0;  ///< busy ones of those
    int free_cores_ = 0;   ///< idle as a whole
    int rq_waiting_ = 0;   ///< runqueues in which somebody waits
    int rq_idle_ = 0;      ///< runqueues with an idle CPU
    int rq_both_ = 0;
    double load_sum_ = 0, load_squares_ = 0; ///< over runqueues
};

} // namespace intellisched
