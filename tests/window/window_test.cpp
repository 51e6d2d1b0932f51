// SPDX-License-Identifier: MIT
#include "collector/window/facts.hpp"
#include "collector/window/fairness.hpp"
#include "tests/window/window_trace.hpp"

#include <cmath>
#include <map>
#include <set>

using namespace intellisched;
using namespace intellisched::test;
using trace::Runstate;

TEST_CASE("schema: names are unique, every feature says what it is") {
    std::set<std::string_view> names;
    for (const FeatureInfo& info : feature_schema()) {
        CHECK(names.insert(info.name).second);
        CHECK(!info.unit.empty());
        CHECK(!info.meaning.empty());
        CHECK(!info.source.empty());
        CHECK(feature_schema()[*feature_index(info.name)].name == info.name);
    }
    CHECK(!feature_index("no.such"));
    CHECK(feature_vector(WindowStats{}).values.size() == names.size());
}

TEST_CASE("histogram: quantiles within 2%") {
    Histogram histogram;
    CHECK(std::isnan(histogram.quantile(0.5)));
    for (std::uint64_t i = 1; i <= 100'000; ++i) histogram.add(i);
    CHECK(histogram.mean() == doctest::Approx(50'000.5));
    for (double q : {0.01, 0.1, 0.5, 0.9, 0.99})
        CHECK(histogram.quantile(q) == doctest::Approx(q * 100'000).epsilon(0.02));
    histogram.add(UINT64_MAX);
    CHECK(histogram.quantile(1) == doctest::Approx(1.8446744e19).epsilon(0.02));
    histogram.clear();
    histogram.add(63);
    CHECK(histogram.quantile(0.5) == 63); // small values are exact

    const Histogram kept = histogram;
    histogram = Histogram();
    CHECK(histogram.count() == 0);
    histogram.add(7); // nothing is left of 63
    CHECK(histogram.quantile(1) == 7);
    CHECK(histogram.mean() == 7);
    histogram = kept;
    CHECK(histogram.count() == 1);
    CHECK(histogram.quantile(0) == 63);
    CHECK(histogram.mean() == 63);
}

TEST_CASE("window: waits, bursts, sleeps and utilisation of one vCPU") {
    Window cpu(0);
    // Known from its first start on: the first wait is not counted.
    for (std::uint64_t i = 0; i < 100; ++i) {
        const std::uint64_t begin = (10 * i + 1) * ms;
        run(cpu, 1, 0, begin, begin + 4 * ms, 50 * us);
    }
    cpu.record(0x28004, 1000 * ms, {1, 0});
    const auto result = build({cpu});
    REQUIRE(result.windows.size() == 1);
    // The window begins with the first record, at 950 us, and lasts 999.05 ms.
    CHECK(result.value(0, "load.busy_max") == doctest::Approx(400.0 / 999.05).epsilon(0.001));
    CHECK(result.value(0, "load.busy_mean") == doctest::Approx(50.0 / 999.05).epsilon(0.001));
    CHECK(result.value(0, "wait.wake_p50") == doctest::Approx(50).epsilon(0.02));
    CHECK(result.value(0, "burst.p50") == doctest::Approx(4000).epsilon(0.02));
    CHECK(result.value(0, "sleep.p50") == doctest::Approx(5950).epsilon(0.02));
    CHECK(result.windows[0].wakeups == 99);
    CHECK(result.windows[0].switches == 100);
    CHECK(result.windows[0].moves[0] == 99);
    CHECK(result.windows[0].preemptions == 0);
    CHECK(std::isnan(result.value(0, "wait.preempted_p50")));
    CHECK(result.windows[0].coverage() == doctest::Approx(1));
}

TEST_CASE("window: what a domain does is counted in each window anew") {
    Window first(0), second(1);
    for (std::uint64_t i = 0; i < 300; ++i)
        run(i % 2 == 0 ? first : second, 1, 0, (10 * i + 1) * ms, (10 * i + 5) * ms, 50 * us);
    first.record(0x28004, 3001 * ms, {1, 0});
    const auto result = build({first, second});
    REQUIRE(result.windows.size() == 3);
    for (const WindowStats& window : result.windows) {
        const DomainWindow& domain = window.domains.at(1);
        for (const std::uint64_t count : {domain.bursts, domain.moves, domain.sleeps}) {
            CHECK(count >= 99);
            CHECK(count <= 100);
        }
    }
}

TEST_CASE("window: moves are told by distance and by runqueue") {
    std::vector<Window> cpus;
    for (std::uint32_t id = 0; id < 8; ++id) cpus.emplace_back(id);
    // CPU 0, then its sibling 1, the other core 2, the other node 4; sockets are runqueues.
    std::uint64_t at = ms;
    for (std::uint32_t cpu : {0U, 1U, 2U, 4U, 4U}) {
        run(cpus[cpu], 1, 0, at, at + ms, 10 * us);
        at += 5 * ms;
    }
    cpus[0].record(0x28004, 900 * ms, {1, 0});
    const auto windows = build(cpus).windows;
    REQUIRE(windows.size() == 1);
    CHECK(windows[0].moves == std::array<std::uint64_t, distance_count>{1, 1, 1, 0, 1});
    CHECK(windows[0].runqueue_moves == 1);
}

TEST_CASE("window: waste is time with idle CPUs and waiting vCPUs, told by runqueue") {
    Window cpu(0);
    cpu.runstate(1 * ms, 1, 0, Runstate::runnable, Runstate::running)
        .runstate(101 * ms, 1, 0, Runstate::running, Runstate::runnable) // preempted, waits
        .runstate(101 * ms, 1, 1, Runstate::runnable, Runstate::running)
        .runstate(301 * ms, 1, 1, Runstate::running, Runstate::blocked)
        .runstate(301 * ms, 1, 0, Runstate::runnable, Runstate::running)
        .record(0x28004, 1001 * ms, {1, 0});
    const auto result = build({cpu});
    REQUIRE(result.windows.size() == 1);
    // 200 ms in which d1v0 waited on socket 0 while CPUs idled on both sockets.
    CHECK(result.value(0, "waste.idle") == doctest::Approx(0.2).epsilon(0.001));
    CHECK(result.value(0, "waste.stalled") == doctest::Approx(0.2).epsilon(0.001));
    CHECK(result.value(0, "wait.preempted_p50") == doctest::Approx(200'000).epsilon(0.02));
    CHECK(result.value(0, "wait.share") == doctest::Approx(200.0 / 1200).epsilon(0.001));
    CHECK(result.windows[0].preemptions == 1);
    CHECK(result.value(0, "load.saturated") == doctest::Approx(0));
}

TEST_CASE("window: SMT contention counts only while another core is idle") {
    Window a(0), b(1);
    a.runstate(1 * ms, 1, 0, Runstate::runnable, Runstate::running);
    b.runstate(1 * ms, 1, 1, Runstate::runnable, Runstate::running)
        .runstate(401 * ms, 1, 1, Runstate::running, Runstate::blocked)
        .record(0x28004, 1001 * ms, {1, 0});
    const auto result = build({a, b});
    CHECK(result.value(0, "waste.smt") == doctest::Approx(0.4).epsilon(0.001));
    CHECK(result.value(0, "load.imbalance") > 0);
}

TEST_CASE("window: what each domain got, and how much of it on shared cores") {
    Window zero(0), one(1), two(2);
    zero.runstate(0, idle, 0, Runstate::running, Runstate::runnable);
    run(zero, 1, 0, 100 * ms, 300 * ms, 10 * us);
    run(zero, 1, 0, 500 * ms, 600 * ms, 30 * us);
    run(one, 2, 0, 200 * ms, 400 * ms, 20 * us); // the sibling of CPU 0
    run(two, 2, 1, 200 * ms, 400 * ms, 20 * us);
    two.runstate(1000 * ms, idle, 2, Runstate::runnable, Runstate::running);
    const auto result = build({zero, one, two});
    REQUIRE(!result.windows.empty());
    const WindowStats& stats = result.windows[0];
    CHECK(stats.shared == doctest::Approx(2 * 100 * ms));
    REQUIRE(stats.domains.size() == 2);
    const DomainWindow& first = stats.domains.at(1);
    CHECK(first.running == doctest::Approx(300 * ms));
    CHECK(first.waiting == doctest::Approx(30 * us)); // it is known from its first run on
    CHECK(first.wake_wait.count() == 1);
    CHECK(first.wake_wait.mean() == doctest::Approx(30 * us));
    CHECK(stats.domains.at(2).running == doctest::Approx(400 * ms));
}

TEST_CASE("window: nothing is bridged over a loss, and the loss is not counted as time") {
    Window cpu(0);
    cpu.runstate(1 * ms, 1, 0, Runstate::runnable, Runstate::running)
        .lost(201 * ms, 601 * ms, 50, idle, 0)
        .runstate(701 * ms, 1, 0, Runstate::runnable, Runstate::running)
        .record(0x28004, 1001 * ms, {1, 0});
    const auto windows = build({cpu}).windows;
    REQUIRE(windows.size() == 1);
    CHECK(windows[0].lost == 50);
    CHECK(windows[0].running == doctest::Approx((200 + 300) * 1e6));
    CHECK(windows[0].coverage() == doctest::Approx(1 - 0.4 / 8));
    CHECK(windows[0].burst.count() == 0); // neither stretch has a known length
    CHECK(windows[0].moves[0] == 0);      // nor is it known where it was in between
}

TEST_CASE("window: where its reader did not trace, nothing was lost") {
    // All eight CPUs are off from 201 to 601 ms; CPU 0 goes on with whom it ran, CPU 1 has been
    // running somebody for 5 ms when it is heard of again, the others are idle.
    std::vector<Window> cpus;
    for (std::uint16_t i = 0; i < 8; ++i) {
        cpus.emplace_back(i);
        if (i < 2) cpus[i].runstate(1 * ms, 1, i, Runstate::runnable, Runstate::running);
        cpus[i].lost(201 * ms, 601 * ms, 0, idle, i);
    }
    cpus[0].record(0x21002, 603 * ms, {word(1, 0)}).record(0x28004, 1001 * ms, {1, 0});
    cpus[1].runstate(606 * ms, 2, 0, Runstate::running, Runstate::blocked);
    cpus[1].runstate(606 * ms, 1, 1, Runstate::runnable, Runstate::running);
    const auto result = build(cpus);
    REQUIRE(result.windows.size() == 1);
    const WindowStats& stats = result.windows[0];
    CHECK(stats.lost == 0);
    CHECK(stats.coverage() == doctest::Approx(1));
    const double idle_seen = 0.6 - 0.01; // of credit2's longest slice nothing is known
    CHECK(stats.seen_seconds() ==
          doctest::Approx((0.598 + 0.595 + 6 * idle_seen) / 8).epsilon(0.001));
    CHECK(*stats.busy_part(0) == doctest::Approx(1));
    CHECK(*stats.busy_part(1) == doctest::Approx(1));
    CHECK(*stats.busy_part(2) == 0);
    CHECK(result.value(0, "load.busy_mean") == doctest::Approx(2.0 / 8));
    CHECK(result.value(0, "load.hogs") == doctest::Approx(1));
}

TEST_CASE("window: a CPU that was never seen has no utilisation") {
    std::vector<Window> cpus;
    for (std::uint16_t i = 0; i < 8; ++i) {
        cpus.emplace_back(i);
        if (i < 7) cpus[i].runstate(1 * ms, 1, i, Runstate::runnable, Runstate::running);
    }
    cpus[7].lost(1 * ms, 1001 * ms, 99, idle, 7);
    cpus[0].record(0x28004, 1001 * ms, {1, 0});
    const auto result = build(cpus);
    REQUIRE(result.windows.size() == 1);
    CHECK(result.value(0, "load.busy_min") == doctest::Approx(1));
    CHECK(result.value(0, "load.busy_mean") == doctest::Approx(1));
    CHECK(std::isnan(result.value(0, "load.saturated"))); // never were all of them seen at once
}

TEST_CASE("window: intervals are split at the window's end") {
    Window cpu(0);
    cpu.runstate(1 * ms, 1, 0, Runstate::runnable, Runstate::running)
        .record(0x28004, 2501 * ms, {1, 0})
        .runstate(2601 * ms, 1, 0, Runstate::running, Runstate::blocked);
    const auto windows = build({cpu}).windows;
    REQUIRE(windows.size() == 3);
    CHECK(windows[0].running == doctest::Approx(1e9));
    CHECK(windows[1].running == doctest::Approx(1e9));
    CHECK(windows[1].begin_tsc == windows[0].end_tsc);
    CHECK(windows[2].running == doctest::Approx(6e8));
    CHECK(windows[2].burst.mean() == doctest::Approx(2.6e9)); // its full length, where it ended
}

TEST_CASE("window: pools and their domains") {
    const auto windows =
        build({Window(0).record(0x28004, ms, {1, 0}).record(0x28004, 900 * ms, {1, 0})}).windows;
    REQUIRE(windows.size() == 1);
    const PoolFacts& facts = windows[0].facts;
    CHECK(facts.cpus == 8);
    CHECK(facts.cores == 4);
    CHECK(facts.nodes == 2);
    CHECK(facts.vcpus == 6);
    CHECK(facts.weight_spread == 2);
    CHECK(facts.pinned == doctest::Approx(2.0 / 6));
    CHECK(facts.runqueues == std::array<unsigned, layout_count>{8, 4, 2, 2, 1});
    CHECK(facts.representatives[index(Layout::node)] == Layout::socket);
}

TEST_CASE("window: events that no pool owns are not an error") {
    auto snapshot = host();
    snapshot.mutable_pools(0)->mutable_cpus()->Truncate(4);
    Window inside(0), outside(7);
    run(inside, 1, 0, 2 * ms, 900 * ms, us);
    run(outside, 2, 0, 2 * ms, 900 * ms, us);
    const auto windows = build({inside, outside}, {}, snapshot).windows;
    REQUIRE(windows.size() == 1);
    CHECK(windows[0].running == doctest::Approx(898e6));
}

TEST_CASE("window: domains that are gone make room for those that come") {
    std::vector<WindowStats> windows;
    WindowBuilder builder(sparse, khz, [&](const WindowStats& s) { windows.push_back(s); });
    auto snapshot = host();
    builder.add(*view_of(snapshot));
    trace::TraceStream stream("test");
    const auto handler = [&](const trace::Record& r) { builder.add(r); };
    // A guest that is started anew every two seconds, for more than two hours.
    std::uint64_t now = 0;
    for (std::uint16_t id = 3; id < 5000; ++id, now += 2000 * ms) {
        snapshot.mutable_domains(2)->set_id(id);
        snapshot.set_tsc(now);
        builder.add(*view_of(snapshot));
        Window cpu(0);
        run(cpu, id, 0, now + 100 * ms, now + 200 * ms, us);
        run(cpu, id, 0, now + 300 * ms, now + 900 * ms, us); // known from its first start on
        REQUIRE(stream.feed(bytes_of({cpu}), handler));
    }
    stream.finish(handler);
    builder.finish();
    for (const WindowStats& stats : windows) REQUIRE(stats.untracked == 0);
    const auto last = std::find_if(windows.rbegin(), windows.rend(),
                                   [](const auto& stats) { return stats.domains.count(4999) > 0; });
    REQUIRE(last != windows.rend());
    CHECK(last->domains.at(4999).wake_wait.count() == 1);
    CHECK(last->domains.at(4999).running == doctest::Approx(700e6));
}

TEST_CASE("window: domains of the time before the TSC began anew are forgotten") {
    std::vector<WindowStats> windows;
    WindowBuilder builder(sparse, khz, [&](const WindowStats& s) { windows.push_back(s); });
    auto snapshot = host();
    builder.add(*view_of(snapshot));
    trace::TraceStream stream("test");
    const auto handler = [&](const trace::Record& r) { builder.add(r); };
    const auto guests = [&](std::uint16_t first, std::uint64_t now) {
        Window cpu(0);
        for (std::uint16_t id = first; id < first + 3000; ++id, now += 40 * us)
            for (const std::uint64_t at : {now, now + 20 * us})
                run(cpu, id, 0, at, at + 9 * us, us);
        REQUIRE(stream.feed(bytes_of({cpu}), handler));
    };
    guests(100, 1'000'000 * ms);
    guests(100, 1'000'500 * ms);
    for (std::uint64_t now = 0; now < 7000 * ms; now += 1000 * ms)
        REQUIRE(stream.feed(bytes_of({Window(0).record(0x28004, now + 1, {1, 0})}), handler));
    snapshot.set_tsc(6500 * ms);
    builder.add(*view_of(snapshot));
    guests(5000, 7000 * ms);
    guests(5000, 7500 * ms);
    stream.finish(handler);
    builder.finish();
    CHECK(stream.stats().restarts == 1);
    CHECK(windows.size() >= 7);
    for (const WindowStats& stats : windows) CHECK(stats.untracked == 0);
}

TEST_CASE("window: a domain that no snapshot has yet is not forgotten, and too many are told") {
    std::vector<WindowStats> windows;
    WindowBuilder builder(sparse, khz, [&](const WindowStats& s) { windows.push_back(s); });
    auto snapshot = host();
    builder.add(*view_of(snapshot));
    snapshot.set_tsc(500 * ms); // without it
    builder.add(*view_of(snapshot));
    Window cpu(0);
    run(cpu, 9, 0, 100 * ms, 200 * ms, us);
    run(cpu, 9, 0, 600 * ms, 700 * ms, us);
    trace::TraceStream stream("test");
    const auto handler = [&](const trace::Record& r) { builder.add(r); };
    cpu.runstate(900 * ms, 1, trace::RunstateTracker::max_vcpu_number, trace::Runstate::runnable,
                 trace::Runstate::running);
    REQUIRE(stream.feed(bytes_of({cpu}), handler));
    stream.finish(handler);
    builder.finish();
    REQUIRE(windows.size() == 1);
    CHECK(windows[0].domains.at(9).wake_wait.count() == 1);
    CHECK(windows[0].untracked == 1);
}

TEST_CASE("window: a pool that changes in between begins a new window") {
    WindowBuilder builder(sparse, khz, [](const WindowStats&) { FAIL("no whole window went by"); });
    auto snapshot = host();
    builder.add(*view_of(snapshot));
    snapshot.set_tsc(400 * ms);
    snapshot.mutable_pools(0)->mutable_cpus()->Truncate(4);
    builder.add(*view_of(snapshot));
    for (std::uint64_t at : {1 * ms, 399 * ms, 401 * ms, 800 * ms}) {
        const std::uint32_t words[2] = {1, 0};
        builder.add(trace::Record{at, 0x28004, 0, 2, words});
    }
    builder.finish();
}

TEST_CASE("window: rates of counters lie between the samples that are nearest") {
    std::vector<proto::CounterSample> samples;
    for (std::uint64_t s = 0; s < 3; ++s) {
        auto& sample = samples.emplace_back();
        sample.set_tsc(s * 1000 * ms + 10 * ms);
        auto* domain = sample.add_domains();
        domain->set_id(1);
        domain->set_cpu_ns(s * 500 * ms);
        domain->set_network_rx_bytes(s * 1000);
        domain->set_block_read_sectors(s == 2 ? 0 : s * 8); // fell: another domain of that id
        sample.add_domains()->set_id(99);                   // in no pool
    }
    Window cpu(0);
    cpu.record(0x28004, ms, {1, 0}).record(0x28004, 2100 * ms, {1, 0});
    const auto result = build({cpu}, samples);
    REQUIRE(result.windows.size() == 2);
    CHECK(result.value(0, "io.network_bytes") == doctest::Approx(1000));
    CHECK(result.value(0, "io.block_bytes") == doctest::Approx(8 * 512));
    CHECK(result.value(0, "load.counted") == doctest::Approx(0.5));
    CHECK(result.value(1, "io.block_bytes") == doctest::Approx(0));
    CHECK(std::isnan(build({cpu}).value(0, "io.network_bytes")));
}

TEST_CASE("window: what guests publish is that of the last sample, until there is another") {
    std::vector<proto::CounterSample> samples;
    const auto sample = [&](std::uint64_t tsc) -> proto::CounterSample& {
        samples.emplace_back().set_tsc(tsc);
        for (const unsigned id : {0, 1, 2, 99}) samples.back().add_domains()->set_id(id);
        return samples.back();
    };
    sample(10 * ms).mutable_domains(1)->set_published_score(5);
    auto& second = sample(1010 * ms);
    second.mutable_domains(1)->set_published_score(7);
    second.mutable_domains(2)->set_published_score(-std::numeric_limits<double>::infinity());
    second.mutable_domains(3)->set_published_score(1); // in no pool
    sample(3900 * ms);
    Window cpu(0);
    cpu.record(0x28004, ms, {1, 0}).record(0x28004, 4100 * ms, {1, 0});
    const auto windows = build({cpu}, samples).windows;
    REQUIRE(windows.size() == 4);
    CHECK(build({cpu}).windows[0].published.empty());
    using Published = std::map<unsigned, double>;
    const double minus_infinity = -std::numeric_limits<double>::infinity();
    CHECK(windows[0].published == Published{{1, 7}, {2, minus_infinity}});
    CHECK(windows[1].published == windows[0].published);
    CHECK(windows[2].published == windows[0].published);
    CHECK(windows[3].published.empty());
}

TEST_CASE("window: clocks that jump make neither years of windows nor a crash") {
    Window cpu(0);
    cpu.record(0x28004, ms, {1, 0})
        .record(0x28004, UINT64_MAX / 2, {1, 0})
        .record(0x28004, UINT64_MAX, {1, 0});
    CHECK(build({cpu}).windows.empty());
}

TEST_CASE("window: a record after a long silence does not ask for all the windows between") {
    const auto windows_after = [](std::uint64_t seconds) {
        Window cpu(0);
        cpu.record(0x28004, ms, {1, 0});
        cpu.record(0x28004, ms + seconds * 1000 * ms, {1, 0});
        return build({cpu}).windows.size();
    };
    CHECK(windows_after(60) == 60);
    CHECK(windows_after(61) == 0);
}

TEST_CASE("fairness: max-min shares by weight and demand") {
    using Claims = std::vector<Claim>;
    CHECK(std::isnan(share_error(Claims{})));
    // Equal weights, equal demands, equal shares.
    CHECK(share_error(Claims{{256, 2, 1}, {256, 2, 1}}) == doctest::Approx(0));
    // Twice the weight should have had twice the share: 4/3 and 2/3 of 2.
    CHECK(share_error(Claims{{512, 2, 1}, {256, 2, 1}}) == doctest::Approx(1.0 / 6));
    // Who wants little gets all of it, however light; the rest share what is left.
    CHECK(share_error(Claims{{64, 0.1, 0.1}, {256, 9, 1}, {256, 9, 1}}) == doctest::Approx(0));
    // Everything to the wrong one.
    CHECK(share_error(Claims{{256, 1, 0}, {256, 0, 1}}) == doctest::Approx(1));
}

TEST_CASE(
    "window: a wait that ends with another vCPU's slice was held back, one after a tickle not") {
    Window cpu(0);
    cpu.runstate(1 * ms, 1, 0, Runstate::runnable, Runstate::running)
        .runstate(2 * ms, 1, 0, Runstate::running, Runstate::blocked)
        .runstate(2 * ms, 2, 0, Runstate::runnable, Runstate::running)
        .runstate(5 * ms, 1, 0, Runstate::blocked, Runstate::runnable)
        .runstate(12 * ms, 2, 0, Runstate::running, Runstate::runnable) // its slice
        .runstate(12 * ms + us, 1, 0, Runstate::runnable, Runstate::running)
        .runstate(13 * ms, 1, 0, Runstate::running, Runstate::blocked)
        .runstate(13 * ms, 2, 0, Runstate::runnable, Runstate::running)
        .runstate(15 * ms, 1, 0, Runstate::blocked, Runstate::runnable)
        .runstate(15 * ms + 20 * us, 2, 0, Runstate::running, Runstate::runnable) // tickled
        .runstate(15 * ms + 21 * us, 1, 0, Runstate::runnable, Runstate::running)
        .record(0x28004, 1001 * ms, {1, 0});
    const auto result = build({cpu});
    const auto& windows = result.windows;
    REQUIRE(windows.size() == 1);
    CHECK(windows[0].held_back == doctest::Approx(7 * ms + us));
    CHECK(windows[0].wake_waited == doctest::Approx(7 * ms + 22 * us));
    CHECK(result.value(0, "wait.held_back") == doctest::Approx(7.001 / 7.022));
}

TEST_CASE(
    "window: a hog wants a CPU most of the time and blocks less than ten times a second of it") {
    // Each on a CPU of its own: `on` of running, then `off` of sleep, for a second.
    const auto hogs = [](std::uint64_t on, std::uint64_t off) {
        Window cpu(0);
        std::uint64_t at = 1 * ms;
        for (; at < 1000 * ms; at += on + off)
            cpu.runstate(at, 1, 0, Runstate::runnable, Runstate::running)
                .runstate(at + on, 1, 0, Runstate::running, Runstate::blocked)
                .runstate(at + on + off, 1, 0, Runstate::blocked, Runstate::runnable);
        cpu.record(0x28004, std::max(at, 1001 * ms), {1, 0});
        return build({cpu}).value(0, "load.hogs");
    };
    CHECK(hogs(300 * ms, 100 * ms) == doctest::Approx(1));
    CHECK(hogs(200 * ms, 400 * ms) == doctest::Approx(0)); // sleeps most of the time
    CHECK(hogs(24 * ms, 1 * ms) == doctest::Approx(0));    // forty blocks a second, and 96% busy
}

TEST_CASE("window: a vCPU that waits beside an idle CPU of its runqueue") {
    const auto waiting_on = [](std::uint64_t since, const proto::HostSnapshot& snapshot) {
        Window cpu(0);
        cpu.runstate(1 * ms, 1, 0, Runstate::runnable, Runstate::running)
            .runstate(since, 1, 0, Runstate::running, Runstate::runnable)
            .runstate(since, 2, 0, Runstate::runnable, Runstate::running)
            .record(0x28004, 1001 * ms, {1, 0});
        return build({cpu}, {}, snapshot).windows.at(0).stalls;
    };
    const auto stalls = waiting_on(301 * ms, host());
    REQUIRE(stalls.size() == 1);
    CHECK(stalls[0].domain == 1);
    CHECK(stalls[0].cpu == 1);
    CHECK(stalls[0].seconds == doctest::Approx(0.7));
    CHECK(waiting_on(601 * ms, host()).empty()); // not for long yet
    auto capped = host();
    capped.mutable_domains(1)->set_cap(50);
    CHECK(waiting_on(301 * ms, capped).empty());
    auto pinned = host();
    pinned.mutable_domains(1)->mutable_vcpus(0)->add_hard_affinity(0);
    CHECK(waiting_on(301 * ms, pinned).empty());
}

TEST_CASE("window: whom a domain waits for, and beside what") {
    // CPU 0 alternates: domain 1 runs for 30 ms while domain 2 waits, and for 10 the other way
    // round. Domain 2 is pinned to CPU 0; 1 to 7 are idle.
    auto snapshot = host();
    for (auto& vcpu : *snapshot.mutable_domains(2)->mutable_vcpus()) {
        vcpu.clear_hard_affinity();
        vcpu.add_hard_affinity(0);
    }
    const auto of = [&](const proto::HostSnapshot& now) {
        Window cpu(0);
        cpu.runstate(1 * ms, 1, 0, Runstate::runnable, Runstate::running)
            .runstate(2 * ms, 1, 0, Runstate::running, Runstate::runnable)
            .runstate(2 * ms, 2, 0, Runstate::runnable, Runstate::running);
        for (std::uint64_t at = 12 * ms; at < 990 * ms; at += 40 * ms)
            cpu.runstate(at, 2, 0, Runstate::running, Runstate::runnable)
                .runstate(at, 1, 0, Runstate::runnable, Runstate::running)
                .runstate(at + 30 * ms, 1, 0, Runstate::running, Runstate::runnable)
                .runstate(at + 30 * ms, 2, 0, Runstate::runnable, Runstate::running);
        cpu.record(0x28004, 1001 * ms, {1, 0});
        const auto result = build({cpu}, {}, now);
        REQUIRE(result.windows.size() == 1);
        return result.windows[0].domains;
    };
    auto domains = of(snapshot);
    const DomainWindow& pinned = domains[2];
    CHECK(pinned.bursts == 25);
    CHECK(pinned.sleeps == 0);
    CHECK(pinned.moves == 0);
    CHECK(pinned.wait.count() == 24);
    CHECK(pinned.wait.quantile(0.5) == doctest::Approx(30 * ms).epsilon(0.13));
    CHECK(pinned.census.waiting >= 5); // of ten or so censuses
    CHECK(pinned.census.behind == std::map<unsigned, std::uint32_t>{{1, pinned.census.waiting}});
    CHECK(pinned.census.idle_forbidden == pinned.census.waiting);
    CHECK(pinned.census.beside_idle == 0);
    // The other one may use all CPUs, and of its own runqueue there are idle ones.
    CHECK(domains[1].census.waiting > 0);
    CHECK(domains[1].census.beside_idle == domains[1].census.waiting);
    CHECK(domains[1].census.behind.empty());

    // In a runqueue of its own, CPU 0 is the only one there; the idle ones are elsewhere.
    snapshot.mutable_pools(0)->mutable_arrangement()->set_layout("cpu");
    snapshot.mutable_pools(0)->set_can_rearrange(true);
    domains = of(snapshot);
    CHECK(domains[1].census.idle_elsewhere == domains[1].census.waiting);
    CHECK(domains[1].census.behind.at(2) == domains[1].census.waiting);
}

TEST_CASE("window: no more vCPUs that wait are looked at than a host may have") {
    Window cpu(0);
    for (std::uint16_t vcpu = 0; vcpu < 5000; ++vcpu)
        cpu.runstate((vcpu + 1) * us, 1, vcpu, Runstate::runnable, Runstate::running)
            .runstate((vcpu + 2) * us, 1, vcpu, Runstate::running, Runstate::runnable);
    cpu.record(0x28004, 1001 * ms, {1, 0});
    CHECK(build({cpu}).windows.at(0).stalls.size() == 4096);
}
