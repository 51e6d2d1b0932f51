// SPDX-License-Identifier: MIT
// Windows of hosts whose clocks differ, are stepped, or of which a CPU loses records all along.
#include "tests/window/window_trace.hpp"

using namespace intellisched;
using namespace intellisched::test;

namespace {

/// Each 2 ms for a second a vCPU begins on CPU 0 and goes on on CPU 1, whose clock is `ahead`.
Windows moves_with_clock(std::uint64_t ahead) {
    std::vector<Window> trace;
    for (std::uint64_t i = 0; i < 500; ++i) {
        const std::uint64_t at = (10 + 2 * i) * ms;
        trace.emplace_back(0);
        run(trace.back(), 1, 0, at, at + 300 * us, 50 * us);
        trace.emplace_back(1);
        run(trace.back(), 1, 0, at + ahead + ms, at + ahead + ms + 300 * us, 50 * us);
    }
    return build(trace);
}

/// CPU 0 runs a vCPU for a millisecond of each two, and CPU 1 another, with a loss after each run.
Windows with_losses(std::uint64_t length) {
    std::vector<Window> trace;
    for (std::uint64_t i = 0; i < 500; ++i) {
        const std::uint64_t at = (10 + 2 * i) * ms;
        trace.emplace_back(0);
        run(trace.back(), 1, 0, at, at + ms, 50 * us);
        trace.emplace_back(1);
        run(trace.back(), 2, 0, at, at + 90 * us, 50 * us);
        trace.back().lost(at + 95 * us, at + 95 * us + length, 10, idle, 1);
    }
    return build(trace);
}

/// 2.4 seconds with a vCPU on CPU 0 that each 2 ms runs for one, but for `silence` in the middle.
Windows with_silence(std::uint64_t silence, bool busy, std::uint64_t& silences) {
    Windows result;
    WindowBuilder builder({}, khz, [&](const WindowStats& s) { result.windows.push_back(s); });
    builder.add(*view_of(host()));
    trace::TraceStream stream("test");
    const auto handler = [&](const trace::Record& r) { builder.add(r); };
    for (std::uint64_t i = 0; i < 1200; ++i) {
        const std::uint64_t at = (10 + 2 * i) * ms + (i < 600 ? 0 : silence);
        Window cpu(0);
        if (busy && i == 599) // it runs as the time steps
            cpu.runstate(at - 50 * us, 1, 0, trace::Runstate::blocked, trace::Runstate::runnable)
                .runstate(at, 1, 0, trace::Runstate::runnable, trace::Runstate::running);
        else
            run(cpu, 1, 0, at, at + ms, 50 * us);
        REQUIRE(stream.feed(bytes_of({cpu}), handler));
    }
    stream.finish(handler);
    builder.finish();
    silences = builder.silences();
    return result;
}

} // namespace

TEST_CASE("window: the clock of one CPU that differs shows in the order of its changes") {
    CHECK(moves_with_clock(0).windows.at(0).mismatched() == 0);
    const WindowStats stats = moves_with_clock(1100 * us).windows.at(0);
    CHECK(stats.mismatched_cpu > 0.1);
    CHECK(stats.mismatched() >= stats.mismatched_cpu);
}

TEST_CASE(
    "window: a CPU that loses records all along leaves next to no time in which waits are known") {
    const WindowStats little = with_losses(100 * us).windows.at(0);
    CHECK(little.coverage() > 0.99);
    CHECK(little.cleared() == doctest::Approx(0.95).epsilon(0.01));
    const WindowStats much = with_losses(1900 * us).windows.at(0);
    CHECK(much.coverage() > 0.85); // one of eight CPUs
    CHECK(much.cleared() == doctest::Approx(0.05).epsilon(0.05));
    CHECK(much.disordered == 0);
}

TEST_CASE("window: records that stay too late are told in each window") {
    std::vector<Window> trace;
    for (std::uint64_t i = 0; i < 40; ++i) {
        trace.emplace_back(0);
        run(trace.back(), 1, 0, (10 + 100 * i) * ms, (60 + 100 * i) * ms, 50 * us);
        trace.emplace_back(1); // half a second behind from the second second on
        const std::uint64_t at = (10 + 100 * i - (i < 20 ? 0 : 500)) * ms;
        run(trace.back(), 2, 0, at, at + 50 * ms, 50 * us);
    }
    const Windows result = build(trace);
    REQUIRE(result.windows.size() == 4);
    CHECK(result.windows[1].disordered == 0);
    CHECK(result.windows[2].disordered > 0);
    CHECK(result.windows[3].disordered > 0);
    CHECK(result.windows[3].cleared() < 0.1);
}

TEST_CASE("window: a step of all clocks forward is no idle time") {
    std::uint64_t silences = 0;
    for (const std::uint64_t silence : {3000 * ms, 59000 * ms}) {
        const Windows result = with_silence(silence, true, silences);
        CHECK(silences == 1);
        CHECK(result.windows.size() == 2);
        for (const WindowStats& stats : result.windows) {
            CHECK(stats.cpu_busy.at(0) / stats.tsc_hz == doctest::Approx(0.5).epsilon(0.02));
            CHECK(stats.stalls.empty());
        }
    }
    // Time in which nobody ran is what it looks like.
    CHECK(with_silence(3000 * ms, false, silences).windows.size() == 5);
    CHECK(silences == 0);
    CHECK(with_silence(100 * ms, true, silences).windows.size() >= 2);
    CHECK(silences == 0);
}
