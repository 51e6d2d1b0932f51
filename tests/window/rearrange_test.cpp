// SPDX-License-Identifier: MIT
// What windows know of a pool's runqueues: which layouts it could have, and that they are formed
// anew while it runs.
#include "collector/window/facts.hpp"
#include "src/layout/snapshot.hpp"
#include "tests/window/window_trace.hpp"

#include <array>
#include <map>

using namespace intellisched;
using namespace intellisched::test;
using trace::Runstate;

namespace {

/// A socket of 24 CPUs in cores of two; in one pool, booted with Xen's defaults.
struct LargeSocket {
    proto::HostSnapshot snapshot;
    proto::Pool* pool = snapshot.add_pools();

    LargeSocket() {
        pool->set_granularity("cpu");
        for (unsigned id = 0; id < 24; ++id) {
            auto* cpu = snapshot.add_cpus();
            cpu->set_id(id);
            cpu->set_core(id / 2);
            pool->add_cpus(id);
        }
    }
    PoolFacts told(const char* layout, unsigned max_cpus, bool can_rearrange) {
        pool->mutable_arrangement()->set_layout(layout);
        pool->mutable_arrangement()->set_max_cpus(max_cpus);
        pool->set_can_rearrange(can_rearrange);
        return facts();
    }
    PoolFacts facts() const {
        return pool_facts(snapshot, *topology_of(snapshot), pools_of(snapshot)->front(), {}, {});
    }
};

using Counts = std::array<unsigned, layout_count>;

/// REARRANGE of that pool to a layout, with or without a cap.
void rearrange(Window& window, std::uint64_t tsc, std::uint32_t pool, Layout layout,
               std::uint32_t max_cpus = no_cap) {
    window.record(0x22218, tsc,
                  {pool | 2U << 16 | static_cast<std::uint32_t>(index(layout)) << 24, 0x00040002, 1,
                   max_cpus, 1000});
}
void schedule(Window& window, std::uint64_t tsc, std::uint32_t runqueue) {
    window.record(0x22215, tsc, {window.cpu | runqueue << 16, 0});
}

} // namespace

TEST_CASE("facts: what cannot be rearranged has the cap that it was booted with") {
    LargeSocket host;
    const PoolFacts older = host.facts();
    CHECK(older.in_force == Arrangement{Layout::socket, 16});
    CHECK(older.current == Layout::socket);
    CHECK(older.exact);
    CHECK(older.runqueues == Counts{24, 12, 2, 2, 2});
    CHECK(host.told("socket", 16, false).runqueues == older.runqueues);
    CHECK(host.told("core", 8, false).runqueues == Counts{24, 12, 3, 3, 3});
    CHECK(host.told("core", 8, false).current == Layout::core);
    // Of layouts that coincide, the one that was asked for.
    CHECK(host.told("node", 16, false).current == Layout::node);
}

TEST_CASE("facts: what can be rearranged chooses among layouts without a cap") {
    LargeSocket host;
    const PoolFacts facts = host.told("core", no_cap, true);
    CHECK(facts.runqueues == Counts{24, 12, 1, 1, 1});
    CHECK(facts.current == Layout::core);
    CHECK(facts.exact);
    // Booted with the cap: two runqueues, which no layout gives.
    const PoolFacts booted = host.told("socket", 16, true);
    CHECK(booted.runqueues == facts.runqueues);
    CHECK(booted.runqueues_in_force.size() == 2);
    CHECK(booted.current == Layout::socket);
    CHECK_FALSE(booted.exact);
    // A cap may also turn one layout into another.
    const PoolFacts cut = host.told("all", 2, true);
    CHECK(cut.in_force.layout == Layout::all);
    CHECK(cut.current == Layout::core);
    CHECK(cut.exact);
}

