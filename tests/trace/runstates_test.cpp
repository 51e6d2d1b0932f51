// SPDX-License-Identifier: MIT
#include "collector/trace/runstates.hpp"
#include "collector/trace/stream.hpp"
#include "tests/support/trace_bytes.hpp"

#include <doctest/doctest.h>
#include <map>
#include <memory>
#include <random>

using namespace intellisched::trace;
using intellisched::test::bytes_of;
using intellisched::test::Window;

namespace {

struct Totals {
    std::map<std::uint32_t, std::map<Runstate, std::uint64_t>> time;
    void on_change(std::uint32_t, const VcpuState& before, Runstate, std::uint16_t,
                   std::uint64_t tsc) {
        REQUIRE(tsc >= before.since);
        time[before.ref.key()][before.state] += tsc - before.since;
    }
    std::uint64_t of(std::uint16_t domain, std::uint16_t vcpu, Runstate state) {
        return time[VcpuRef{domain, vcpu}.key()][state];
    }
};

Totals follow(const std::vector<Window>& windows) {
    Totals totals;
    auto tracker = std::make_unique<RunstateTracker>();
    TraceStream stream("test");
    const auto handler = [&](const Record& record) {
        tracker->saw(record);
        visit(record, [&](const auto& event) { tracker->on(record, event, totals); });
    };
    REQUIRE(stream.feed(bytes_of(windows), handler));
    stream.finish(handler);
    tracker->finish(totals);
    return totals;
}

constexpr auto running = Runstate::running, runnable = Runstate::runnable,
               blocked = Runstate::blocked;

} // namespace

TEST_CASE("runstates: a vCPU counts from its first start") {
    auto totals = follow({Window(0)
                              .runstate(10, 1, 0, blocked, runnable) // not known yet
                              .runstate(20, 1, 0, runnable, running)
                              .runstate(50, 1, 0, running, blocked)
                              .runstate(100, 1, 0, blocked, runnable)
                              .runstate(130, 1, 0, runnable, running)
                              .runstate(140, 1, 0, running, runnable)});
    CHECK(totals.of(1, 0, running) == 40);
    CHECK(totals.of(1, 0, blocked) == 50);
    CHECK(totals.of(1, 0, runnable) == 30);
}

TEST_CASE("runstates: who continues on a CPU where nobody was put ran there from the start") {
    auto totals = follow({Window(0)
                              .record(0x28004, 5, {2, 0})
                              .record(0x21002, 40, {intellisched::test::word(1, 0)})
                              .runstate(60, 1, 0, running, blocked)});
    CHECK(totals.of(1, 0, running) == 55);
}

TEST_CASE("runstates: at a loss, all but who runs elsewhere are unknown") {
    auto totals =
        follow({Window(0)
                    .runstate(10, 1, 0, runnable, running)
                    .lost(50, 90, 3, 1, 0) // Xen says that d1v0 runs again at 90
                    .runstate(100, 1, 0, running, blocked),
                Window(1)
                    .runstate(10, 2, 0, runnable, running)
                    .runstate(20, 3, 0, runnable, running) // displaces d2v0
                    .runstate(60, 3, 0, running, blocked)  // during the loss: may run on CPU 0 next
                    .runstate(70, 3, 0, blocked, runnable) // so this is not believed
                    .runstate(95, 3, 0, runnable, running)});
    CHECK(totals.of(1, 0, running) == 40 + 10);
    CHECK(totals.of(2, 0, running) == 10);
    CHECK(totals.of(3, 0, running) == 40);
    CHECK(totals.of(3, 0, blocked) == 0);
    CHECK(totals.of(3, 0, runnable) == 0);
}

TEST_CASE("runstates: a loss of our own making names nobody") {
    auto totals = follow({Window(0)
                              .runstate(10, 1, 0, runnable, running)
                              .lost(50, 90, 0, 1, 0)
                              .record(0x28004, 100, {1, 0})});
    CHECK(totals.of(1, 0, running) == 40);
}

TEST_CASE("runstates: after a loss, continuing tells where a vCPU is") {
    auto totals = follow({Window(0)
                              .runstate(10, 1, 0, runnable, running)
                              .lost(50, 90, 0, idle_domain, 0)
                              .record(0x21002, 100, {intellisched::test::word(1, 0)})
                              .runstate(120, 1, 0, running, blocked)});
    CHECK(totals.of(1, 0, running) == 40 + 20);
}

TEST_CASE("runstates: any sequence of changes leaves time whole") {
    std::mt19937 random(5);
    for (int file = 0; file < 50; ++file) {
        std::vector<Window> windows;
        std::uint64_t tsc = 1;
        for (int i = 0; i < 200; ++i) {
            Window window(random() % 4);
            if (random() % 10 == 0)
                window.lost(tsc, tsc + random() % 5, random() % 3, random() % 4, 0);
            else
                window.runstate(tsc, random() % 4, random() % 3,
                                static_cast<Runstate>(random() % 4),
                                static_cast<Runstate>(random() % 4));
            tsc += random() % 7;
            windows.push_back(window);
        }
        auto totals = follow(windows); // REQUIREs inside that no interval is negative
        for (auto& [vcpu, times] : totals.time) {
            std::uint64_t sum = 0;
            for (const auto& [state, time] : times)
                if (state != Runstate::unknown) sum += time;
            CHECK(sum <= tsc + 5);
        }
    }
}

TEST_CASE("runstates: a trace that names every possible vCPU is bounded") {
    auto tracker = std::make_unique<RunstateTracker>();
    std::size_t followed = 0;
    for (std::uint32_t domain = 0; domain < 65536; ++domain)
        if (tracker->find({static_cast<std::uint16_t>(domain),
                           RunstateTracker::max_vcpu_number - 1}) != RunstateTracker::none)
            ++followed;
    CHECK(followed < 200);
    CHECK(tracker->untracked() == 65536 - followed);
    RunstateTracker other;
    CHECK(other.find({1, RunstateTracker::max_vcpu_number}) == RunstateTracker::none);
    CHECK(other.untracked() == 1);
}

TEST_CASE("runstates: what is forgotten makes room, and is new when it comes again") {
    auto tracker = std::make_unique<RunstateTracker>();
    const auto keep = tracker->find({0, 0});
    for (std::uint32_t domain = 1; domain < 30000; ++domain) {
        for (std::uint16_t vcpu = 0; vcpu < 16; ++vcpu)
            REQUIRE(tracker->find({static_cast<std::uint16_t>(domain), vcpu}) !=
                    RunstateTracker::none);
        unsigned forgotten = 0;
        tracker->forget(static_cast<std::uint16_t>(domain), [&](std::uint32_t) { ++forgotten; });
        REQUIRE(forgotten == 16);
    }
    CHECK(tracker->untracked() == 0);
    CHECK(tracker->vcpus().size() == 17);
    CHECK(tracker->find({0, 0}) == keep);
    tracker->forget(77, [](std::uint32_t) { FAIL("it has none"); });
}
