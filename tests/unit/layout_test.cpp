// SPDX-License-Identifier: MIT
#include "src/layout/layout.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <numeric>

using namespace intellisched;

namespace {

/// CPUs numbered thread by thread, core by core, socket by socket.
Topology machine(unsigned nodes, unsigned sockets_per_node, unsigned cores, unsigned threads) {
    Topology topology;
    unsigned id = 0;
    for (unsigned node = 0; node < nodes; ++node)
        for (unsigned s = 0; s < sockets_per_node; ++s)
            for (unsigned core = 0; core < cores; ++core)
                for (unsigned thread = 0; thread < threads; ++thread)
                    topology.cpus.push_back({id++, core, node * sockets_per_node + s, node});
    return topology;
}

Pool whole(const Topology& topology) {
    Pool pool{0, "Pool-0", "credit2", Granularity::cpu, {}};
    for (const Cpu& cpu : topology.cpus) pool.cpus.push_back(cpu.id);
    return pool;
}

std::vector<std::size_t> sizes(const Partition& partition) {
    std::vector<std::size_t> result;
    for (const auto& runqueue : partition) result.push_back(runqueue.size());
    return result;
}

} // namespace

TEST_CASE("layout: names") {
    for (Layout layout : all_layouts) CHECK(layout_from_string(to_string(layout)) == layout);
    CHECK(!layout_from_string("Socket"));
    CHECK(!layout_from_string(""));
}

TEST_CASE("layout: what the boot options ask for") {
    CHECK(boot_arrangement("").layout == Layout::socket);
    CHECK(boot_arrangement("").max_cpus == 16);
    const auto boot =
        boot_arrangement("placeholder sched=credit2 credit2_runqueue=core "
                         "sched_credit2_max_cpus_runqueue=8 credit2_runqueue=all noreboot");
    CHECK(boot.layout == Layout::all); // the last one counts
    CHECK(boot.max_cpus == 8);
    CHECK(boot_arrangement("credit2_runqueue=nonsense").layout == Layout::socket);
    CHECK(boot_arrangement("xcredit2_runqueue=cpu").layout == Layout::socket);
    const auto cap = [](const std::string& value) {
        return boot_arrangement("sched_credit2_max_cpus_runqueue=" + value).max_cpus;
    };
    CHECK(cap("0x20") == 32);
    CHECK(cap("0") == no_cap);
    for (const char* wrong : {"", "0x", "4x", "-1", "99999999999"}) CHECK(cap(wrong) == 16);
}

TEST_CASE("partition: four sockets on two nodes have five different ones") {
    const Topology topology = machine(2, 2, 2, 2);
    const Pool pool = whole(topology);
    CHECK(sizes(partition(topology, pool, {Layout::cpu})) == std::vector<std::size_t>(16, 1));
    CHECK(sizes(partition(topology, pool, {Layout::core})) == std::vector<std::size_t>(8, 2));
    CHECK(sizes(partition(topology, pool, {Layout::socket})) == std::vector<std::size_t>(4, 4));
    CHECK(sizes(partition(topology, pool, {Layout::node})) == std::vector<std::size_t>(2, 8));
    CHECK(sizes(partition(topology, pool, {Layout::all})) == std::vector<std::size_t>{16});
    CHECK(partition(topology, pool, {Layout::core})[1] == std::vector<unsigned>{2, 3});
    CHECK(representatives(topology, pool, 16) ==
          Representatives{Layout::cpu, Layout::core, Layout::socket, Layout::node, Layout::all});
}

TEST_CASE("partition: on one socket, socket, node and all coincide") {
    const Topology topology = machine(1, 1, 2, 2);
    CHECK(
        representatives(topology, whole(topology), 16) ==
        Representatives{Layout::cpu, Layout::core, Layout::socket, Layout::socket, Layout::socket});
    // and without SMT, core is cpu
    const Topology flat = machine(1, 1, 4, 1);
    CHECK(representatives(flat, whole(flat), 16)[index(Layout::core)] == Layout::cpu);
}

TEST_CASE("partition: the cap of 16 makes socket, node and all one on 2 x 8 x 2") {
    const Topology topology = machine(2, 1, 8, 2);
    const Pool pool = whole(topology);
    for (Layout layout : {Layout::socket, Layout::node})
        CHECK(sizes(partition(topology, pool, {layout})) == std::vector<std::size_t>{16, 16});
    // all: fills the first until its cap, siblings together, then a second one
    CHECK(sizes(partition(topology, pool, {Layout::all})) == std::vector<std::size_t>{16, 16});
    CHECK(representatives(topology, pool, 16)[index(Layout::all)] == Layout::socket);
    // 4 sockets of 16 cores of 2 threads
    const Topology large = machine(4, 1, 16, 2);
    const auto same = representatives(large, whole(large), 16);
    CHECK(same[index(Layout::node)] == Layout::socket);
    // uncapped, they differ
    const auto uncapped = representatives(topology, pool, no_cap);
    CHECK(uncapped[index(Layout::all)] == Layout::all);
}

TEST_CASE("partition: CPUs are spread evenly under the cap, by all online CPUs") {
    // 24 CPUs in one socket, cap 16: two runqueues of 12, not 16 and 8.
    const Topology topology = machine(1, 1, 12, 2);
    CHECK(sizes(partition(topology, whole(topology), {Layout::socket})) ==
          std::vector<std::size_t>{12, 12});
    // A pool of a part of the host has the cap that follows from the whole host.
    Pool half = whole(topology);
    half.cpus.resize(12);
    CHECK(sizes(partition(topology, half, {Layout::socket})) == std::vector<std::size_t>{12});
}

