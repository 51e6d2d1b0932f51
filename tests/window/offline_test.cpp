// SPDX-License-Identifier: MIT
// RUNSTATE_offline: a vCPU that waits for its device model, that the toolstack has paused, or that
// Xen takes to another runqueue. The first two sleep, the third wants to go on.
#include "bench/replay/stretches.hpp"
#include "collector/trace/stream.hpp"
#include "tests/window/window_trace.hpp"

using namespace intellisched;
using namespace intellisched::test;
using intellisched::trace::Runstate;

namespace {

constexpr auto running = Runstate::running, runnable = Runstate::runnable,
               blocked = Runstate::blocked, offline = Runstate::offline;
constexpr std::uint32_t migrate = 0x2220f, wake = 0x28004;

/// d1v0 runs on CPU 0 from 1 ms to 2 ms; what comes next is the test's.
Window ran(Runstate then) {
    return std::move(
        Window(0).runstate(1 * ms, 1, 0, runnable, running).runstate(2 * ms, 1, 0, running, then));
}

WindowStats one_window(std::vector<Window> trace) {
    trace.front().record(wake, 1001 * ms, {1, 0}); // the end
    const auto windows = build(trace).windows;
    REQUIRE(windows.size() == 1);
    return windows[0];
}

struct Cut {
    std::vector<replay::Stretch> stretches; ///< of d1v0
    std::uint64_t losses;
};

Cut cut(const std::vector<Window>& trace) {
    replay::StretchCollector collector;
    trace::TraceStream stream("test");
    const auto handler = [&](const trace::Record& record) { collector.add(record); };
    REQUIRE(stream.feed(bytes_of(trace), handler));
    stream.finish(handler);
    collector.finish();
    return {collector.stretches().by_vcpu.at(word(1, 0)), collector.losses()};
}

void check(const replay::Stretch& stretch, std::uint64_t woken, std::uint64_t ran_for,
           std::uint64_t slept) {
    CHECK(stretch.woken == woken);
    CHECK(stretch.ran == ran_for);
    CHECK(stretch.blocked == slept);
}

} // namespace

TEST_CASE("offline: a vCPU that waits for its device model sleeps, and its return is a wake-up") {
    // An HVM guest, four accesses to an emulated device; dom0's vCPU serves them on CPU 2.
    Window guest(0), model(2);
    std::uint64_t at = 10 * ms;
    guest.runstate(at, 1, 0, runnable, running);
    model.runstate(at, 0, 0, runnable, running).runstate(at, 0, 0, running, blocked);
    for (int i = 0; i < 4; ++i, at += 10 * ms) {
        guest.runstate(at + 1 * ms, 1, 0, running, offline);
        model.runstate(at + 2 * ms, 0, 0, blocked, runnable)
            .runstate(at + 2 * ms, 0, 0, runnable, running)
            .runstate(at + 6 * ms, 1, 0, offline, runnable)
            .runstate(at + 6 * ms, 0, 0, running, blocked);
        guest.runstate(at + 6 * ms + 20 * us, 1, 0, runnable, running);
    }
    guest.runstate(at, 1, 0, running, blocked);
    const WindowStats stats = one_window({guest, model});
    CHECK(stats.wakeups == 4 + 4);
    CHECK(stats.dom0_wakeups == 4);
    CHECK(stats.preemptions == 0);
    CHECK(stats.preempt_wait.count() == 0);
    CHECK(stats.domains.at(1).wake_wait.count() == 4);
    CHECK(stats.domains.at(1).wake_wait.mean() == doctest::Approx(20 * us));
    CHECK(stats.burst.count() == 1 + 4 + 5); // the guest's five, dom0's
    CHECK(stats.sleep.count() == 4 + 4);     // 5 ms each, the guest's; 2 ms and three times 6
    CHECK(stats.sleep.mean() == doctest::Approx((4 * 5 * ms + 2 * ms + 3 * 6 * ms) / 8.0));

    const auto stretches = cut({guest, model}).stretches;
    REQUIRE(stretches.size() == 5);
    check(stretches[0], 10 * ms, 1 * ms, 11 * ms);
    check(stretches[1], 16 * ms, 4 * ms + 1 * ms - 20 * us, 21 * ms);
    check(stretches[4], 46 * ms, 4 * ms - 20 * us, 50 * ms);
}