TEST_CASE("window: a rearrangement goes by for all but the runqueues, and is counted") {
    Window cpu(0);
    schedule(cpu, 1 * ms, 5);
    cpu.runstate(1 * ms, 1, 0, Runstate::runnable, Runstate::running)
        .runstate(101 * ms, 1, 0, Runstate::running, Runstate::runnable) // waits from here on
        .runstate(101 * ms, 1, 1, Runstate::runnable, Runstate::running);
    rearrange(cpu, 601 * ms, 0, Layout::core);
    rearrange(cpu, 601 * ms, 9, Layout::all); // not a pool of ours
    cpu.record(0x28004, 1101 * ms, {1, 0});
    schedule(cpu, 1201 * ms, 0);
    cpu.record(0x28004, 2100 * ms, {1, 0});
    auto windows = build({cpu}).windows;
    REQUIRE(windows.size() == 2);
    CHECK(windows[0].rearrangements == 1);
    CHECK(windows[0].begin_tsc == 1 * ms);
    CHECK(windows[0].running == doctest::Approx(1e9));
    CHECK(windows[0].runqueue_of.empty()); // 5 was a number of before
    // CPU 1 idles all the time, in the runqueue of the waiting vCPU before and after.
    CHECK(windows[0].stalled == doctest::Approx(900e6));
    CHECK(windows[0].facts.current == Layout::core);
    CHECK(windows[1].rearrangements == 0);
    CHECK(windows[1].facts.in_force == Arrangement{Layout::core, no_cap});
    CHECK(windows[1].facts.runqueues_in_force.size() == 4);
    CHECK(windows[1].facts.can_rearrange);
    CHECK(windows[1].stalled == doctest::Approx(1e9));
    CHECK(windows[1].runqueue_of == std::map<unsigned, unsigned>{{0, 0}});
}

TEST_CASE("window: after a rearrangement waiting counts in the new runqueues") {
    Window cpu(0);
    cpu.runstate(1 * ms, 1, 0, Runstate::runnable, Runstate::running)
        .runstate(2 * ms, 1, 0, Runstate::running, Runstate::runnable)
        .runstate(2 * ms, 1, 1, Runstate::runnable, Runstate::running);
    rearrange(cpu, 502 * ms, 0, Layout::cpu);
    cpu.record(0x28004, 1001 * ms, {1, 0});
    const auto windows = build({cpu}).windows;
    REQUIRE(windows.size() == 1);
    CHECK(windows[0].stalled == doctest::Approx(500e6)); // alone with its busy CPU since
    CHECK(windows[0].wasted == doctest::Approx(999e6));
}

TEST_CASE("window: a vCPU that waits nobody knows where is taken up when it runs") {
    Window cpu(0);
    schedule(cpu, 1 * ms, 1);
    cpu.runstate(1 * ms, 1, 0, Runstate::runnable, Runstate::running)
        .lost(2 * ms, 3 * ms, 5, idle, 0)
        .runstate(4 * ms, 1, 0, Runstate::blocked, Runstate::runnable);
    rearrange(cpu, 5 * ms, 0, Layout::all); // fewer runqueues than there were
    cpu.runstate(6 * ms, 1, 0, Runstate::runnable, Runstate::running)
        .runstate(7 * ms, 1, 0, Runstate::running, Runstate::runnable);
    rearrange(cpu, 8 * ms, 0, Layout::cpu);
    rearrange(cpu, 9 * ms, 0, static_cast<Layout>(255)); // of a newer Xen
    cpu.runstate(10 * ms, 1, 0, Runstate::runnable, Runstate::running)
        .record(0x28004, 900 * ms, {1, 0});
    const auto windows = build({cpu}).windows;
    REQUIRE(windows.size() == 1);
    CHECK(windows[0].rearrangements == 3);
    CHECK(windows[0].facts.current == Layout::cpu); // the last that is known
    CHECK(windows[0].preempt_wait.count() == 1);
}

