// SPDX-License-Identifier: MIT
// Calibration: what counts as a measurement, which stretches of trace are one, that the CPUs'
// measurements measure, and that vCPUs get their affinity back.
#include "bench/calibrate/cpu_costs.hpp"
#include "bench/calibrate/cpu_times.hpp"
#include "bench/calibrate/trace_costs.hpp"
#include "bench/experiment/plan.hpp"
#include "collector/trace/stream.hpp"
#include "src/host/pins.hpp"
#include "src/proto/text.hpp"
#include "tests/support/trace_bytes.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <sched.h>

using namespace intellisched;
using namespace intellisched::calibrate;
using intellisched::test::bytes_of;
using intellisched::test::Window;
using intellisched::test::word;
using intellisched::trace::Runstate;

namespace {

constexpr std::uint32_t schedule = 0x22215, cand_check = 0x22217, candidate = 0x22214,
                        tickle = 0x22206, inf_prev = 0x2800e, update_load = 0x22209,
                        inf_next = 0x2800f, switched = 0x2800a, block = 0x28006, wake = 0x28004,
                        burn = 0x22203, update_runq_load = 0x2220c;
constexpr std::uint32_t was_idle = 1U << 8, was_tickled = 1U << 24;

/// Two sockets of two cores of two threads.
Topology two_sockets() {
    Topology topology;
    for (unsigned id = 0; id < 8; ++id) topology.cpus.push_back({id, id / 2 % 2, id / 4, id / 4});
    return topology;
}

TraceTimes timed(const std::vector<Window>& windows) {
    TraceTimer timer;
    timer.set_cpus(two_sockets(), {0, 1, 2, 4});
    trace::TraceStream stream("test");
    const auto handler = [&](const trace::Record& record) { timer.add(record); };
    REQUIRE(stream.feed(bytes_of(windows), handler));
    stream.finish(handler);
    return timer.times();
}

/// CPU 1 is quiet from 1,000 on; CPU 0 tickles it at 50,000.
Window tickles() { return std::move(Window(0).record(tickle, 50'000, {1})); }
Window quiet() { return std::move(Window(1).record(update_load, 1'000)); }

std::vector<unsigned> own_cpus() {
    cpu_set_t set;
    REQUIRE(::sched_getaffinity(0, sizeof(set), &set) == 0);
    std::vector<unsigned> cpus;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    return cpus;
}

template<class Function> double median_of(unsigned times, Function&& measure) {
    std::vector<double> values;
    for (unsigned i = 0; i < times; ++i) {
        const auto value = measure();
        REQUIRE(value);
        values.push_back(*value);
    }
    return spread_of(std::move(values), 1)->median;
}

const proto::Calibration::Measured* row_of(const proto::Calibration& found, std::string_view name) {
    const auto row = std::ranges::find_if(found.measured(),
                                          [&](const auto& one) { return one.constant() == name; });
    return row == found.measured().end() ? nullptr : &*row;
}

std::string why_not(const proto::Calibration& found, std::string_view name) {
    for (const auto& one : found.left_out())
        if (one.constant() == name) return one.why();
    return {};
}

} // namespace

TEST_CASE("calibrate: median and quartiles") {
    const auto spread = spread_of({5, 1, 4, 2, 3}, 5);
    REQUIRE(spread);
    CHECK(spread->low == 2);
    CHECK(spread->median == 3);
    CHECK(spread->high == 4);
    CHECK(spread->n == 5);
    CHECK(spread_of({1, 2}, 1)->median == 1.5);
    CHECK_FALSE(spread_of({1, 2, 3, 4}, 5));
    CHECK_FALSE(spread_of({}, 0));
}

TEST_CASE("calibrate: what is out of range or all over the place is left out") {
    proto::Calibration found;
    CHECK(add(found, "ipi_us", {1.0, 1.1, 1.3, 40}, "how"));
    CHECK_FALSE(add(found, "smt_speed", {1.19, 1.2, 1.21, 40}, "how"));
    CHECK_FALSE(add(found, "idle_exit_us", {1, 5, 7, 40}, "how"));
    CHECK(found.measured_size() == 1);
    CHECK(why_not(found, "smt_speed").find("not between 0.5 and 1") != std::string::npos);
    CHECK(why_not(found, "idle_exit_us").find("between 1 and 7 us") != std::string::npos);

    proto::Costs costs;
    REQUIRE(parse_text("costs", costs_text(found), costs));
    CHECK(costs.ipi_us() == doctest::Approx(1.1));
    CHECK_FALSE(costs.has_smt_speed());
    CHECK_FALSE(costs.has_idle_exit_us());
}

TEST_CASE("calibrate: a tickled CPU's answer is a time, by what it did before") {
    auto idle = timed({tickles(), quiet().record(schedule, 52'300, {1, was_idle | was_tickled})});
    CHECK(idle.tickle_idle == ByDistance{{{}, {2'300}, {}, {}}});
    CHECK(idle.tickle_busy == ByDistance{});
    auto busy = timed({tickles(), quiet().record(schedule, 50'900, {1, was_tickled})});
    CHECK(busy.tickle_busy == ByDistance{{{}, {900}, {}, {}}});
    CHECK(busy.tickle_idle == ByDistance{});
}

TEST_CASE("calibrate: an answer is none that may be of something else") {
    const auto none = [](const TraceTimes& times) {
        return times.tickle_idle == ByDistance{} && times.tickle_busy == ByDistance{};
    };
    // another record first; not tickled; of a CPU that was in Xen; a clock that is behind; a loss
    CHECK(none(timed({tickles(), quiet()
                                     .record(update_load, 51'000)
                                     .record(schedule, 52'300, {1, was_idle | was_tickled})})));
    CHECK(none(timed({tickles(), quiet().record(schedule, 52'300, {1, was_idle})})));
    CHECK(none(timed({tickles(), quiet()
                                     .record(update_load, 49'000)
                                     .record(schedule, 52'300, {1, was_idle | was_tickled})})));
    CHECK(none(timed({tickles(), quiet().record(schedule, 49'900, {1, was_idle | was_tickled})})));
    CHECK(none(timed({tickles(), quiet()
                                     .lost(51'000, 52'000, 3, 0x7fff, 1)
                                     .record(schedule, 52'300, {1, was_idle | was_tickled})})));
}

TEST_CASE("calibrate: an answer is none that somebody with the runqueue's lock may have held up") {
    const auto busy = [](std::uint64_t decides, std::uint32_t runqueue) {
        return timed({Window(0)
                          .record(tickle, 50'000, {1})
                          .record(schedule, decides, {runqueue << 16, 0}),
                      quiet().record(schedule, 50'900, {1, was_tickled})})
            .tickle_busy[1];
    };
    CHECK(busy(50'400, 0).empty());
    CHECK(busy(50'400, 1).size() == 1); // the lock of another runqueue
    CHECK(busy(50'950, 0).size() == 1); // later
}

TEST_CASE("calibrate: paths count when nothing but their records is in them") {
    const auto warm = [](bool more) {
        Window cpu(0);
        cpu.record(schedule, 1'000, {0, was_idle}).record(cand_check, 1'010, {word(1, 0)});
        if (more) cpu.record(cand_check, 1'015, {word(2, 0)});
        cpu.record(candidate, 1'030, {word(1, 0), 0, 0})
            .record(inf_prev, 1'070, {0x7fff, 0, 1})
            .record(inf_next, 1'080, {1, 0, 1, 1})
            .record(switched, 1'085, {0x7fff, 0, 1, 0});
        return timed({cpu});
    };
    CHECK(warm(false).path_warm == std::vector<std::uint32_t>{70});
    CHECK(warm(false).records_warm == std::vector<std::uint32_t>{15});
    CHECK(warm(true).path_warm.empty());
    CHECK(warm(true).records_warm.empty());

    const auto cold = [](std::uint64_t blocks_at) {
        return timed({Window(0)
                          .record(update_load, 1'000)
                          .record(block, blocks_at, {1, 0})
                          .record(schedule, 60'000, {0, 0})
                          .record(burn, 60'020, {word(1, 0), 0, 0, 0})
                          .record(candidate, 60'040, {word(0x7fff, 0), 0, 0})
                          .record(update_load, 60'060)
                          .record(update_runq_load, 60'080, {0, 0, 0, 0, 0})
                          .record(inf_prev, 60'150, {1, 0, 1})
                          .record(inf_next, 60'170, {0x7fff, 0, 1, 1})
                          .record(switched, 60'180, {1, 0, 0x7fff, 0})});
    };
    CHECK(cold(59'900).path_cold == std::vector<std::uint32_t>{150});
    CHECK(cold(59'900).records_cold == std::vector<std::uint32_t>{30});
    CHECK(cold(1'100).path_cold.empty()); // was in Xen for something else before that
}

TEST_CASE("calibrate: the records' part of a path is taken out, and told") {
    // A block of 2 ns, 6 of them cold; a record of 100 ns, or 150 where all is cold. 1 cycle: 1 ns.
    TraceTimes times;
    times.path_warm.assign(60, 75 * 2 + 3 * 100);
    times.records_warm.assign(60, 4 * 2 + 2 * 100);
    times.path_cold.assign(40, 64 * 6 + 5 * 150);
    times.records_cold.assign(40, 4 * 6 + 2 * 150);
    times.cpus = 4;
    times.records = 8'000;
    times.traced = 2e9; // half a second of each CPU
    proto::Calibration found;
    add_trace_costs(found, times, 1'000'000);
    REQUIRE(row_of(found, "block_ns") != nullptr);
    CHECK(row_of(found, "block_ns")->measured() == doctest::Approx(2));
    REQUIRE(row_of(found, "block_cold_factor") != nullptr);
    CHECK(row_of(found, "block_cold_factor")->measured() == doctest::Approx(3));
    CHECK(found.trace().record_ns() == doctest::Approx(120));
    CHECK(found.trace().n() == 100);
    CHECK(found.trace().records_per_s() == doctest::Approx(16'000));
    CHECK(found.trace().part_of_cpus() == doctest::Approx(4'000 * 120e-9));

    // All of the path was records: there is nothing left to be a block.
    times.path_warm.assign(60, 3 * 100);
    times.records_warm.assign(60, 2 * 120);
    proto::Calibration none;
    add_trace_costs(none, times, 1'000'000);
    CHECK(why_not(none, "block_ns").find("not between 0 and 1000") != std::string::npos);
    CHECK(why_not(none, "block_cold_factor") == "it takes block_ns");
}

TEST_CASE("calibrate: records are counted over the time in which none were lost") {
    // Four CPUs over a microsecond, one of which loses its records for a fifth of it.
    const auto times = timed({Window(0).record(update_load, 1'000).record(update_load, 2'000),
                              Window(2).lost(1'500, 1'700, 9, 0x7fff, 2),
                              Window(3).record(update_load, 1'600)}); // of another pool
    CHECK(times.cpus == 4);
    CHECK(times.records == 4); // where a loss begins and ends count as one each
    CHECK(times.traced == doctest::Approx(4 * 1'000 - 200));
}

TEST_CASE("calibrate: what is far from the default is marked, and in the costs when asked for") {
    proto::Calibration found;
    CHECK(add(found, "ipi_us", {1.9, 2.0, 2.2, 40}, "how"));       // 2.5
    CHECK(add(found, "idle_exit_us", {4.5, 4.6, 4.7, 40}, "how")); // 1.5
    CHECK(add(found, "block_ns", {0.2, 0.24, 0.25, 40}, "how"));   // 2.8
    CHECK(add(found, "refill_core_us", {8.1, 8.2, 9, 40}, "how")); // 10
    CHECK_FALSE(row_of(found, "ipi_us")->unusual());
    CHECK(row_of(found, "idle_exit_us")->unusual());
    CHECK(row_of(found, "block_ns")->unusual());
    CHECK_FALSE(row_of(found, "refill_core_us")->unusual());

    proto::Costs costs;
    REQUIRE(parse_text("costs", costs_text(found), costs));
    CHECK(costs.idle_exit_us() == doctest::Approx(4.6));
    CHECK(costs_text(found).find("unusual: the default is 1.5") != std::string::npos);

    drop_unusual(found);
    CHECK(found.measured_size() == 4);
    CHECK(found.left_out_size() == 2);
    CHECK(why_not(found, "idle_exit_us").find("3.1 times the default") != std::string::npos);
    CHECK_FALSE(found.costs().has_block_ns());
    costs.Clear();
    REQUIRE(parse_text("costs", costs_text(found), costs));
    CHECK_FALSE(costs.has_idle_exit_us());
    CHECK(costs.ipi_us() == doctest::Approx(2));
    CHECK(table(found).find("measured as 4.6 us") != std::string::npos);
}

TEST_CASE("calibrate: a switch lasts from the last runstate to the record after it") {
    // The next vCPU has last run on CPU `home`.
    const auto times = [](std::uint16_t next, Runstate left, std::uint16_t home = 0) {
        return timed({Window(home).runstate(500, next, 0, Runstate::runnable, Runstate::running),
                      Window(0)
                          .record(update_load, 1'000)
                          .record(block, 59'900, {1, 0})
                          .record(schedule, 60'000, {0, 0})
                          .record(inf_prev, 60'150, {1, 0, 1})
                          .record(switched, 60'160, {1, 0, next, 0})
                          .runstate(60'170, 1, 0, Runstate::running, left)
                          .runstate(60'180, next, 0, Runstate::runnable, Runstate::running)
                          .record(update_load, 60'700)});
    };
    CHECK(times(2, Runstate::blocked).switch_guest == std::vector<std::uint32_t>{520});
    CHECK(times(0x7fff, Runstate::blocked).switch_idle == std::vector<std::uint32_t>{520});
    CHECK(times(0x7fff, Runstate::blocked).switch_guest.empty());
    CHECK(times(2, Runstate::runnable).switch_guest.empty()); // preempted: another path
    CHECK(times(2, Runstate::blocked, 1).switch_guest.empty());
}

TEST_CASE("calibrate: a wake-up takes the runqueue's lock from who had it last") {
    // d1v0 last ran on CPU 0; CPU `holder` is the last to schedule there, CPU 0 idles and wakes it.
    const auto lock = [](std::uint16_t holder, std::uint64_t holds, std::uint32_t runqueue,
                         bool loss = false) {
        std::vector<Window> windows{
            Window(0)
                .record(schedule, 1'000, {runqueue << 16, 0})
                .runstate(1'100, 1, 0, Runstate::runnable, Runstate::running)
                .runstate(1'200, 1, 0, Runstate::running, Runstate::blocked)
                .record(switched, 1'300, {1, 0, 0x7fff, 0})
                .record(wake, 90'000, {1, 0})
                .runstate(90'120, 1, 0, Runstate::blocked, Runstate::runnable)};
        if (holder != 0) windows.push_back(Window(holder).record(schedule, holds, {holder, 0}));
        if (loss) windows.push_back(std::move(Window(2).lost(50'000, 95'000, 9, 0x7fff, 2)));
        return timed(windows).lock[0];
    };
    using Times = std::vector<std::uint32_t>;
    CHECK(lock(0, 0, 0)[0] == Times{120});
    CHECK(lock(1, 60'000, 0)[1] == Times{120});
    CHECK(lock(2, 60'000, 0)[2] == Times{120});
    CHECK(lock(4, 60'000, 0)[3] == Times{120});
    CHECK(lock(4, 60'000, 0)[0].empty());
    CHECK(lock(4, 60'000, 7)[0] == Times{120}); // that was the lock of another runqueue
    CHECK(lock(4, 60'000, 7)[3].empty());
    CHECK(lock(4, 89'000, 0)[3].empty()); // may have it still
    // Somebody may have had it unseen, whoever is known to have had it.
    CHECK(lock(4, 60'000, 0, true)[3].empty());
    CHECK(lock(0, 0, 0, true)[0].empty());
}

TEST_CASE("calibrate: a trace that shows too little says what is missing") {
    TraceTimes times;
    times.tickle_idle[2].assign(29, 4'400); // 2.2 us
    times.tickle_idle[3].assign(1, 4'540);
    times.path_warm.assign(29, 140);
    times.records_warm.assign(29, 8);
    times.path_cold.assign(30, 288); // 144 ns: 64 blocks of 2.25
    times.records_cold.assign(30, 18);
    proto::Calibration found;
    add_trace_costs(found, times, 2'000'000);
    CHECK(why_not(found, "block_ns").find("was seen 29 times") != std::string::npos);
    CHECK_FALSE(why_not(found, "block_cold_factor").empty());
    CHECK_FALSE(why_not(found, "context_switch_us").empty());
    // Less 10 cold blocks, 35 warm ones and a lock's transfer of the defaults, and no record; in
    // the parts that the defaults have.
    CHECK(found.trace().record_ns() == doctest::Approx(0));
    const auto *ipi = row_of(found, "ipi_us"), *exit = row_of(found, "idle_exit_us");
    REQUIRE(ipi != nullptr);
    REQUIRE(exit != nullptr);
    CHECK(ipi->measured() + exit->measured() == doctest::Approx(2.2 - 0.0225 - 35 * 0.0028 - 0.15));
    CHECK(ipi->measured() / exit->measured() == doctest::Approx(2.5 / 1.5));
}

TEST_CASE("calibrate: pairs of CPUs at each distance") {
    const std::vector<unsigned> all{0, 1, 2, 3, 4, 5, 6, 7};
    const CpuPairs of_3 = pairs_of(two_sockets(), all, 3);
    CHECK(of_3.sibling == 2);
    CHECK(of_3.core == 0);
    CHECK(of_3.socket == 4);
    CHECK(of_3.node == 4);
    const CpuPairs alone = pairs_of(two_sockets(), std::vector<unsigned>{1, 2}, 0);
    CHECK_FALSE(alone.sibling);
    CHECK(alone.core == 2);
    CHECK_FALSE(alone.socket);
    CHECK_FALSE(alone.node);
    // Another node of the same socket is neither near nor far.
    Topology finer = two_sockets();
    for (Cpu& cpu : finer.cpus) cpu.node = cpu.id / 2;
    const CpuPairs of_1 = pairs_of(finer, all, 1);
    CHECK(of_1.sibling == 0);
    CHECK_FALSE(of_1.core);
    CHECK(of_1.socket == 4);
    CHECK(of_1.node == 4);
}

TEST_CASE("calibrate: the CPUs' measurements measure") {
    const auto cpus = own_cpus();
    const unsigned one = cpus.front(), other = cpus.back();
    WorkingSet set(std::size_t{256} << 10);
    // A quarter of a nanosecond a line is less than any cache that is not the core's own takes: a
    // core that reads many lines at once has 0.45 (a Zen 5, after 16 times its second level; after
    // 4 times, 0.27). What else the machine does can hide it for a while.
    const auto refills = [&](auto measure) {
        for (int tries = 0; tries < 20; ++tries)
            if (median_of(15, measure) > 4096 * 0.00025) return true;
        return false;
    };
    if (one != other) CHECK(refills([&] { return set.refill_us(one, other); }));
    CHECK(refills([&] { return set.refill_after_us(one, 16 * core_cache_bytes()); }));
    CHECK(last_cache_bytes() >= core_cache_bytes());
    const double near = median_of(3, [&] { return remote_speed(one, other, 16 << 20); });
    CHECK(near > 0); // how near to 1 depends on what else the machine does
    CHECK(near <= 1);
    const double speed = median_of(5, [&] { return smt_speed(one, other); });
    CHECK(speed > 0);
    CHECK(own_cpus() == cpus); // the caller stays where it was

    const unsigned missing = CPU_SETSIZE;
    CHECK_FALSE(smt_speed(one, missing));
    CHECK_FALSE(smt_speed(missing, one));
    CHECK_FALSE(set.refill_us(one, missing));
}

TEST_CASE("calibrate: rounds put the vCPUs on pairs all over the pool") {
    const auto cpus = own_cpus();
    CpuCostOptions options;
    options.topology = two_sockets();
    options.cpus = {0, 1, 2, 3}; // the first socket
    options.seats = {cpus.front(), cpus.back()};
    std::vector<std::pair<unsigned, unsigned>> placed; // seat, CPU
    options.place = [&](unsigned seat, unsigned cpu) -> Result<void> {
        placed.emplace_back(seat, cpu);
        return {};
    };
    unsigned asked = 0;
    options.stop = [&] { return ++asked > 6 * 4; };
    proto::Calibration found;
    REQUIRE(add_cpu_costs(found, options));
    // A round: two seats for SMT, one for the core, one for memory, two for the socket.
    REQUIRE(placed.size() == 4 * 6);
    for (unsigned round = 0; round < 4; ++round) {
        const auto* at = placed.data() + std::size_t{6} * round;
        CHECK(at[0].second == round);
        CHECK(at[1].second == (round ^ 1));
        CHECK(at[2] == at[0]);
        CHECK(at[3] == at[0]);
        CHECK(at[5].second / 2 != round / 2);
    }
    CHECK(why_not(found, "refill_remote_us") == "the pool is on one socket");
    CHECK(why_not(found, "numa_remote_speed") == "the pool has no nodes of different sockets");
    for (const std::string_view name :
         {"smt_speed", "refill_core_us", "refill_memory_us", "refill_socket_us"})
        CHECK((row_of(found, name) != nullptr) != !why_not(found, name).empty());

    options.place = [](unsigned, unsigned) -> Result<void> { return fail("no"); };
    asked = 0;
    proto::Calibration none;
    CHECK_FALSE(add_cpu_costs(none, options));
    CHECK(none.measured().empty());
}

TEST_CASE("pins: vCPUs get back what they had, whatever happens") {
    const std::vector<HardAffinity> before{{0, {0xff, 0x0f}}, {1, {0x0f, 0}}, {2, {0xff, 0x0f}}};
    std::vector<HardAffinity> set;
    bool failing = false;
    const auto setter = [&](const HardAffinity& affinity) -> Result<void> {
        set.push_back(affinity);
        if (failing) return fail("no");
        return {};
    };
    {
        Pins pins(before, setter);
        REQUIRE(pins.put(1, 9));
        CHECK(set.back() == HardAffinity{1, {0, 2}});
        REQUIRE(pins.put(1, 17));
        CHECK(set.back() == HardAffinity{1, {0, 0, 2}});
        CHECK_FALSE(pins.put(3, 0));
        failing = true;
        CHECK_FALSE(pins.put(2, 0));
        failing = false;
        set.clear();
    } // without restore()
    CHECK(set == std::vector<HardAffinity>{before[1], before[2]});

    set.clear();
    Pins pins(before, setter);
    REQUIRE(pins.put(0, 1));
    REQUIRE(pins.put(1, 1));
    failing = true;
    const auto restored = pins.restore();
    REQUIRE_FALSE(restored);
    CHECK(restored.error().message.find("vCPU 0 stays pinned: no") != std::string::npos);
    CHECK(set.size() == 4); // both were tried
    failing = false;
    REQUIRE(pins.restore());
    set.clear();
    REQUIRE(pins.restore());
    CHECK(set.empty());
}
