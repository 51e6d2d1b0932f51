// SPDX-License-Identifier: MIT
// The one table of features: name, unit, meaning, source, and how it follows from WindowStats.
// Ratios and rates a CPU are used wherever a plain count would only tell how large the host is.
#include "collector/window/schema.hpp"

#include "collector/window/features.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace intellisched {
namespace {

using Stats = WindowStats;

struct Feature {
    FeatureInfo info;
    double (*value)(const Stats&);
};

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

double us(const Stats& s, double cycles) { return cycles / s.tsc_hz * 1e6; }
/// A count as events a second and CPU, over the time that the trace covers.
double rate(const Stats& s, std::uint64_t count) {
    return s.observed > 0 ? static_cast<double>(count) / (s.observed / s.tsc_hz) : nan;
}
double part(double of, double whole) { return whole > 0 ? of / whole : nan; }
double part(std::uint64_t of, std::uint64_t whole) {
    return part(static_cast<double>(of), static_cast<double>(whole));
}
double moves(const Stats& s, Distance distance) {
    return rate(s, s.moves[static_cast<std::size_t>(distance)]);
}
double is(const Stats& s, Layout layout) {
    const auto& same = s.facts.representatives;
    return same[index(s.facts.current)] == same[index(layout)] ? 1 : 0;
}
/// Utilisation of the CPUs that anything is known of.
std::vector<double> busy_parts(const Stats& s) {
    std::vector<double> parts;
    for (std::size_t i = 0; i < s.cpu_busy.size(); ++i)
        if (const auto busy = s.busy_part(i)) parts.push_back(*busy);
    return parts;
}
double busy_extreme(const Stats& s, bool largest) {
    const std::vector<double> parts = busy_parts(s);
    if (parts.empty()) return nan;
    const auto [low, high] = std::minmax_element(parts.begin(), parts.end());
    return largest ? *high : *low;
}
double busy_mean(const Stats& s) {
    const std::vector<double> parts = busy_parts(s);
    return part(std::accumulate(parts.begin(), parts.end(), 0.0),
                static_cast<double>(parts.size()));
}
double busy_deviation(const Stats& s) {
    const std::vector<double> parts = busy_parts(s);
    const double mean = busy_mean(s);
    double sum = 0;
    for (const double busy : parts) sum += (busy - mean) * (busy - mean);
    return std::sqrt(part(sum, static_cast<double>(parts.size())));
}
/// Who waits is known only while no CPU is in a loss.
double if_clear(const Stats& s, double value) { return s.clear > 0 ? value : nan; }

constexpr std::string_view topology_source = "libxl_get_cpu_topology, libxl_list_cpupool";
constexpr std::string_view domain_source = "libxl_list_vcpu, libxl_domain_sched_params_get";
constexpr std::string_view runstate_source = "RUNSTATE_CHANGE 0x21001";
constexpr std::string_view placed_source = "RUNSTATE_CHANGE 0x21001 with the CPU of its record";
constexpr std::string_view layout_source =
    "libxl_sched_credit2_runqueue_get, or else credit2_runqueue=";
constexpr std::string_view xenstat_source = "xenstat";

// clang-format off
constexpr auto table = std::to_array<Feature>({
    // --- the machine and the layouts it can have
    {{"topology.cpus", "count", "CPUs in the pool", topology_source},
     [](const Stats& s) -> double { return s.facts.cpus; }},
    {{"topology.threads_per_core", "count", "CPUs a core", topology_source},
     [](const Stats& s) { return part(std::uint64_t{s.facts.cpus}, s.facts.cores); }},
    {{"topology.cores_per_socket", "count", "cores a socket", topology_source},
     [](const Stats& s) { return part(std::uint64_t{s.facts.cores}, s.facts.sockets); }},
    {{"topology.sockets", "count", "sockets that the pool touches", topology_source},
     [](const Stats& s) -> double { return s.facts.sockets; }},
    {{"topology.nodes", "count", "NUMA nodes that the pool touches", topology_source},
     [](const Stats& s) -> double { return s.facts.nodes; }},
    {{"runqueues.core", "count", "runqueues under layout core", topology_source},
     [](const Stats& s) -> double { return s.facts.runqueues[index(Layout::core)]; }},
    {{"runqueues.socket", "count", "runqueues under layout socket", topology_source},
     [](const Stats& s) -> double { return s.facts.runqueues[index(Layout::socket)]; }},
    {{"runqueues.node", "count", "runqueues under layout node", topology_source},
     [](const Stats& s) -> double { return s.facts.runqueues[index(Layout::node)]; }},
    {{"runqueues.all", "count", "runqueues under layout all", topology_source},
     [](const Stats& s) -> double { return s.facts.runqueues[index(Layout::all)]; }},
    {{"current.cpu", "0 or 1", "layout cpu, or one that coincides with it, is in force", layout_source},
     [](const Stats& s) { return is(s, Layout::cpu); }},
    {{"current.core", "0 or 1", "layout core, or one that coincides with it, is in force", layout_source},
     [](const Stats& s) { return is(s, Layout::core); }},
    {{"current.socket", "0 or 1", "layout socket, or one that coincides with it, is in force", layout_source},
     [](const Stats& s) { return is(s, Layout::socket); }},
    {{"current.node", "0 or 1", "layout node, or one that coincides with it, is in force", layout_source},
     [](const Stats& s) { return is(s, Layout::node); }},
    {{"current.all", "0 or 1", "layout all, or one that coincides with it, is in force", layout_source},
     [](const Stats& s) { return is(s, Layout::all); }},
    {{"current.rate_limit", "us", "rate limit in force, 0 for none", "libxl_sched_credit2_params_get, or else sched_ratelimit_us="},
     [](const Stats& s) { return s.facts.rate_limit_us ? *s.facts.rate_limit_us : nan; }},

    // --- the domains
    {{"domains.count", "count", "domains in the pool", domain_source},
     [](const Stats& s) -> double { return s.facts.domains; }},
    {{"domains.overcommit", "ratio", "online vCPUs a CPU", domain_source},
     [](const Stats& s) { return part(std::uint64_t{s.facts.vcpus}, s.facts.cpus); }},
    {{"domains.largest", "ratio", "vCPUs of the largest domain a CPU", domain_source},
     [](const Stats& s) { return part(std::uint64_t{s.facts.largest_domain}, s.facts.cpus); }},
    {{"domains.weight_spread", "ratio", "largest credit2 weight over the smallest", domain_source},
     [](const Stats& s) { return s.facts.weight_spread; }},
    {{"domains.capped", "fraction", "vCPUs under a cap", domain_source},
     [](const Stats& s) { return s.facts.capped; }},
    {{"domains.pinned", "fraction", "vCPUs with hard affinity to a part of the pool", domain_source},
     [](const Stats& s) { return s.facts.pinned; }},
    {{"domains.soft_affine", "fraction", "vCPUs with soft affinity to a part of the pool", domain_source},
     [](const Stats& s) { return s.facts.soft_affine; }},

    // --- load
    {{"load.busy_mean", "fraction", "mean utilisation of the CPUs", runstate_source}, busy_mean},
    {{"load.busy_min", "fraction", "utilisation of the least busy CPU", runstate_source},
     [](const Stats& s) { return busy_extreme(s, false); }},
    {{"load.busy_max", "fraction", "utilisation of the busiest CPU", runstate_source},
     [](const Stats& s) { return busy_extreme(s, true); }},
    {{"load.busy_deviation", "fraction", "standard deviation of the CPUs' utilisation", runstate_source},
     busy_deviation},
    {{"load.saturated", "fraction", "time with no CPU idle", runstate_source},
     [](const Stats& s) { return part(s.saturated, s.clear); }},
    {{"load.waiters", "vCPUs a CPU", "mean number of vCPUs waiting in runqueues", runstate_source},
     [](const Stats& s) { return if_clear(s, part(s.waiting, s.observed)); }},
    {{"load.active_vcpus", "ratio", "vCPUs that ran at all, a CPU", runstate_source},
     [](const Stats& s) { return part(std::uint64_t{s.active_vcpus}, s.facts.cpus); }},
    {{"load.hogs", "fraction", "running time of vCPUs that want a CPU most of the time and hardly ever block", runstate_source},
     [](const Stats& s) { return if_clear(s, s.hogs); }},
    {{"load.dom0", "fraction", "dom0's part of the running time", runstate_source},
     [](const Stats& s) { return part(s.dom0_running, s.running); }},
    {{"load.domain_spread", "ratio", "spread of the domains' running time (deviation over mean)", runstate_source},
     [](const Stats& s) { return s.run_spread; }},
    {{"load.imbalance", "vCPUs a CPU", "standard deviation of the runqueues' load", placed_source},
     [](const Stats& s) { return part(s.imbalance, s.clear); }},

    // --- waits, bursts and sleeps
    {{"wait.share", "fraction", "waiting time as a part of waiting and running", runstate_source},
     [](const Stats& s) { return if_clear(s, part(s.waiting, s.waiting + s.running)); }},
    {{"wait.wake_mean", "us", "mean wait from wake-up to running", runstate_source},
     [](const Stats& s) { return us(s, s.wake_wait.mean()); }},
    {{"wait.wake_p50", "us", "median wait from wake-up to running", runstate_source},
     [](const Stats& s) { return us(s, s.wake_wait.quantile(0.5)); }},
    {{"wait.wake_p95", "us", "95th percentile of the wait from wake-up to running", runstate_source},
     [](const Stats& s) { return us(s, s.wake_wait.quantile(0.95)); }},
    {{"wait.wake_p99", "us", "99th percentile of the wait from wake-up to running", runstate_source},
     [](const Stats& s) { return us(s, s.wake_wait.quantile(0.99)); }},
    {{"wait.preempted_p50", "us", "median wait after a preemption", runstate_source},
     [](const Stats& s) { return us(s, s.preempt_wait.quantile(0.5)); }},
    {{"wait.preempted_p99", "us", "99th percentile of the wait after a preemption", runstate_source},
     [](const Stats& s) { return us(s, s.preempt_wait.quantile(0.99)); }},
    {{"wait.held_back", "fraction", "waiting after wake-ups that ended with the slice of another vCPU", runstate_source},
     [](const Stats& s) { return part(s.held_back, s.wake_waited); }},
    {{"burst.mean", "us", "mean stretch of running", runstate_source},
     [](const Stats& s) { return us(s, s.burst.mean()); }},
    {{"burst.p10", "us", "10th percentile of the stretches of running", runstate_source},
     [](const Stats& s) { return us(s, s.burst.quantile(0.1)); }},
    {{"burst.p50", "us", "median stretch of running", runstate_source},
     [](const Stats& s) { return us(s, s.burst.quantile(0.5)); }},
    {{"burst.p90", "us", "90th percentile of the stretches of running", runstate_source},
     [](const Stats& s) { return us(s, s.burst.quantile(0.9)); }},
    {{"sleep.mean", "us", "mean sleep: blocked, paused, or waiting for a device model", runstate_source},
     [](const Stats& s) { return us(s, s.sleep.mean()); }},
    {{"sleep.p50", "us", "median sleep", runstate_source},
     [](const Stats& s) { return us(s, s.sleep.quantile(0.5)); }},
    {{"sleep.p90", "us", "90th percentile of the sleeps", runstate_source},
     [](const Stats& s) { return us(s, s.sleep.quantile(0.9)); }},

    // --- events
    {{"events.switches", "1/s a CPU", "vCPUs put on a CPU", runstate_source},
     [](const Stats& s) { return rate(s, s.switches); }},
    {{"events.wakeups", "1/s a CPU", "vCPUs woken", runstate_source},
     [](const Stats& s) { return rate(s, s.wakeups); }},
    {{"events.dom0_wakeups", "fraction", "dom0's part of the wake-ups", runstate_source},
     [](const Stats& s) { return part(s.dom0_wakeups, s.wakeups); }},
    {{"events.sibling_wakeups", "fraction", "wake-ups by a vCPU of the same domain", placed_source},
     [](const Stats& s) { return part(s.sibling_wakeups, s.wakeups); }},
    {{"events.preemptions", "1/s a CPU", "vCPUs taken off a CPU while they could run", runstate_source},
     [](const Stats& s) { return rate(s, s.preemptions); }},
    {{"events.yields", "1/s a CPU", "vCPUs that yielded", "YIELD 0x28005"},
     [](const Stats& s) { return rate(s, s.yields); }},
    {{"events.tickles", "1/s a CPU", "CPUs told to reschedule", "TICKLE 0x22206"},
     [](const Stats& s) { return rate(s, s.tickles); }},
    {{"events.tickles_per_wakeup", "ratio", "tickles a wake-up", "TICKLE 0x22206"},
     [](const Stats& s) { return part(s.tickles, s.wakeups); }},
    {{"events.credit_resets", "1/s a CPU", "units whose credit was reset", "CREDIT_RESET 0x22207"},
     [](const Stats& s) { return rate(s, s.credit_resets); }},
    {{"events.ratelimited", "1/s a CPU", "decisions in which the rate limit kept the current unit", "RATELIMIT 0x22216"},
     [](const Stats& s) { return rate(s, s.ratelimited); }},
    {{"events.picks", "1/s a CPU", "choices of a CPU for a unit", "PICKED_CPU 0x22213"},
     [](const Stats& s) { return rate(s, s.picks); }},
    {{"events.candidates", "1/s a CPU", "choices of a unit from a runqueue", "RUNQ_CANDIDATE 0x22214"},
     [](const Stats& s) { return rate(s, s.candidates); }},

    // --- movement
    {{"moves.stayed", "fraction", "starts of running on the CPU of the time before", placed_source},
     [](const Stats& s) { return part(s.moves[0], s.switches); }},
    {{"moves.sibling", "1/s a CPU", "moves to the SMT sibling", placed_source},
     [](const Stats& s) { return moves(s, Distance::sibling); }},
    {{"moves.socket", "1/s a CPU", "moves to another core of the socket", placed_source},
     [](const Stats& s) { return moves(s, Distance::socket); }},
    {{"moves.node", "1/s a CPU", "moves to another socket of the NUMA node", placed_source},
     [](const Stats& s) { return moves(s, Distance::node); }},
    {{"moves.remote", "1/s a CPU", "moves to another NUMA node", placed_source},
     [](const Stats& s) { return moves(s, Distance::remote); }},
    {{"moves.runqueue", "1/s a CPU", "moves to another runqueue", placed_source},
     [](const Stats& s) { return rate(s, s.runqueue_moves); }},
    {{"balance.migrations", "1/s a CPU", "units that credit2 sent to another runqueue", "MIGRATE 0x2220f"},
     [](const Stats& s) { return rate(s, s.migrations); }},
    {{"balance.checks", "1/s a CPU", "comparisons of two runqueues' load", "LOAD_CHECK 0x22210"},
     [](const Stats& s) { return rate(s, s.balance_checks); }},
    {{"balance.attempts", "1/s a CPU", "load balancing started", "LOAD_BALANCE 0x22211"},
     [](const Stats& s) { return rate(s, s.balance_attempts); }},

    // --- what a layout does well or badly
    {{"waste.smt", "fraction", "time with both threads of a core busy while another core was idle", placed_source},
     [](const Stats& s) { return part(s.contended, s.clear); }},
    {{"waste.idle", "fraction", "time with a CPU idle while a vCPU waited in another runqueue", placed_source},
     [](const Stats& s) { return part(s.wasted, s.clear); }},
    {{"waste.stalled", "fraction", "time with a CPU idle while a vCPU waited in the same runqueue", placed_source},
     [](const Stats& s) { return part(s.stalled, s.clear); }},
    {{"fair.share_error", "fraction", "weighted-share error of the vCPUs", "RUNSTATE_CHANGE 0x21001, libxl_domain_sched_params_get"},
     [](const Stats& s) { return s.share_error; }},

    // --- counters
    {{"io.network_bytes", "B/s", "network bytes of the pool's domains", xenstat_source},
     [](const Stats& s) { return s.network_bytes; }},
    {{"io.network_packets", "1/s", "network packets of the pool's domains", xenstat_source},
     [](const Stats& s) { return s.network_packets; }},
    {{"io.block_requests", "1/s", "block requests of the pool's domains", xenstat_source},
     [](const Stats& s) { return s.block_requests; }},
    {{"io.block_bytes", "B/s", "block bytes of the pool's domains", xenstat_source},
     [](const Stats& s) { return s.block_bytes; }},
    {{"load.counted", "CPUs", "CPU time of the pool's domains as the counters tell it", xenstat_source},
     [](const Stats& s) { return s.counted_cpu; }},
});
// clang-format on

constexpr auto infos = [] {
    std::array<FeatureInfo, table.size()> result{};
    for (std::size_t i = 0; i < table.size(); ++i) result[i] = table[i].info;
    return result;
}();

} // namespace

std::span<const FeatureInfo> feature_schema() { return infos; }

std::optional<std::size_t> feature_index(std::string_view name) {
    const auto it = std::find_if(infos.begin(), infos.end(),
                                 [&](const FeatureInfo& info) { return info.name == name; });
    if (it == infos.end()) return std::nullopt;
    return static_cast<std::size_t>(it - infos.begin());
}

FeatureVector feature_vector(const WindowStats& stats) {
    FeatureVector vector;
    vector.values.reserve(table.size());
    for (const Feature& feature : table)
        vector.values.push_back(static_cast<float>(feature.value(stats)));
    return vector;
}

} // namespace intellisched
