// SPDX-License-Identifier: MIT
// The host as the scheduler groups it: CPUs, pools, and the five layouts of credit2's runqueues.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace intellisched {

/// credit2_runqueue's values, from the finest to the coarsest.
enum class Layout : std::uint8_t { cpu, core, socket, node, all };

inline constexpr std::size_t layout_count = 5;
inline constexpr std::array<Layout, layout_count> all_layouts{
    Layout::cpu, Layout::core, Layout::socket, Layout::node, Layout::all};

[[nodiscard]] constexpr std::size_t index(Layout layout) {
    return static_cast<std::size_t>(layout);
}

/// "cpu", "core", "socket", "node" or "all".
[[nodiscard]] std::string_view to_string(Layout layout);
/// The layout of that exact name, or nothing.
[[nodiscard]] std::optional<Layout> layout_from_string(std::string_view name);

/// One physical CPU (hardware thread) as libxl_get_cpu_topology and sysctl cputopoinfo tell it.
/// Core numbers are those of Xen's cpu_to_core(): they repeat in every socket.
struct Cpu {
    unsigned id = 0;
    unsigned core = 0;
    unsigned socket = 0;
    unsigned node = 0;
    friend bool operator==(const Cpu&, const Cpu&) = default;
};

/// The online CPUs of a host, in ascending order of id.
struct Topology {
    std::vector<Cpu> cpus;
    /// Threads per core of the processor, online or not (Xen's x86_num_siblings). 0: not told; then
    /// that of the fullest core is assumed.
    unsigned threads_per_core = 0;

    /// The CPU with this id; null when it is not online.
    [[nodiscard]] const Cpu* find(unsigned id) const;
    friend bool operator==(const Topology&, const Topology&) = default;
};

[[nodiscard]] inline bool same_core(const Cpu& a, const Cpu& b) {
    return a.socket == b.socket && a.core == b.core;
}

/// The pool's scheduling granularity (sched-gran).
enum class Granularity : std::uint8_t { cpu, core, socket };

/// sched_credit2_max_cpus_runqueue's default (MAX_CPUS_RUNQ in Xen 4.17's credit2.c).
inline constexpr unsigned default_max_cpus_runqueue = 16;
/// No cap on the CPUs of a runqueue: each layout's exact partition.
inline constexpr unsigned no_cap = 0;

/// How credit2 is to form runqueues; the defaults are Xen's.
struct Arrangement {
    Layout layout = Layout::socket;
    unsigned max_cpus = default_max_cpus_runqueue; ///< the most CPUs of a runqueue, or no_cap
    friend bool operator==(const Arrangement&, const Arrangement&) = default;
};

/// "core", or "core capped at 16" when there is a cap.
[[nodiscard]] std::string to_string(const Arrangement& arrangement);