TEST_CASE("partition: siblings stay together over the cap") {
    const Topology topology = machine(1, 1, 4, 2);
    const Pool pool = whole(topology);
    CHECK(sizes(partition(topology, pool, {Layout::all, 1})) == std::vector<std::size_t>(4, 2));
    CHECK(sizes(partition(topology, pool, {Layout::cpu, 1})) == std::vector<std::size_t>(8, 1));
}

TEST_CASE("partition: threads that are offline count under the cap") {
    // As Xen forms them, in tests/simulator.
    Topology topology = machine(2, 1, 4, 2);
    std::erase_if(topology.cpus, [](const Cpu& cpu) { return cpu.id == 11; });
    CHECK(partition(topology, whole(topology), {Layout::node, 8}) ==
          Partition{{0, 1, 2, 3, 4, 5}, {6, 7}, {8, 9, 10, 12, 13}, {14, 15}});
    std::erase_if(topology.cpus, [](const Cpu& cpu) { return cpu.id > 7; });
    std::erase_if(topology.cpus, [](const Cpu& cpu) { return cpu.id == 2 || cpu.id == 4; });
    CHECK(partition(topology, whole(topology), {Layout::socket, 16}) ==
          Partition{{0, 1, 3, 5}, {6, 7}}); // six online, with room for eight needed
}

TEST_CASE("partition: without a cap it is the topology alone") {
    // More CPUs than the default cap everywhere: 2 nodes of 2 sockets of 10 cores of 2 threads.
    const Topology topology = machine(2, 2, 10, 2);
    const Pool pool = whole(topology);
    const auto exact = [&](Layout layout) {
        return sizes(partition(topology, pool, {layout, no_cap}));
    };
    CHECK(exact(Layout::cpu) == std::vector<std::size_t>(80, 1));
    CHECK(exact(Layout::core) == std::vector<std::size_t>(40, 2));
    CHECK(exact(Layout::socket) == std::vector<std::size_t>(4, 20));
    CHECK(exact(Layout::node) == std::vector<std::size_t>(2, 40));
    CHECK(exact(Layout::all) == std::vector<std::size_t>{80});
    // A cap that all CPUs keep is none; one less than that binds.
    for (Layout layout : all_layouts)
        for (unsigned cap : {80U, 81U, UINT32_MAX})
            CHECK(partition(topology, pool, {layout, cap}) ==
                  partition(topology, pool, {layout, no_cap}));
    CHECK(sizes(partition(topology, pool, {Layout::all, 79})) == std::vector<std::size_t>{40, 40});
    // No size of a runqueue is even looked at, whatever the granularity.
    Pool cores = pool;
    cores.granularity = Granularity::core;
    CHECK(sizes(partition(topology, cores, {Layout::all, no_cap})) == std::vector<std::size_t>{80});
}

TEST_CASE("layout: an arrangement in words") {
    CHECK(to_string(Arrangement{Layout::core, no_cap}) == "core");
    CHECK(to_string(Arrangement{}) == "socket capped at 16");
}

TEST_CASE("partition: only the pool's CPUs, whatever their order") {
    const Topology topology = machine(1, 2, 2, 2);
    Pool pool = whole(topology);
    pool.cpus = {1, 2, 3, 6};
    CHECK(partition(topology, pool, {Layout::core}) == Partition{{1}, {2, 3}, {6}});
    CHECK(partition(topology, pool, {Layout::socket}) == Partition{{1, 2, 3}, {6}});
    pool.cpus = {0, 99};
    CHECK(partition(topology, pool, {Layout::all}) == Partition{{0}});
    pool.cpus = {};
    CHECK(partition(topology, pool, {Layout::all}).empty());
    CHECK(partition({}, pool, {Layout::all}).empty());
}

TEST_CASE("partition: with sched-gran core, a core is what a CPU was") {
    const Topology topology = machine(1, 2, 2, 2);
    Pool pool = whole(topology);
    pool.granularity = Granularity::core;
    CHECK(sizes(partition(topology, pool, {Layout::cpu})) == std::vector<std::size_t>(4, 2));
    CHECK(sizes(partition(topology, pool, {Layout::socket})) == std::vector<std::size_t>{4, 4});
}

TEST_CASE("partition: every CPU is in exactly one runqueue, on any machine") {
    for (unsigned nodes : {1U, 2U, 4U})
        for (unsigned sockets : {1U, 2U})
            for (unsigned cores : {1U, 3U, 10U})
                for (unsigned threads : {1U, 2U})
                    for (unsigned cap : {no_cap, 1U, 4U, 16U, 256U})
                        for (Layout layout : all_layouts) {
                            const Topology topology = machine(nodes, sockets, cores, threads);
                            std::vector<unsigned> all;
                            for (const auto& runqueue :
                                 partition(topology, whole(topology), {layout, cap}))
                                all.insert(all.end(), runqueue.begin(), runqueue.end());
                            std::sort(all.begin(), all.end());
                            std::vector<unsigned> expected(topology.cpus.size());
                            std::iota(expected.begin(), expected.end(), 0U);
                            CHECK(all == expected);
                        }
}