TEST_CASE("window: a snapshot tells of a rearrangement that the trace lost, or agrees with it") {
    auto snapshot = host();
    std::vector<WindowStats> windows;
    WindowBuilder builder(sparse, khz, [&](const WindowStats& s) { windows.push_back(s); });
    const auto later = [&](std::uint64_t tsc, const char* layout, bool can_rearrange) {
        snapshot.set_tsc(tsc);
        if (can_rearrange) snapshot.mutable_pools(0)->mutable_arrangement()->set_layout(layout);
        snapshot.mutable_pools(0)->set_can_rearrange(can_rearrange);
        builder.add(*view_of(snapshot));
    };
    const auto record = [&](std::uint64_t tsc, std::uint32_t event,
                            const std::vector<std::uint32_t>& words) {
        builder.add(
            trace::Record{tsc, event, 0, static_cast<std::uint8_t>(words.size()), words.data()});
    };
    const auto beat = [&](std::uint64_t tsc) { record(tsc, 0x28004, {1, 0}); };
    builder.add(*view_of(snapshot)); // cannot tell: as booted
    beat(1 * ms);
    record(300 * ms, 0x22218, {0x01020000, 0x00040002, 1, 0, 1000});
    later(400 * ms, "", false); // still cannot: the record holds
    beat(1100 * ms);
    later(1200 * ms, "core", true); // agrees
    beat(2100 * ms);
    later(2200 * ms, "all", true); // says what no record told: the open window is of neither
    beat(2300 * ms);
    beat(3400 * ms);
    builder.finish();
    REQUIRE(windows.size() == 3);
    CHECK(windows[0].rearrangements == 1);
    CHECK(windows[0].facts.current == Layout::core);
    CHECK(windows[1].begin_tsc == windows[0].end_tsc);
    CHECK(windows[1].facts.current == Layout::core);
    CHECK(windows[2].begin_tsc == 2300 * ms);
    CHECK(windows[2].facts.current == Layout::all);
    CHECK(windows[2].rearrangements == 0);
}

namespace {

/// One socket whose cores have one thread online; booted with layout socket, capped at 16.
proto::HostSnapshot half_host(unsigned cores) {
    auto snapshot = host();
    snapshot.clear_cpus();
    snapshot.mutable_pools(0)->clear_cpus();
    for (unsigned core = 0; core < cores; ++core) {
        snapshot.add_cpus()->set_id(2 * core);
        snapshot.mutable_cpus(static_cast<int>(core))->set_core(core);
        snapshot.mutable_pools(0)->add_cpus(2 * core);
    }
    return snapshot;
}

/// Two windows in which each CPU has one SCHEDULE record, on that runqueue.
std::vector<WindowStats> windows_with(const proto::HostSnapshot& snapshot,
                                      const std::vector<std::uint32_t>& runqueues) {
    std::vector<Window> cpus;
    for (std::uint16_t i = 0; i < runqueues.size(); ++i) {
        cpus.emplace_back(static_cast<std::uint16_t>(2 * i));
        schedule(cpus.back(), (1 + i) * ms, runqueues[i]);
        schedule(cpus.back(), 2100 * ms, runqueues[i]);
    }
    return build(cpus, {}, snapshot).windows;
}

} // namespace

TEST_CASE("window: SCHEDULE records tell what the processor was not asked for") {
    const auto windows = windows_with(half_host(4), {0, 0, 1, 1});
    REQUIRE(windows.size() == 2);
    for (const WindowStats& window : windows) {
        CHECK(window.facts.runqueues_in_force == Partition{{0, 2}, {4, 6}});
        CHECK(window.facts.explained);
        CHECK(window.facts.exact);
        CHECK(window.facts.current == Layout::socket);
        CHECK(window.facts.runqueues == Counts{4, 4, 2, 2, 1});
        CHECK(window.rearrangements == 0); // they were like that all the time
    }
    // Told by the processor, it is known before any record.
    auto told = half_host(4);
    told.set_threads_per_core(2);
    CHECK(pool_facts(told, *topology_of(told), pools_of(told)->front(), {}, {}).runqueues ==
          Counts{4, 4, 2, 2, 1});
}

TEST_CASE("window: runqueues that no layout gives are said to be so") {
    const auto windows = windows_with(half_host(5), {7, 7, 7, 7, 3});
    REQUIRE(windows.size() == 2);
    CHECK_FALSE(windows[1].facts.explained);
    CHECK(windows[1].facts.runqueues_in_force == Partition{{0, 2, 4, 6}, {8}});

    // Numbers that never hold still are followed for so long only.
    std::vector<Window> cpus{Window(0), Window(2)};
    for (std::uint32_t i = 0; i < 3000; ++i) schedule(cpus[i % 2], (i + 1) * ms / 4, i);
    CHECK(build(cpus, {}, half_host(2)).windows.size() == 1);
}
