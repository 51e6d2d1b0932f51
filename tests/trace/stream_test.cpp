// SPDX-License-Identifier: MIT
#include "collector/trace/clock.hpp"
#include "collector/trace/clock_survey.hpp"
#include "collector/trace/stream.hpp"
#include "tests/support/trace_bytes.hpp"

#include <doctest/doctest.h>
#include <random>

using namespace intellisched;
using namespace intellisched::trace;
using test::bytes_of;
using test::Window;

namespace {

constexpr std::uint32_t wake = 0x28004;

struct Seen {
    std::uint64_t tsc;
    std::uint16_t cpu;
    std::uint32_t event;
    friend bool operator==(const Seen&, const Seen&) = default;
};

struct Reading {
    std::vector<Seen> records;
    StreamStats stats;
    std::string error;
};

/// Feeds the bytes in pieces of `piece`.
Reading read(const std::vector<std::byte>& bytes, std::size_t piece = SIZE_MAX) {
    Reading reading;
    TraceStream stream("test");
    const auto handler = [&](const Record& r) {
        reading.records.push_back({r.tsc, r.cpu, r.event});
    };
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t n = std::min(piece, bytes.size() - at);
        if (auto fed = stream.feed(std::span(bytes).subspan(at, n), handler); !fed) {
            reading.error = fed.error().message;
            break;
        }
        at += n;
    }
    stream.finish(handler);
    reading.stats = stream.stats();
    return reading;
}

bool ordered(const std::vector<Seen>& records) {
    return std::is_sorted(records.begin(), records.end(),
                          [](const Seen& a, const Seen& b) { return a.tsc < b.tsc; });
}

} // namespace

TEST_CASE("stream: windows of several CPUs come out in order of time") {
    const auto bytes =
        bytes_of({Window(0).record(wake, 10, {1, 0}).record(wake, 40, {1, 0}),
                  Window(1).record(wake, 20, {1, 1}).record(wake, 30, {1, 1}),
                  Window(0).record(wake, 50, {1, 0}), Window(1).record(wake, 45, {1, 1})});
    const auto reading = read(bytes);
    CHECK(reading.error.empty());
    CHECK(reading.records == std::vector<Seen>{{10, 0, wake},
                                               {20, 1, wake},
                                               {30, 1, wake},
                                               {40, 0, wake},
                                               {45, 1, wake},
                                               {50, 0, wake}});
    CHECK(reading.stats.records == 6);
    CHECK(reading.stats.late == 0);
}

TEST_CASE("stream: it does not matter where the bytes are cut") {
    std::mt19937 random(7);
    std::vector<Window> windows;
    std::uint64_t now = 1000;
    for (int round = 0; round < 20; ++round) {
        for (std::uint32_t cpu = 0; cpu < 4; ++cpu) {
            if (random() % 4 == 0) continue; // a CPU with nothing to tell has no window
            Window window(cpu);
            std::uint64_t tsc = now + random() % 50;
            for (unsigned i = random() % 6; i-- > 0; tsc += random() % 20)
                window.record(wake, tsc, {1, cpu});
            windows.push_back(window);
        }
        now += 200;
    }
    const auto bytes = bytes_of(windows);
    const auto whole = read(bytes);
    CHECK(ordered(whole.records));
    CHECK(whole.stats.late == 0);
    for (std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{5}, std::size_t{64}})
        CHECK(read(bytes, piece).records == whole.records);
}

TEST_CASE("stream: nothing is handed over before it is final") {
    TraceStream stream("test");
    std::size_t seen = 0;
    const auto handler = [&](const Record&) { ++seen; };
    const auto feed = [&](std::initializer_list<Window> windows) {
        REQUIRE(stream.feed(bytes_of(windows), handler));
    };
    feed({Window(0).record(wake, 10, {1, 0}), Window(1).record(wake, 20, {1, 1})});
    CHECK(seen == 0); // CPU 0 may still have records before 20
    feed({Window(0).record(wake, 15, {1, 0}), Window(1).record(wake, 60, {1, 1})});
    CHECK(seen == 0);
    feed({Window(0).record(wake, 70, {1, 0})});
    CHECK(seen == 3); // 10, 15 and 20: the round after theirs is complete
    stream.finish(handler);
    CHECK(seen == 5);
}