TEST_CASE("offline: a pause by the toolstack is a sleep, whatever the vCPU did before") {
    // As it ran.
    const Window busy = std::move(ran(offline)
                                      .runstate(302 * ms, 1, 0, offline, runnable)
                                      .runstate(303 * ms, 1, 0, runnable, running));
    WindowStats stats = one_window({busy});
    CHECK(stats.wakeups == 1);
    CHECK(stats.preemptions == 0);
    CHECK(stats.sleep.mean() == doctest::Approx(300 * ms));
    CHECK(stats.wake_wait.mean() == doctest::Approx(1 * ms));
    CHECK(stats.waiting == doctest::Approx(1 * ms));
    auto stretches = cut({busy}).stretches;
    REQUIRE(stretches.size() == 2);
    check(stretches[0], 1 * ms, 1 * ms, 2 * ms);
    check(stretches[1], 302 * ms, 0, 303 * ms);

    // As it waited, preempted: it waits no longer, and what comes after the pause is a wake-up.
    const Window waits = std::move(ran(runnable)
                                       .runstate(7 * ms, 1, 0, runnable, offline)
                                       .runstate(107 * ms, 1, 0, offline, runnable)
                                       .runstate(109 * ms, 1, 0, runnable, running)
                                       .runstate(110 * ms, 1, 0, running, blocked));
    stats = one_window({waits});
    CHECK(stats.preemptions == 1);
    CHECK(stats.preempt_wait.count() == 0);
    CHECK(stats.wakeups == 1);
    CHECK(stats.wake_wait.mean() == doctest::Approx(2 * ms));
    CHECK(stats.waiting == doctest::Approx(5 * ms + 2 * ms));
    stretches = cut({waits}).stretches;
    REQUIRE(stretches.size() == 2);
    check(stretches[0], 1 * ms, 1 * ms, 7 * ms);
    check(stretches[1], 107 * ms, 1 * ms, 110 * ms);

    // As it was blocked, and an event came for it meanwhile: one sleep, one wake-up.
    const Window sleeps = std::move(ran(blocked)
                                        .runstate(52 * ms, 1, 0, blocked, offline)
                                        .runstate(202 * ms, 1, 0, offline, runnable)
                                        .runstate(203 * ms, 1, 0, runnable, running)
                                        .runstate(204 * ms, 1, 0, running, blocked));
    stats = one_window({sleeps});
    CHECK(stats.wakeups == 1);
    CHECK(stats.sleep.count() == 1);
    CHECK(stats.sleep.mean() == doctest::Approx(200 * ms));
    stretches = cut({sleeps}).stretches;
    REQUIRE(stretches.size() == 2);
    check(stretches[1], 202 * ms, 1 * ms, 204 * ms);
}

TEST_CASE("offline: a loss in the middle ends what is known") {
    const Window lossy = std::move(ran(offline)
                                       .lost(100 * ms, 200 * ms, 7, idle, 0)
                                       .runstate(302 * ms, 1, 0, offline, runnable)
                                       .runstate(303 * ms, 1, 0, runnable, running)
                                       .runstate(304 * ms, 1, 0, running, offline)
                                       .runstate(404 * ms, 1, 0, offline, runnable)
                                       .runstate(405 * ms, 1, 0, runnable, running));
    const WindowStats stats = one_window({lossy});
    CHECK(stats.wakeups == 1);
    CHECK(stats.sleep.count() == 1);
    CHECK(stats.sleep.mean() == doctest::Approx(100 * ms));
    CHECK(stats.wake_wait.count() == 2); // of both the beginning was seen
    CHECK(stats.burst.count() == 2);
    const Cut both = cut({lossy});
    CHECK(both.losses == 1);
    REQUIRE(both.stretches.size() == 3);
    check(both.stretches[0], 1 * ms, 1 * ms, 2 * ms);
    check(both.stretches[1], 303 * ms, 1 * ms, 304 * ms);
}

TEST_CASE("offline: who runs directly after it was woken, too, and has not waited") {
    // A core that is scheduled as one has its vCPUs on as they are woken.
    for (const Runstate state : {offline, blocked}) {
        const Window cpu = std::move(ran(state)
                                         .runstate(102 * ms, 1, 0, state, running)
                                         .runstate(103 * ms, 1, 0, running, state));
        const WindowStats stats = one_window({cpu});
        CHECK(stats.wakeups == 1);
        CHECK(stats.sleep.mean() == doctest::Approx(100 * ms));
        CHECK(stats.wake_wait.count() == 0);
        CHECK(stats.waiting == 0);
        const auto stretches = cut({cpu}).stretches;
        REQUIRE(stretches.size() == 2);
        check(stretches[1], 102 * ms, 1 * ms, 103 * ms);
    }
}

TEST_CASE("offline: a vCPU that Xen takes to another runqueue has been preempted") {
    // MIGRATE while it runs, then Xen has it offline until it is there.
    Window from(0), to(4);
    from.runstate(1 * ms, 1, 0, runnable, running)
        .record(migrate, 2 * ms - 1 * us, {word(1, 0), 1U << 16})
        .runstate(2 * ms, 1, 0, running, offline)
        .runstate(2 * ms + 3 * us, 1, 0, offline, runnable);
    to.runstate(5 * ms, 1, 0, runnable, running)
        .runstate(7 * ms, 1, 0, running, offline) // this time for a device
        .runstate(9 * ms, 1, 0, offline, runnable)
        .runstate(10 * ms, 1, 0, runnable, running);
    const WindowStats stats = one_window({from, to});
    CHECK(stats.preemptions == 1);
    CHECK(stats.preempt_wait.count() == 1);
    CHECK(stats.wakeups == 1);
    CHECK(stats.wake_wait.count() == 1);
    CHECK(stats.sleep.mean() == doctest::Approx(2 * ms));
    const auto stretches = cut({from, to}).stretches;
    REQUIRE(stretches.size() == 2);
    check(stretches[0], 1 * ms, 1 * ms + 2 * ms, 7 * ms);
    check(stretches[1], 9 * ms, 0, 10 * ms);

    // One that was chosen another runqueue as it waited, and waits for a device later on.
    const Window waits = std::move(ran(runnable)
                                       .record(migrate, 3 * ms, {word(1, 0), 1U << 16})
                                       .runstate(4 * ms, 1, 0, runnable, running)
                                       .runstate(5 * ms, 1, 0, running, offline)
                                       .runstate(6 * ms, 1, 0, offline, runnable));
    CHECK(one_window({waits}).wakeups == 1);
    CHECK(cut({waits}).stretches.size() == 2);
}
