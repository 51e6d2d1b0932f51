// SPDX-License-Identifier: MIT
// Which CPUs share a runqueue: a model of cpu_add_to_runqueue() in Xen 4.17's
// xen/common/sched/credit2.c, held against SCHEDULE records of the real hypervisor in
// tests/integration/captures_test.cpp.
#include "src/layout/layout.hpp"

#include <algorithm>
#include <set>

namespace intellisched {
namespace {

/// One scheduling resource: the CPUs that credit2 sees as one (a thread, a core or a socket, by the
/// pool's granularity), known to it by the first.
struct Resource {
    const Cpu* master = nullptr;
    std::vector<unsigned> cpus;
};

struct Runqueue {
    std::vector<const Resource*> resources;
    std::size_t cores = 0; ///< that these are of
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

std::vector<Resource> resources_of(const Topology& topology, const Pool& pool) {
    std::vector<Resource> resources;
    for (unsigned id : pool.cpus) {
        const Cpu* cpu = topology.find(id);
        if (!cpu) continue;
        auto resource = std::find_if(resources.begin(), resources.end(), [&](const Resource& r) {
            return shares_resource(*r.master, *cpu, pool.granularity);
        });
        if (resource == resources.end()) resource = resources.insert(resource, {cpu, {}});
        resource->cpus.push_back(id);
    }
    return resources;
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

    const std::vector<Resource> resources = resources_of(topology, pool);
    std::vector<Runqueue> runqueues;
    for (const Resource& resource : resources) {
        const Cpu& cpu = *resource.master;
        Runqueue* chosen = nullptr;
        bool has_sibling = false;
        for (Runqueue& runqueue : runqueues) {
            if (!matches(layout, *runqueue.resources.front()->master, cpu)) continue;
            has_sibling =
                std::any_of(runqueue.resources.begin(), runqueue.resources.end(),
                            [&](const Resource* r) { return same_core(*r->master, cpu); });
            if (has_sibling) {
                chosen = &runqueue;
                break;
            }
            // Whether it has room for the CPU and all its siblings, counting every sibling of the
            // CPUs that it has, present or not: cpu_runqueue_siblings_match().
            const bool siblings_fit = (runqueue.cores + 1) * threads.of_core <= max_cpus;
            const bool fits =
                !capped ||
                (runqueue.resources.size() < max_cpus &&
                 (pool.granularity != Granularity::cpu || layout == Layout::all || siblings_fit));
            // Xen goes on to look for an emptier one: the CPUs are spread evenly.
            if (fits && (!chosen || runqueue.resources.size() < chosen->resources.size()))
                chosen = &runqueue;
        }
        if (!chosen) chosen = &runqueues.emplace_back();
        if (!has_sibling) ++chosen->cores;
        chosen->resources.push_back(&resource);
    }

    Partition result;
    for (const Runqueue& runqueue : runqueues) {
        std::vector<unsigned>& cpus = result.emplace_back();
        for (const Resource* resource : runqueue.resources)
            cpus.insert(cpus.end(), resource->cpus.begin(), resource->cpus.end());
        std::sort(cpus.begin(), cpus.end());
    }
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

Representatives representatives(const Topology& topology, const Pool& pool, unsigned max_cpus) {
    std::array<Partition, layout_count> partitions;
    Representatives result{};
    for (Layout layout : all_layouts) {
        partitions[index(layout)] = partition(topology, pool, {layout, max_cpus});
        const auto first =
            std::find(partitions.begin(), partitions.end(), partitions[index(layout)]);
        result[index(layout)] = all_layouts[static_cast<std::size_t>(first - partitions.begin())];
    }
    return result;
}

} // namespace intellisched
