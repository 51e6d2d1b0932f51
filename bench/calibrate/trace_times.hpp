// SPDX-License-Identifier: MIT
// Times between records of the scheduler's trace that are a machine cost and little else.
#pragma once

#include "collector/trace/event.hpp"
#include "src/layout/layout.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace intellisched::calibrate {

/// How far a CPU is from another one.
enum class Distance : std::uint8_t { same, core, socket, remote };
inline constexpr std::size_t distances = 4;

using ByDistance = std::array<std::vector<std::uint32_t>, distances>;

/// In cycles of the TSC, one entry a time that the thing was seen.
struct TraceTimes {
    /// From TICKLE, right after which the interrupt is sent, to the tickled CPU's SCHEDULE, by how
    /// far it is: the CPU idled, or ran a guest. Nobody else had the runqueue's lock meanwhile.
    ByDistance tickle_idle, tickle_busy;
    /// From SCHEDULE to SWITCH_INFPREV, the runqueue's lock held throughout: an idle CPU takes the
    /// first vCPU that it looks at; a CPU whose guest has just blocked finds nobody and idles.
    std::vector<std::uint32_t> path_warm, path_cold;
    /// What comes after these two: from SWITCH_INFPREV to SWITCH, which is to write records.
    std::vector<std::uint32_t> records_warm, records_cold;
    /// From the last runstate record of a switch away from a vCPU that blocked to UPDATE_LOAD on
    /// the other side of it: to another vCPU, which has last run on this CPU as well, or to idle,
    /// which loads nothing.
    std::vector<std::uint32_t> switch_guest, switch_idle;
    /// From WAKE to the runstate record after it, in between the runqueue's lock, which nobody has
    /// had for a while: by who had it last, of CPUs that idled and of CPUs that ran a guest.
    std::array<ByDistance, 2> lock;

    unsigned cpus = 0;         ///< of the pool
    std::uint64_t records = 0; ///< that they wrote
    double traced = 0;         ///< cycles of them all together, in which they lost none
};

/// Fed with records in the order of time, collects the times above. Only what the trace shows
/// without a doubt is taken: a record in between that does not belong to the path, a loss, or
/// another CPU's clock that is behind drops the one at hand.
class TraceTimer {
  public:
    /// Takes these CPUs, which are those of one pool; others' schedulers may be different ones.
    void set_cpus(const Topology& topology, const std::vector<unsigned>& cpus);
    void add(const trace::Record& record);
    [[nodiscard]] const TraceTimes& times() const { return times_; }

  private:
    /// What has happened on a CPU lately.
    struct Pcpu {
        bool wanted = false;
        bool lossy = false; ///< its records are being lost
        Cpu where;
        bool blocked = false;   ///< its guest has blocked in its last record, first thing in Xen
        std::uint64_t last = 0; ///< TSC of its last record
        Distance tickled_from = Distance::same;
        std::uint64_t tickled = 0;  ///< TSC of a tickle from elsewhere that it has not yet answered
        std::uint64_t decides = 0;  ///< TSC of SCHEDULE, until it has decided
        bool decides_idle = false;  ///< the CPU idled
        bool decides_block = false; ///< its guest had, right before
        std::array<std::uint32_t, 4> steps{}; ///< events since then
        unsigned step_count = 0;
        std::vector<std::uint32_t>* switches = nullptr; ///< where the time of this switch belongs
        std::vector<std::uint32_t>* writes = nullptr;   ///< ... that of its records, and its begin
        std::uint64_t writes_since = 0;
        std::optional<bool> idle = {}; ///< runs nobody; not known at first
        std::uint32_t runqueue = none; ///< its own
        std::uint32_t locked = none;   ///< runqueue that its records are under the lock of
        std::uint64_t wakes = 0;       ///< TSC of WAKE, if that is its last record
    };

    /// A runqueue's lock.
    struct Lock {
        std::uint64_t last = 0; ///< TSC of the last record under it
        std::uint16_t cpu = 0;  ///< that wrote it
    };
    struct Vcpu {
        std::uint32_t runqueue;
        std::uint16_t cpu; ///< it ran there last; or nowhere
    };
    static constexpr std::uint32_t none = UINT32_MAX;
    static constexpr std::uint16_t nowhere = UINT16_MAX;

    void woken(Pcpu& cpu, const trace::Record& record, trace::VcpuRef vcpu);
    void answered(Pcpu& cpu, const trace::Record& record, const trace::Schedule& schedule);
    void decided(Pcpu& cpu, std::uint64_t tsc);

    std::vector<Pcpu> cpus_;
    std::vector<Lock> locks_;                       ///< by runqueue
    std::unordered_map<std::uint32_t, Vcpu> vcpus_; ///< by VcpuRef's key
    unsigned lossy_ = 0;                            ///< CPUs
    std::uint64_t last_ = 0;                        ///< TSC of the last record
    TraceTimes times_;
};

} // namespace intellisched::calibrate