TEST_CASE("stream: a loss is shown as it begins and as it ends") {
    const auto reading = read(
        bytes_of({Window(0).record(wake, 10, {1, 0}).lost(20, 90, 7, 1, 0).record(wake, 95, {1, 0}),
                  Window(1).record(wake, 50, {1, 1})}));
    CHECK(reading.records == std::vector<Seen>{{10, 0, wake},
                                               {20, 0, lost_records},
                                               {50, 1, wake},
                                               {90, 0, loss_end_event},
                                               {95, 0, wake}});
    CHECK(reading.stats.lost == 7);
}

TEST_CASE("stream: filler records and our own event on the wire are dropped") {
    const auto reading = read(bytes_of({Window(0)
                                            .record(wrap_buffer, 5, {0, 0})
                                            .record(loss_end_event, 6, {0, 0, 0, 0})
                                            .record(wake, 7, {1, 0})}));
    CHECK(reading.records == std::vector<Seen>{{7, 0, wake}});
}

TEST_CASE("stream: a record without a time has that of the one before") {
    Window window(0);
    window.record(wake, 10, {1, 0});
    window.words.push_back(header(0x28005, 2, false));
    window.words.insert(window.words.end(), {1, 0});
    const auto reading = read(bytes_of({window}));
    CHECK(reading.records == std::vector<Seen>{{10, 0, wake}, {10, 0, 0x28005}});
}

TEST_CASE("stream: a window with something that is no record is a loss, and the rest goes on") {
    Window damaged(0);
    damaged.record(wake, 10, {1, 0});
    damaged.words.insert(damaged.words.end(), {0, 0, 0});
    const auto reading = read(bytes_of(
        {damaged, Window(1).record(wake, 15, {1, 1}), Window(0).record(wake, 30, {1, 0})}));
    CHECK(reading.error.empty());
    CHECK(reading.stats.damaged == 1);
    CHECK(reading.records == std::vector<Seen>{{10, 0, wake},
                                               {15, 1, wake},
                                               {15, 0, lost_records},
                                               {30, 0, loss_end_event},
                                               {30, 0, wake}});
}

TEST_CASE("stream: records that come too late are dropped, counted and shown as a loss") {
    const auto reading = read(bytes_of({
        Window(0).record(wake, 100, {1, 0}),
        Window(0).record(wake, 200, {1, 0}),
        Window(0).record(wake, 300, {1, 0}),
        Window(1).record(wake, 50, {1, 1}), // long past
        Window(0).record(wake, 400, {1, 0}),
        Window(1).record(wake, 450, {1, 1}),
    }));
    CHECK(reading.stats.late == 1);
    CHECK(ordered(reading.records));
    CHECK(std::count(reading.records.begin(), reading.records.end(),
                     Seen{450, 1, loss_end_event}) == 1);
}

TEST_CASE("stream: a cut file is used up to its last whole record") {
    const auto bytes = bytes_of(
        {Window(0).record(wake, 10, {1, 0}).record(wake, 20, {1, 0}).record(wake, 30, {1, 0})});
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        const std::vector<std::byte> part(bytes.begin(),
                                          bytes.begin() + static_cast<std::ptrdiff_t>(cut));
        const auto reading = read(part);
        CHECK(reading.error.empty());
        const std::size_t whole = cut < 12 ? 0 : (cut - 12) / 20;
        CHECK(reading.records.size() == whole);
    }
}

TEST_CASE("stream: what is not from xentrace is refused by name and place") {
    std::vector<std::byte> text(64);
    std::memcpy(text.data(), "this is not a trace, it is a text of some length", 48);
    CHECK(read(text).error ==
          "test: not an xentrace file: it begins with 0x73696874, not with a CPU_CHANGE record; "
          "record it with `xentrace -e 0x2f000` or `intellisched record`");

    auto bytes = bytes_of({Window(0).record(wake, 10, {1, 0})});
    bytes.insert(bytes.end(), text.begin(), text.end());
    const auto reading = read(bytes);
    CHECK(reading.error.starts_with("test: damaged at byte 32:"));
    CHECK(reading.records.size() == 1);

    auto many_cpus = bytes_of({Window(4096).record(wake, 10, {1, 0})});
    CHECK(read(many_cpus).error.starts_with("test: damaged at byte 0:"));
}