/// credit2's rate limit (sched_ratelimit_us): microseconds that a vCPU may run before a wake-up may
/// preempt it. A property of a pool, which every Xen since 4.2 changes while the pool runs.
inline constexpr unsigned no_rate_limit_us = 0;
/// SCHED_DEFAULT_RATELIMIT_US of xen/common/sched/private.h.
inline constexpr unsigned default_rate_limit_us = 1000;
/// XEN_SYSCTL_SCHED_RATELIMIT_MIN and _MAX (xen/include/public/sysctl.h).
inline constexpr unsigned least_rate_limit_us = 100;
inline constexpr unsigned most_rate_limit_us = 500'000;
/// Those that are chosen from. Why these: docs/evidence/2026-11-29-rate-limit.md.
inline constexpr std::array<unsigned, 5> rate_limits_us{no_rate_limit_us, 300,
                                                        default_rate_limit_us, 3000, 10'000};

/// Whether Xen takes that rate limit; possible_rate_limits says which in words.
[[nodiscard]] constexpr bool possible_rate_limit(std::uint64_t us) {
    return us == no_rate_limit_us || (us >= least_rate_limit_us && us <= most_rate_limit_us);
}

inline constexpr std::string_view possible_rate_limits = "0 (off) and 100 to 500000 us";

/// "1000 us", or "off".
[[nodiscard]] std::string rate_limit_text(unsigned us);

/// What is to be changed of a pool's configuration; what is absent stays as it is.
struct Change {
    std::optional<Arrangement> arrangement = {};
    std::optional<unsigned> rate_limit_us = {};
    [[nodiscard]] bool empty() const { return !arrangement && !rate_limit_us; }
    friend bool operator==(const Change&, const Change&) = default;
};

/// "core", "rate limit 3000 us", or both with "and".
[[nodiscard]] std::string to_string(const Change& change);

/// A cpupool. CPUs in ascending order of id.
struct Pool {
    unsigned id = 0;
    std::string name;
    std::string scheduler; ///< "credit2", "credit", "rtds", "null", ...
    Granularity granularity = Granularity::cpu;
    std::vector<unsigned> cpus;
    std::optional<Arrangement> arrangement = {}; ///< in force; nothing: as the host was booted
    bool can_rearrange = false;                  ///< the host changes it while the pool runs
    unsigned runqueues = 0;                      ///< their number, as Xen says; 0: not told
    std::optional<unsigned> rate_limit_us = {};  ///< in force; nothing: not told
    friend bool operator==(const Pool&, const Pool&) = default;
};

/// credit2's runqueues on one pool: each the ascending ids of its CPUs, ordered by the first.
using Partition = std::vector<std::vector<unsigned>>;

/// The runqueues that Xen 4.17 forms on the pool when its CPUs are added in ascending order, as at
/// boot and in a rearrangement (cpu_add_to_runqueue() of xen/common/sched/credit2.c). Under a cap
/// CPUs are spread evenly, and SMT siblings stay together even beyond the cap. Without a cap it is
/// the partition that the layout is named for. CPUs of the pool that are not in the topology are
/// left out.
[[nodiscard]] Partition partition(const Topology& topology, const Pool& pool,
                                  const Arrangement& arrangement);

/// Runqueues in force, and what had to be assumed to explain them.
struct Explained {
    Partition runqueues;
    unsigned threads_per_core = 0; ///< as Topology's
    /// Whether some layout gives them. If none does they are as the trace says, as far as it does:
    /// CPUs of the pool came and went, or something else is not as told.
    bool explained = true;
};

/// Xen's runqueue number of each CPU, as SCHEDULE records told. CPUs without a record are not in
/// it.
using SeenRunqueues = std::map<unsigned, unsigned>;

/// Whether the runqueues are consistent with `seen` and with Xen's count of them (0: not told).
[[nodiscard]] bool agrees(const Partition& runqueues, const SeenRunqueues& seen, unsigned count);

/// The runqueues in force on the pool: what `arrangement` gives, unless the trace or Xen's own
/// count of them (Pool::runqueues) contradicts that. Then the first of these that is consistent:
///  - with twice the threads per core, if the processor's number is not told;
///  - as another layout gives them, because runqueues stay as they were when a CPU goes offline;
///  - with another number of threads per core than told;
///  - as seen.
[[nodiscard]] Explained explain_runqueues(const Topology& topology, const Pool& pool,
                                          const Arrangement& arrangement,
                                          const SeenRunqueues& seen);

/// For each layout, the finest layout that gives the same partition on this pool (itself when none
/// does): layouts are equivalent exactly when their representatives are equal.
using Representatives = std::array<Layout, layout_count>;
/// The partition that each layout gives.
using Partitions = std::array<Partition, layout_count>;
[[nodiscard]] Partitions partitions(const Topology& topology, const Pool& pool, unsigned max_cpus);
[[nodiscard]] Representatives representatives(const Partitions& partitions);
[[nodiscard]] Representatives representatives(const Topology& topology, const Pool& pool,
                                              unsigned max_cpus);

/// What `credit2_runqueue=` and `sched_credit2_max_cpus_runqueue=` on a Xen command line ask for;
/// the last mention counts, as in Xen, and an unknown value leaves the default.
[[nodiscard]] Arrangement boot_arrangement(std::string_view xen_command_line);

/// What `sched_ratelimit_us=` there asks for. As in Xen the last mention counts, and a number that
/// is not possible gives the default (scheduler_init() of xen/common/sched/core.c).
[[nodiscard]] unsigned boot_rate_limit(std::string_view xen_command_line);

} // namespace intellisched
