// SPDX-License-Identifier: MIT
#include "src/layout/layout.hpp"
#include "src/layout/snapshot.hpp"

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

TEST_CASE("layout: the rate limit that the boot options ask for, and those that are possible") {
    CHECK(boot_rate_limit("") == 1000);
    CHECK(boot_rate_limit("sched_ratelimit_us=5000 noreboot sched_ratelimit_us=300") == 300);
    CHECK(boot_rate_limit("xsched_ratelimit_us=300") == 1000);
    const auto booted = [](const std::string& value) {
        return boot_rate_limit("sched_ratelimit_us=" + value);
    };
    CHECK(booted("0") == no_rate_limit_us);
    CHECK(booted("0x64") == 100);
    CHECK(booted("500000") == 500'000);
    for (const char* wrong : {"", "99", "500001", "-1", "1ms", "99999999999"})
        CHECK(booted(wrong) == 1000);
    CHECK(boot_rate_limit("sched_ratelimit_us=300 sched_ratelimit_us=50") == 1000);

    for (const unsigned us : rate_limits_us) CHECK(possible_rate_limit(us));
    for (const unsigned us : {0U, 100U, 500'000U}) CHECK(possible_rate_limit(us));
    for (const unsigned us : {1U, 99U, 500'001U, UINT32_MAX}) CHECK_FALSE(possible_rate_limit(us));
    CHECK(rate_limit_text(0) == "off");
    CHECK(rate_limit_text(300) == "300 us");
}

TEST_CASE(
    "pool_argument: a command names the pool by its name, or by its id where that may be odd") {
    for (const char* plain : {"Pool-0", "a_b.c", "7a", "Z"})
        CHECK(pool_argument(plain, 3) == plain);
    for (const char* odd : {"", "7", "-p", "--pool", "a b", "a;reboot", "$(reboot)", "`x`", "a'b",
                            "a\"b", "a\nb", "*", "~root", "a\\b", "p\xc3\xb6l"})
        CHECK(pool_argument(odd, 3) == "3");
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

TEST_CASE("partition: 4096 CPUs under a cap take no minute") {
    const Topology topology = machine(1, 1, 2048, 2);
    CHECK(sizes(partition(topology, whole(topology), {Layout::socket, 2048})) ==
          std::vector<std::size_t>{2048, 2048});
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

namespace {

/// Online CPUs as id and core, of one socket.
Topology online(std::initializer_list<std::pair<unsigned, unsigned>> cpus, unsigned threads) {
    Topology topology;
    for (const auto& [id, core] : cpus) topology.cpus.push_back({id, core, 0, 0});
    topology.threads_per_core = threads;
    return topology;
}

struct RealHost {
    const char* what;
    Topology topology;
    Partition runqueues; ///< that its Xen printed, under layout socket and a cap of 16
};

// From public boot logs of Xen 4.17 to 4.19 ("Adding cpu 2 to runqueue 1").
std::vector<RealHost> real_hosts() {
    return {
        {"laptop, 4 cores, hyperthreads off",
         online({{0, 0}, {1, 1}, {2, 2}, {3, 3}}, 2),
         {{0, 1}, {2, 3}}},
        {"hybrid, hyperthreads off",
         online({{0, 0},
                 {2, 1},
                 {4, 2},
                 {6, 3},
                 {8, 4},
                 {9, 5},
                 {10, 6},
                 {11, 7},
                 {12, 8},
                 {13, 9},
                 {14, 10},
                 {15, 11},
                 {16, 12},
                 {18, 13},
                 {20, 14},
                 {21, 15}},
                2),
         {{0, 2, 4, 6, 8, 9, 10, 11}, {12, 13, 14, 15, 16, 18, 20, 21}}},
        {"hybrid, 2 cores of 2 threads and 8 of one",
         online({{0, 0},
                 {1, 0},
                 {2, 4},
                 {3, 4},
                 {4, 8},
                 {5, 9},
                 {6, 10},
                 {7, 11},
                 {8, 12},
                 {9, 13},
                 {10, 14},
                 {11, 15}},
                2),
         {{0, 1, 2, 3, 4, 5, 6, 7}, {8, 9, 10, 11}}},
        {"laptop, 4 cores of 2 threads",
         online({{0, 0}, {1, 0}, {2, 1}, {3, 1}, {4, 2}, {5, 2}, {6, 3}, {7, 3}}, 2),
         {{0, 1, 2, 3, 4, 5, 6, 7}}},
        {"2 cores, hyperthreads off", online({{0, 0}, {2, 1}}, 2), {{0}, {2}}},
        {"4 cores that never had hyperthreads",
         online({{0, 0}, {1, 1}, {2, 2}, {3, 3}}, 1),
         {{0, 1, 2, 3}}},
    };
}

/// As SCHEDULE records tell it.
SeenRunqueues seen_in(const Partition& runqueues) {
    SeenRunqueues seen;
    for (unsigned number = 0; number < runqueues.size(); ++number)
        for (const unsigned cpu : runqueues[number]) seen[cpu] = number;
    return seen;
}

} // namespace

TEST_CASE("partition: real hosts") {
    for (const RealHost& host : real_hosts()) {
        CAPTURE(host.what);
        CHECK(partition(host.topology, whole(host.topology), {}) == host.runqueues);
    }
}

TEST_CASE("runqueues in force: a processor that is not asked for its threads shows them") {
    for (const RealHost& host : real_hosts()) {
        CAPTURE(host.what);
        Topology untold = host.topology;
        untold.threads_per_core = 0;
        const Explained now = explain_runqueues(untold, whole(untold), {}, seen_in(host.runqueues));
        CHECK(now.explained);
        CHECK(now.runqueues == host.runqueues);
        untold.threads_per_core = now.threads_per_core;
        CHECK(partition(untold, whole(untold), {}) == host.runqueues);

        // Xen's count of them says the same where the CPUs are not known to share any.
        Pool pool = whole(untold);
        pool.runqueues = static_cast<unsigned>(host.runqueues.size());
        untold.threads_per_core = 0;
        CHECK(explain_runqueues(untold, pool, {}, {}).runqueues == host.runqueues);
    }
}

TEST_CASE("runqueues in force: of a CPU that went offline they are what they have become") {
    // 8 threads in one runqueue, then the last one goes: formed anew it would be two.
    const Topology topology = online({{0, 0}, {1, 0}, {2, 1}, {3, 1}, {4, 2}, {5, 2}, {6, 3}}, 2);
    const Pool pool = whole(topology);
    CHECK(partition(topology, pool, {}).size() == 2);
    const SeenRunqueues seen = seen_in({{0, 1, 2, 3, 4, 5, 6}});
    const Explained now = explain_runqueues(topology, pool, {}, seen);
    CHECK(now.explained);
    CHECK(now.threads_per_core == 2);
    CHECK(now.runqueues == Partition{{0, 1, 2, 3, 4, 5, 6}});

    // All second threads went, as `xen-hptool smt-disable` does: the processor still has them.
    const Topology half = online({{0, 0}, {2, 1}, {4, 2}, {6, 3}}, 2);
    const Explained one = explain_runqueues(half, whole(half), {}, seen_in({{0, 2, 4, 6}}));
    CHECK(one.explained);
    CHECK(one.threads_per_core == 2);
    CHECK(one.runqueues == Partition{{0, 2, 4, 6}});
}

TEST_CASE("runqueues in force: what no layout gives is taken from the trace, and said") {
    const Topology topology = machine(1, 2, 4, 2);
    const Partition odd{{0, 5}, {1, 2, 3, 4}, {6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
    const Explained now = explain_runqueues(topology, whole(topology), {}, seen_in(odd));
    CHECK_FALSE(now.explained);
    CHECK(now.runqueues == odd);

    // Of CPUs without a record nothing is known but what the layout would do.
    SeenRunqueues some{{0, 3}, {5, 3}, {1, 4}, {2, 4}, {8, 4}};
    CHECK(explain_runqueues(topology, whole(topology), {}, some).runqueues ==
          Partition{{0, 5}, {1, 2, 8}, {3, 4, 6, 7}, {9, 10, 11, 12, 13, 14, 15}});
    // And what they tell may agree with the layout.
    some = {{0, 3}, {5, 3}, {8, 4}};
    CHECK(explain_runqueues(topology, whole(topology), {}, some).runqueues ==
          partition(topology, whole(topology), {}));
}