TEST_CASE("stream: random bytes inside windows neither crash nor break the order") {
    std::mt19937 random(11);
    for (int file = 0; file < 200; ++file) {
        std::vector<Window> windows;
        for (int i = 0; i < 10; ++i) {
            Window window(random() % 5);
            for (unsigned n = random() % 40; n-- > 0;) window.words.push_back(random());
            if (random() % 2 == 0) window.record(wake, random(), {1, 0});
            windows.push_back(window);
        }
        const auto reading = read(bytes_of(windows), 1 + random() % 97);
        CHECK(reading.error.empty());
        // Between two beginnings of the TSC.
        for (auto from = reading.records.begin(); from != reading.records.end();) {
            const auto to = std::find_if(from + 1, reading.records.end(), [](const Seen& one) {
                return one.event == restart_event;
            });
            CHECK(ordered({from + (from->event == restart_event ? 1 : 0), to}));
            from = to;
        }
    }
}

TEST_CASE("event: words of every kind go where the format says") {
    const auto decode = [](std::uint32_t event, std::vector<std::uint32_t> words, auto check) {
        bool called = false;
        visit(Record{1, event, 0, static_cast<std::uint8_t>(words.size()), words.data()},
              [&](const auto& e) {
                  if constexpr (std::is_invocable_v<decltype(check), decltype(e)>) {
                      check(e);
                      called = true;
                  }
              });
        CHECK(called);
    };
    decode(0x21011, {0x00030002}, [](const RunstateChange& e) {
        CHECK(e.vcpu == VcpuRef{3, 2});
        CHECK(e.from == Runstate::running);
        CHECK(e.to == Runstate::runnable);
    });
    decode(0x21201, {0x00030002}, [](const RunstateChange& e) {
        CHECK(e.from == Runstate::blocked);
        CHECK(e.to == Runstate::running);
    });
    decode(0x2800a, {1, 2, 3, 4}, [](const Switch& e) {
        CHECK(e.previous == VcpuRef{1, 2});
        CHECK(e.next == VcpuRef{3, 4});
    });
    decode(0x2800f, {1, 2, 7, 9}, [](const SwitchInfNext& e) {
        CHECK(e.wait_ns == 7);
        CHECK(e.slice_ns == 9);
    });
    decode(0x22203, {0x00010000, 0xffffffff, 0x80000000, 5}, [](const CreditBurn& e) {
        CHECK(e.credit == -1);
        CHECK(e.budget == INT32_MIN);
        CHECK(e.delta == 5);
    });
    decode(0x2220c, {1, 2, 3, 4, 0x12340056 | 0xab << 16, 0xdeadbeef}, [](const UpdateRunqLoad& e) {
        CHECK(e.average == 0x200000001);
        CHECK(e.balance_average == 0x400000003);
        CHECK(e.load == 0x56);
        CHECK(e.shift == 0x12);
    });
    decode(0x2220f, {0x00010002, 0x00040003}, [](const Migrate& e) {
        CHECK(e.from == 3);
        CHECK(e.to == 4);
    });
    decode(0x22211, {1, 0, 2, 0, 0x00050004, 0xdead}, [](const LoadBalance& e) {
        CHECK(e.local == 4);
        CHECK(e.other == 5);
    });
    decode(0x22213, {1, 0, 0x00010002, 0x00070001}, [](const PickedCpu& e) {
        CHECK(e.unit == VcpuRef{1, 2});
        CHECK(e.runqueue == 1);
        CHECK(e.cpu == 7);
    });
    decode(0x22215, {0x00020005, 0x01000100}, [](const Schedule& e) {
        CHECK(e.cpu == 5);
        CHECK(e.runqueue == 2);
        CHECK(!e.tasklet);
        CHECK(e.idle);
        CHECK(!e.smt_idle);
        CHECK(e.tickled);
    });
    decode(0x22218, {0x01020007, 0x00080002, 33, 16, 54'321}, [](const Rearrange& e) {
        CHECK(e.pool == 7);
        CHECK(e.old_layout == 2);
        CHECK(e.layout == 1);
        CHECK(e.old_runqueues == 2);
        CHECK(e.runqueues == 8);
        CHECK(e.units == 33);
        CHECK(e.max_cpus == 16);
        CHECK(e.duration_ns == 54'321);
    });
    decode(lost_records, {9, 0x00020001, 0, 0}, [](const LossBegin& e) { CHECK(e.count == 9); });
    decode(loss_end_event, {9, 0x00020001, 0, 0}, [](const LossEnd& e) {
        CHECK(e.current == VcpuRef{1, 2});
    });
}

TEST_CASE("event: a payload that is too short is not read") {
    for (std::uint32_t event : {0x21011U, 0x21002U, 0x28004U, 0x2800aU, 0x22203U, 0x2220cU,
                                0x22215U, 0x22213U, 0x22218U, lost_records}) {
        bool unknown = false;
        visit(Record{1, event, 0, 0, nullptr},
              Visitor{[&](const Unknown&) { unknown = true; }, [](const auto&) {}});
        CHECK(unknown);
    }
    const std::uint32_t words[4] = {0x01020007, 0x00080002, 33, 16};
    bool unknown = false;
    visit(Record{1, 0x22218, 0, 4, words}, // all but the last word
          Visitor{[&](const Unknown&) { unknown = true; }, [](const auto&) {}});
    CHECK(unknown);
}

TEST_CASE("clock: the TSC frequency follows from what SWITCH_INFPREV says") {
    constexpr std::uint64_t khz = 2'400'000;
    TscCalibrator calibrator;
    std::uint64_t tsc = 1000;
    std::mt19937 random(3);

    const auto take = [&](std::uint32_t event, std::initializer_list<std::uint32_t> payload) {
        const test::Words copy = payload;
        calibrator(Record{tsc, event, 0, static_cast<std::uint8_t>(copy.size()), copy.data()});
    };
    CHECK(!calibrator.khz());
    for (int i = 0; i < 100; ++i) {
        take(0x21101, {test::word(1, 0)}); // runnable -> running
        // A tenth of the switches lie: the median does not mind.
        const std::uint32_t ns = 300'000 + random() % 1'000'000;
        tsc += std::uint64_t{ns} * khz / 1'000'000;
        take(0x2800e, {1, 0, i % 10 == 0 ? ns * 3 : ns});
        take(0x21021, {test::word(1, 0)}); // running -> blocked
    }
    REQUIRE(calibrator.khz());
    CHECK(static_cast<double>(*calibrator.khz()) == doctest::Approx(khz).epsilon(1e-4));
}

TEST_CASE("stream: a loss that shows rounds later still begins where it began") {
    std::vector<Window> windows;
    std::uint64_t now = 0;
    const auto round = [&](bool both) {
        now += 100;
        windows.push_back(Window(0).record(wake, now, {1, 0}));
        if (both) windows.push_back(Window(1).record(wake, now + 1, {1, 1}));
    };
    round(true);
    // A first loss, told at once: from here on the stream stays further behind.
    windows.push_back(Window(1).lost(now + 2, now + 3, 1, 1, 1).record(wake, now + 4, {1, 1}));
    for (int i = 0; i < 5; ++i) round(true);
    const std::uint64_t begin = now + 2;
    for (int i = 0; i < 8; ++i) round(false); // CPU 1 is idle and cannot tell
    windows.push_back(Window(1).lost(begin, now + 50, 9, 1, 1));
    for (int i = 0; i < 3; ++i) round(true);
    const auto reading = read(bytes_of(windows));
    CHECK(ordered(reading.records));
    CHECK(reading.stats.late == 0);
    CHECK(reading.stats.lost == 10);
    CHECK(std::count(reading.records.begin(), reading.records.end(),
                     Seen{begin, 1, lost_records}) == 1);
}

TEST_CASE("stream: the memory of a burst is given back") {
    TraceStream stream("test");
    std::uint64_t now = 0;
    const auto round = [&](unsigned records) {
        std::vector<Window> windows;
        for (unsigned cpu = 0; cpu < 2; ++cpu) {
            Window window(cpu);
            for (unsigned i = 0; i < records; ++i) window.record(wake, ++now, {1, cpu});
            windows.push_back(std::move(window));
        }
        REQUIRE(stream.feed(bytes_of(windows), [](const Record&) {}));
    };
    constexpr std::size_t record_size = 5 * 4;
    round(10'000);
    CHECK(stream.memory() >= 2 * 10'000 * record_size);
    for (int i = 0; i < 128; ++i) round(10); // in half of them the burst was still of late
    CHECK(stream.memory() <= 4 * 2 * 2 * 10 * record_size);
    CHECK(stream.stats().late == 0);
    CHECK(stream.stats().records >= 2 * 10'000 + 2 * 120 * 10);
}

TEST_CASE("stream: however much is lost, its memory is bounded") {
    TraceStream stream("test");
    std::uint64_t now = 0;
    constexpr unsigned records = 20'000, record_size = 5 * 4; // 400 kB a round and CPU
    std::size_t most = 0;
    for (int i = 0; i < 40; ++i) {
        std::vector<Window> windows;
        for (unsigned cpu = 0; cpu < 4; ++cpu) {
            Window window(cpu);
            window.lost(now + 1, now + 2, 5, 1, static_cast<std::uint16_t>(cpu));
            now += 2;
            for (unsigned n = 0; n < records; ++n) window.record(wake, ++now, {1, cpu});
            windows.push_back(std::move(window));
        }
        REQUIRE(stream.feed(bytes_of(windows), [](const Record&) {}));
        most = std::max(most, stream.memory());
    }
    // 4 MB and two rounds, twice over for what has been handed over, and a quarter to grow.
    CHECK(most <= 2 * ((4 << 20) + 2 * 4 * records * record_size) * 5 / 4);
    stream.finish([](const Record&) {});
    CHECK(stream.stats().late == 0);
    CHECK(stream.stats().lost == 5 * 4 * 40);
}

namespace {

/// Rounds of two CPUs, each with a record a round; from round `at` on the TSC has begun anew.
std::vector<Seen> across_restart(unsigned rounds, unsigned at, std::uint64_t up, bool idle_other) {
    std::vector<Window> windows;
    for (unsigned round = 0; round < rounds; ++round)
        for (std::uint32_t cpu = 0; cpu < 2; ++cpu) {
            if (cpu == 1 && idle_other && round >= at) continue;
            const std::uint64_t tsc = (round < at ? up : 0) + 1000 * (round + 1) + cpu;
            windows.push_back(Window(cpu).record(wake, tsc, {1, 0}));
        }
    return read(bytes_of(windows)).records;
}

constexpr std::uint64_t a_day = std::uint64_t{1} << 48;

} // namespace

TEST_CASE("stream: when the TSC begins anew nothing is lost, and it is told once") {
    for (const bool idle_other : {false, true}) {
        const auto seen = across_restart(20, 10, a_day, idle_other);
        CHECK(seen.size() == (idle_other ? 31 : 41));
        const auto restart = std::find_if(
            seen.begin(), seen.end(), [](const Seen& one) { return one.event == restart_event; });
        REQUIRE(restart != seen.end());
        CHECK(restart - seen.begin() == 20);
        CHECK(restart->tsc == a_day + 10001);
        CHECK(ordered({seen.begin(), restart}));
        CHECK(ordered({restart + 1, seen.end()}));
    }
}

TEST_CASE("stream: the TSC may begin anew in the middle of a window") {
    const auto seen =
        read(bytes_of({Window(0).record(wake, a_day, {1, 0}).record(wake, 50, {1, 0}),
                       Window(1).record(wake, a_day + 1, {1, 0}),
                       Window(0).record(wake, 70, {1, 0}), Window(1).record(wake, 60, {1, 0})}))
            .records;
    CHECK(seen == std::vector<Seen>{{a_day, 0, wake},
                                    {a_day + 1, 1, wake},
                                    {a_day + 1, 0, restart_event},
                                    {50, 0, wake},
                                    {60, 1, wake},
                                    {70, 0, wake}});
}

TEST_CASE("stream: that the TSC began anew shows at once, however long the last windows were") {
    std::vector<Window> windows;
    for (const std::uint64_t up : {a_day, std::uint64_t{0}})
        for (unsigned round = 0; round < 8; ++round)
            for (std::uint32_t cpu = 0; cpu < 2; ++cpu) {
                windows.emplace_back(cpu);
                for (unsigned i = 0; i < 9; ++i)
                    windows.back().record(wake, up + 1000 * (round + 1) + 100 * i + cpu, {1, 0});
            }
    TraceStream stream("test");
    std::vector<Seen> seen;
    const auto handler = [&](const Record& r) { seen.push_back({r.tsc, r.cpu, r.event}); };
    REQUIRE(stream.feed(bytes_of(windows), handler));
    REQUIRE(stream.stats().restarts == 1); // before the end
    CHECK(seen[2 * 8 * 9].event == restart_event);
    stream.finish(handler);
    CHECK(seen.size() == 2 * 2 * 8 * 9 + 1);
    CHECK(stream.stats().late == 0);
}

TEST_CASE("stream: where one clock of many steps back the time goes on, and that CPU's records are "
          "late") {
    constexpr unsigned rounds = 20, at = 10, cpus = 4;
    std::vector<Window> windows;
    for (unsigned round = 0; round < rounds; ++round)
        for (std::uint32_t cpu = 0; cpu < cpus; ++cpu)
            windows.push_back(Window(cpu).record(
                wake, (cpu == 2 && round >= at ? 0 : a_day) + 1000 * (round + 1) + cpu, {1, 0}));
    const Reading reading = read(bytes_of(windows));
    CHECK(reading.stats.restarts == 0);
    CHECK(reading.stats.stepped == 1);
    CHECK(reading.stats.late == rounds - at);
    CHECK(ordered(reading.records));
    // None of the others' records is missing, and the loss of that CPU is told.
    const auto of = [&](std::uint32_t event, unsigned cpu) {
        return std::count_if(reading.records.begin(), reading.records.end(),
                             [&](const Seen& one) { return one.event == event && one.cpu == cpu; });
    };
    CHECK(of(wake, 0) == rounds);
    CHECK(of(wake, 2) == at);
    CHECK(of(lost_records, 2) == 1);
}

TEST_CASE("stream: CPUs that were idle until the TSC began anew do not vote against it") {
    std::vector<Window> windows;
    for (unsigned round = 0; round < 40; ++round)
        for (std::uint32_t cpu = 0; cpu < (round < 20 ? 3 : 8); ++cpu)
            windows.push_back(Window(cpu).record(
                wake, (round < 20 ? a_day : 0) + 1000 * (round + 1) + cpu, {1, 0}));
    const Reading reading = read(bytes_of(windows));
    CHECK(reading.stats.restarts == 1);
    CHECK(reading.stats.stepped == 0);
    // What they wrote while the others' step was looked at: three rounds.
    CHECK(reading.stats.late == 3 * 5);
    CHECK(reading.stats.records + reading.stats.late == 20 * 3 + 20 * 8);
}

TEST_CASE("stream: where all is late for long, the time is another one after all") {
    constexpr unsigned rounds = 120;
    std::vector<Window> windows;
    for (unsigned round = 0; round < rounds; ++round) {
        // Two go on for as long as the step of the others is looked at, and follow it then.
        for (std::uint32_t cpu = 0; cpu < 4; ++cpu)
            windows.push_back(Window(cpu).record(
                wake, (round < (cpu < 2 ? 16 : 10) ? a_day : 0) + 1000 * (round + 1) + cpu,
                {1, 0}));
    }
    const Reading reading = read(bytes_of(windows));
    CHECK(reading.stats.restarts == 1);
    CHECK(reading.records.back().tsc < a_day);
}

TEST_CASE("stream: a TSC that steps back with each record is given up on") {
    Window window(0);
    for (unsigned i = 0; i < 1000; ++i) window.record(wake, i % 2 == 0 ? a_day : 1, {1, 0});
    std::size_t restarts = 0;
    for (const Seen& one : read(bytes_of({window})).records) restarts += one.event == restart_event;
    CHECK(restarts == 64);
}

namespace {

constexpr std::uint64_t khz = 1'000'000; // a cycle is a nanosecond

/// Two units that run on one CPU after the other, of which some have clocks that are ahead.
std::vector<std::byte> with_clocks(const std::vector<std::int64_t>& ahead, unsigned rounds,
                                   bool moving = true) {
    std::mt19937_64 random(3);
    const std::size_t cpus = ahead.size();
    std::vector<Window> windows;
    std::uint64_t now = 10'000'000'000;
    std::uint64_t last[2] = {now - 500, now - 900};
    for (unsigned round = 0; round < rounds; ++round) {
        std::vector<Window> of_round;
        for (std::size_t cpu = 0; cpu < cpus; ++cpu)
            of_round.emplace_back(static_cast<std::uint32_t>(cpu));
        for (unsigned k = 0; k < 20; ++k) {
            now += 1'000'000 + random() % 5'000'000;
            const std::uint32_t unit = k % 2;
            const std::size_t cpu = moving ? random() % cpus : unit;
            of_round[cpu].record(0x2800f, now + static_cast<std::uint64_t>(ahead[cpu]),
                                 {1, unit, static_cast<std::uint32_t>(now - last[unit]), 0});
            last[unit] = now;
        }
        windows.insert(windows.end(), of_round.begin(), of_round.end());
    }
    return bytes_of(windows);
}

std::map<unsigned, std::int64_t> surveyed(const std::vector<std::byte>& bytes) {
    ClockSurvey survey(khz);
    for (std::size_t at = 0; at < bytes.size(); at += 1000)
        survey.feed(std::span(bytes).subspan(at, std::min<std::size_t>(1000, bytes.size() - at)));
    CHECK(survey.enough());
    return survey.offsets();
}

} // namespace

TEST_CASE("clocks: CPUs whose clocks differ are told, and by how much") {
    CHECK(surveyed(with_clocks({0, 0, 0, 0}, 101)).empty());
    const auto one = surveyed(with_clocks({0, 0, 1'000'000'000, 0}, 101));
    REQUIRE(one.size() == 1);
    CHECK(one.at(2) == doctest::Approx(1e9).epsilon(1e-4));
    const auto behind = surveyed(with_clocks({-700'000'000, 0, 0, 2'000'000'000, 0}, 101));
    REQUIRE(behind.size() == 2);
    CHECK(behind.at(0) == doctest::Approx(-7e8).epsilon(1e-4));
    CHECK(behind.at(3) == doctest::Approx(2e9).epsilon(1e-4));
    // Far apart they show even where no vCPU moves, if not as exactly.
    const auto apart = surveyed(with_clocks({0, 1'000'000'000}, 101, false));
    REQUIRE(apart.size() == 1); // of two nobody can say which one is right
    CHECK(std::abs(apart.begin()->second) == doctest::Approx(1e9).epsilon(0.1));
    // What may be the time that it takes to go round the buffers is not corrected.
    CHECK(surveyed(with_clocks({0, 100'000'000, 0, 0}, 101)).empty());
    CHECK(surveyed(std::vector<std::byte>(4000, std::byte{7})).empty());
}

TEST_CASE("stream: corrected clocks put records in order, and nothing is late any more") {
    const auto bytes = with_clocks({0, 0, 1'000'000'000, 0}, 40);
    std::vector<Seen> seen;
    TraceStream stream("test");
    const auto handler = [&](const Record& r) { seen.push_back({r.tsc, r.cpu, r.event}); };
    const std::size_t half = bytes.size() / 2;
    REQUIRE(stream.feed(std::span(bytes).subspan(0, half), handler));
    CHECK(stream.stats().late > 0);
    stream.correct({{2, 1'000'000'000}}, handler);
    const std::uint64_t late = stream.stats().late;
    seen.clear();
    REQUIRE(stream.feed(std::span(bytes).subspan(half), handler));
    stream.finish(handler);
    CHECK(stream.stats().late == late);
    CHECK(stream.stats().restarts == 0);
    CHECK(ordered(seen));
}

TEST_CASE("stream: a loss of a CPU whose clock is behind is no restart") {
    constexpr std::uint64_t behind = std::uint64_t{1} << 33;
    std::vector<Window> windows;
    for (unsigned round = 0; round < 20; ++round) {
        const std::uint64_t now = a_day + 1000 * round;
        windows.push_back(Window(0).record(wake, now, {1, 0}));
        windows.push_back(Window(1)
                              .lost(now - behind, now - behind + 10, 5, 1, 0)
                              .record(wake, now - behind + 20, {1, 0}));
    }
    const Reading reading = read(bytes_of(windows));
    CHECK(reading.stats.restarts == 0);
    CHECK(reading.stats.lost > 0);
    CHECK(ordered(reading.records));
}

TEST_CASE("stream: a TSC that begins anew each night does so for years") {
    std::vector<Window> windows;
    for (unsigned night = 0; night < 80; ++night) {
        windows.push_back(Window(0).record(wake, a_day, {1, 0}).record(wake, a_day + 1, {1, 0}));
        windows.push_back(Window(0).record(wake, 1, {1, 0}));
        windows.insert(windows.end(), 4096, Window(0));
    }
    CHECK(read(bytes_of(windows)).stats.restarts >= 80);
}

TEST_CASE("clocks: times of a damaged trace may be anything") {
    std::vector<Window> windows;
    for (unsigned round = 0; round < 101; ++round)
        for (std::uint32_t cpu = 0; cpu < 3; ++cpu) {
            const std::uint64_t tsc = cpu * (std::uint64_t{1} << 63) + round;
            windows.push_back(Window(cpu)
                                  .record(0x2800f, tsc, {1, 0, UINT32_MAX, 0})
                                  .runstate(tsc, 1, 0, Runstate::blocked, Runstate::runnable));
        }
    CHECK(surveyed(bytes_of(windows)).empty());
}
