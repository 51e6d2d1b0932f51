// SPDX-License-Identifier: MIT
// Which CPUs share a runqueue: a model of cpu_add_to_runqueue() in Xen 4.17's
// xen/common/sched/credit2.c, held against SCHEDULE records of the real hypervisor in
// tests/integration/captures_test.cpp.
#include "src/layout/layout.hpp"

#include <algorithm>
#include <set>

namespace intellisched {
namespace {

/// The scheduling resources of a pool: the CPUs that credit2 sees as one (a thread, a core or a
/// socket, by the pool's granularity).
struct Resources {
    std::vector<const Cpu*> masters;                    ///< the first CPU of each
    std::vector<std::pair<unsigned, std::size_t>> cpus; ///< ids, each with its resource
};

struct Runqueue {
    const Cpu* first = nullptr;
    const Cpu* sibling_of = nullptr; ///< the last CPU that was found to have a sibling here
    std::size_t resources = 0, cpus = 0;
    std::size_t cores = 0; ///< that the resources are of
};

bool shares_resource(const Cpu& a, const Cpu& b, Granularity granularity) {
    switch (granularity) {
    case Granularity::cpu:
        return a.id == b.id;
    case Granularity::core:
        return same_core(a, b);
    case Granularity::socket:
        return a.socket == b.socket;
    }
    return false;
}

Resources resources_of(const Topology& topology, const Pool& pool) {
    Resources result;
    auto& masters = result.masters;
    masters.reserve(pool.cpus.size());
    result.cpus.reserve(pool.cpus.size());
    for (unsigned id : pool.cpus) {
        const Cpu* cpu = topology.find(id);
        if (!cpu) continue;
        const auto resource = std::find_if(masters.begin(), masters.end(), [&](const Cpu* master) {
            return shares_resource(*master, *cpu, pool.granularity);
        });
        result.cpus.emplace_back(id, resource - masters.begin());
        if (resource == masters.end()) masters.push_back(cpu);
    }
    return result;
}

bool matches(Layout layout, const Cpu& peer, const Cpu& cpu) {
    switch (layout) {
    case Layout::cpu:
        return false;
    case Layout::core:
        return same_core(peer, cpu);
    case Layout::socket:
        return peer.socket == cpu.socket;
    case Layout::node:
        return peer.node == cpu.node;
    case Layout::all:
        return true;
    }
    return false;
}

/// Threads of a core: what the processor counts, but no fewer than the fullest core has online.
/// `all_online`: no core has fewer.
struct Threads {
    std::size_t of_core = 1;
    bool all_online = true;
};
Threads threads_of(const Topology& topology) {
    std::size_t most = std::max(1U, topology.threads_per_core);
    std::map<std::pair<unsigned, unsigned>, std::size_t> cores;
    for (const Cpu& cpu : topology.cpus) most = std::max(most, ++cores[{cpu.socket, cpu.core}]);
    return {most, cores.size() * most == topology.cpus.size()};
}

} // namespace

Partition partition(const Topology& topology, const Pool& pool, const Arrangement& arrangement) {
    const std::size_t online = topology.cpus.size();
    if (online == 0) return {};
    const Layout layout = arrangement.layout;
    const Threads threads = arrangement.max_cpus == no_cap ? Threads{} : threads_of(topology);
    // A cap of all CPUs never binds, and to ask whether they fit is costly then; but where threads
    // are offline, the online CPUs are fewer than the CPUs that count.
    const bool capped =
        arrangement.max_cpus != no_cap && (arrangement.max_cpus < online || !threads.all_online);
    const std::size_t runqueues_at_least = capped ? (online - 1) / arrangement.max_cpus + 1 : 1;
    const std::size_t max_cpus = online / runqueues_at_least;

    const Resources resources = resources_of(topology, pool);
    std::vector<std::size_t> runqueue_of; // by resource
    runqueue_of.reserve(resources.masters.size());
    std::vector<Runqueue> runqueues;
    runqueues.reserve(resources.masters.size());
    for (const Cpu* cpu : resources.masters) {
        for (std::size_t r = 0; r < runqueue_of.size(); ++r)
            if (same_core(*resources.masters[r], *cpu)) runqueues[runqueue_of[r]].sibling_of = cpu;
        Runqueue* chosen = nullptr;
        bool has_sibling = false;
        for (Runqueue& runqueue : runqueues) {
            if (!matches(layout, *runqueue.first, *cpu)) continue;
            has_sibling = runqueue.sibling_of == cpu;
            if (has_sibling) {
                chosen = &runqueue;
                break;
            }
            // Whether it has room for the CPU and all its siblings, counting every sibling of the
            // CPUs that it has, present or not: cpu_runqueue_siblings_match().
            const bool siblings_fit = (runqueue.cores + 1) * threads.of_core <= max_cpus;
            const bool fits =
                !capped ||
                (runqueue.resources < max_cpus &&
                 (pool.granularity != Granularity::cpu || layout == Layout::all || siblings_fit));
            // Xen goes on to look for an emptier one: the CPUs are spread evenly.
            if (fits && (!chosen || runqueue.resources < chosen->resources)) chosen = &runqueue;
        }
        if (!chosen) chosen = &runqueues.emplace_back(Runqueue{.first = cpu});
        if (!has_sibling) ++chosen->cores;
        ++chosen->resources;
        runqueue_of.push_back(static_cast<std::size_t>(chosen - runqueues.data()));
    }

    for (const auto& [id, resource] : resources.cpus) ++runqueues[runqueue_of[resource]].cpus;
    Partition result(runqueues.size());
    for (std::size_t q = 0; q < result.size(); ++q) result[q].reserve(runqueues[q].cpus);
    for (const auto& [id, resource] : resources.cpus) result[runqueue_of[resource]].push_back(id);
    for (std::vector<unsigned>& cpus : result) std::sort(cpus.begin(), cpus.end());
    std::sort(result.begin(), result.end());
    return result;
}

bool agrees(const Partition& runqueues, const SeenRunqueues& seen, unsigned count) {
    if (count != 0 && runqueues.size() != count) return false;
    std::set<unsigned> others; // numbers of the runqueues before
    for (const std::vector<unsigned>& cpus : runqueues) {
        std::optional<unsigned> number;
        for (const unsigned cpu : cpus) {
            const auto told = seen.find(cpu);
            if (told == seen.end()) continue;
            if (number && *number != told->second) return false;
            number = told->second;
        }
        if (number && !others.insert(*number).second) return false;
    }
    return true;
}

namespace {

/// As seen; CPUs not heard of stay together as in `otherwise`, apart from the others.
Partition as_seen(const Partition& otherwise, const SeenRunqueues& seen) {
    std::map<unsigned, std::vector<unsigned>> by_number;
    Partition result;
    for (const std::vector<unsigned>& cpus : otherwise) {
        std::vector<unsigned> unseen;
        for (const unsigned cpu : cpus) {
            const auto told = seen.find(cpu);
            (told == seen.end() ? unseen : by_number[told->second]).push_back(cpu);
        }
        if (!unseen.empty()) result.push_back(std::move(unseen));
    }
    for (auto& [number, cpus] : by_number) {
        std::sort(cpus.begin(), cpus.end());
        result.push_back(std::move(cpus));
    }
    std::sort(result.begin(), result.end());
    return result;
}

} // namespace

Explained explain_runqueues(const Topology& topology, const Pool& pool,
                            const Arrangement& arrangement, const SeenRunqueues& seen) {
    const auto with = [&](unsigned threads, const Arrangement& assumed) {
        Topology other = topology;
        other.threads_per_core = threads;
        return partition(other, pool, assumed);
    };
    const unsigned told = topology.threads_per_core;
    const Partition usual = partition(topology, pool, arrangement);
    if (agrees(usual, seen, pool.runqueues)) return {usual, told, true};

    const auto online = static_cast<unsigned>(threads_of({topology.cpus, 0}).of_core);
    const auto try_threads = [&](unsigned threads) -> std::optional<Explained> {
        Partition other = with(threads, arrangement);
        if (!agrees(other, seen, pool.runqueues)) return std::nullopt;
        return Explained{std::move(other), threads, true};
    };
    if (told == 0)
        if (auto more = try_threads(2 * online)) return *more;
    for (const Layout layout : all_layouts)
        for (const unsigned cap : {arrangement.max_cpus, no_cap}) {
            Partition other = with(told, {layout, cap});
            if (agrees(other, seen, pool.runqueues)) return {std::move(other), told, true};
        }
    if (told != 0)
        for (const unsigned threads : {online, 2 * online})
            if (auto other = try_threads(threads)) return *other;
    return {as_seen(usual, seen), told, false};
}

Partitions partitions(const Topology& topology, const Pool& pool, unsigned max_cpus) {
    Partitions result;
    for (Layout layout : all_layouts)
        result[index(layout)] = partition(topology, pool, {layout, max_cpus});
    return result;
}

Representatives representatives(const Partitions& partitions) {
    Representatives result{};
    for (Layout layout : all_layouts) {
        const auto first =
            std::find(partitions.begin(), partitions.end(), partitions[index(layout)]);
        result[index(layout)] = all_layouts[static_cast<std::size_t>(first - partitions.begin())];
    }
    return result;
}

Representatives representatives(const Topology& topology, const Pool& pool, unsigned max_cpus) {
    return representatives(partitions(topology, pool, max_cpus));
}

} // namespace intellisched
