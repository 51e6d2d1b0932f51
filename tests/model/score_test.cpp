// SPDX-License-Identifier: MIT
// The score, against figures worked out by hand.
#include "collector/window/demand.hpp"
#include "src/model/estimate.hpp"
#include "src/model/score.hpp"
#include "tests/support/files.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <functional>
#include <limits>

using namespace intellisched;
using namespace intellisched::test;
using doctest::Approx;

namespace {

GuestResult working(double work) {
    GuestResult guest;
    guest.work = work;
    return guest;
}

GuestResult waking(double work, double p99_us) {
    GuestResult guest = working(work);
    guest.wake_p99_us = p99_us;
    guest.wakeups_per_s = 100;
    return guest;
}

proto::GuestTruth& add_guest(proto::Truth& truth, const std::string& name, unsigned domid,
                             double work_s, double run_s, double runnable_s) {
    proto::GuestTruth& guest = *truth.add_guests();
    guest.set_name(name);
    guest.set_domid(domid);
    guest.set_pool("Pool-0");
    guest.set_weight(256);
    guest.set_vcpus(4);
    guest.set_work_ns(work_s * 1e9);
    guest.set_run_ns(run_s * 1e9);
    guest.set_runnable_ns(runnable_s * 1e9);
    return guest;
}

proto::Truth two_cpus_for_ten_seconds() {
    proto::Truth truth;
    truth.set_seconds(10);
    truth.add_pools()->set_name("Pool-0");
    truth.mutable_pools(0)->set_cpu_ns(20e9);
    return truth;
}

} // namespace

TEST_CASE("score: what the formula says, under each intent") {
    GuestResult a = waking(2, 200), b = waking(8, 1400);
    a.share_error = 0.25, b.share_error = 0.75;
    a.run = b.run = 1;
    const std::array results{LayoutResult{{"a", a}, {"b", b}}};
    // ln w: ln 4 in the mean, and so is that of work per CPU time; T: ln 2 and ln 8, so ln 4 as
    // well; share error: 0.5.
    const double ln4 = std::log(4.0);
    CHECK((*utilities(Intent::throughput, results))[0] == Approx((1 + 0.3 - 0.01) * ln4 - 0.05));
    CHECK((*utilities(Intent::latency, results))[0] == Approx((1 - 0.4) * ln4 - 0.1));
    CHECK((*utilities(Intent::balanced, results))[0] == Approx((1 + 0.15 - 0.05) * ln4 - 0.1));
}

TEST_CASE("score: what one percent means under each intent") {
    // The table in score.hpp, for two guests alike.
    const auto gain = [](Intent intent, const std::function<void(GuestResult&)>& change) {
        GuestResult before = working(1);
        before.run = 1;
        before.response_p99_us = 1e6;
        before.responses_per_s = 100;
        before.share_error = 0.5;
        GuestResult after = before;
        change(after);
        const std::array results{LayoutResult{{"a", before}, {"b", before}},
                                 LayoutResult{{"a", after}, {"b", after}}};
        const auto utility = *utilities(intent, results);
        return std::expm1(utility[1] - utility[0]);
    };
    const auto percent = Approx(0.01).epsilon(0.03);
    const double work = 0.01; // under each
    const std::array cpu{0.033, 0.0, 0.065}, p99{0.63, 0.025, 0.18}, share{0.1, 0.05, 0.05};
    for (const Intent intent : all_intents) {
        const std::size_t i = index(intent);
        CHECK(gain(intent, [&](GuestResult& g) {
                  g.work *= 1 + work; // by waiting less, not by working faster
                  g.run *= 1 + work;
              }) == percent);
        if (cpu[i] > 0)
            CHECK(gain(intent, [&](GuestResult& g) { g.run *= 1 - cpu[i]; }) == percent);
        CHECK(gain(intent, [&](GuestResult& g) { g.response_p99_us *= 1 - p99[i]; }) == percent);
        CHECK(gain(intent, [&](GuestResult& g) { *g.share_error -= share[i]; }) == percent);
    }
}

TEST_CASE("score: what a guest feels counts once: deadlines, else responses, else waits") {
    const auto tail = [](const GuestResult& guest) {
        const std::array results{LayoutResult{{"a", guest}}};
        return parts(results)->front().tail;
    };
    GuestResult guest = waking(1, 200);
    CHECK(tail(guest) == Approx(std::log(2)));
    guest.response_p99_us = 1400;
    guest.responses_per_s = 9; // too few to have a tail; its waits are not what it is asked for
    CHECK(tail(guest) == 0);
    guest.responses_per_s = 10;
    CHECK(tail(guest) == Approx(std::log(8)));
    guest.wake_p99_us = 1e6; // is in the responses, as far as anybody notices
    CHECK(tail(guest) == Approx(std::log(8)));
    guest.deadlines_per_s = 10;
    guest.missed = 1.0 / 9; // as a tail twice as long
    CHECK(tail(guest) == Approx(std::log(2)));
    guest.missed = 0; // late answers that are in time for their deadline
    CHECK(tail(guest) == Approx(0));
    guest.missed = 1;
    CHECK(tail(guest) == Approx(std::log(10)));
}

TEST_CASE("score: what no client can tell apart counts alike, long tails in percents") {
    const auto lost = [](double from_us, double to_us) {
        const std::array results{LayoutResult{{"a", waking(1, from_us)}},
                                 LayoutResult{{"a", waking(1, to_us)}}};
        const auto utility = *utilities(Intent::latency, results);
        return utility[0] - utility[1];
    };
    CHECK(lost(2, 4) > 0);
    CHECK(lost(2, 4) < 0.005);
    CHECK(lost(50, 150) == Approx(0.4 * std::log(350.0 / 250)));
    CHECK(lost(50, 150) < lost(10'000, 20'000) / 2);
    CHECK(lost(1e6, 2e6) == Approx(0.4 * std::log(2)).epsilon(0.001));
}

TEST_CASE("score: guests count by claim, and idle ones by what they want") {
    // A guest with 16 vCPUs in use, and one with as many and a use for 1% of a CPU.
    GuestResult busy = waking(1, 200), idle = waking(1, 0);
    busy.vcpus = idle.vcpus = 16;
    busy.demand = 8;
    idle.demand = 0.01; // a tenth of a vCPU's claim
    const auto tail = [&] {
        const std::array results{LayoutResult{{"busy", busy}, {"idle", idle}}};
        return parts(results)->front().tail;
    };
    CHECK(tail() == Approx(std::log(2) * 16 / 16.1));
    idle.demand = 1.6; // a tenth of what it has: that of a server as they are
    CHECK(tail() == Approx(std::log(2) / 2));
    idle.demand = 16;
    CHECK(tail() == Approx(std::log(2) / 2));
    idle.weight = 768;
    CHECK(tail() == Approx(std::log(2) / 4));
    // Nor is it all that matters where nobody else has a tail.
    busy.wakeups_per_s = 0;
    idle.weight = 256;
    idle.wake_p99_us = 200;
    idle.demand = 0.01;
    CHECK(tail() == Approx(std::log(2) * (0.1 / 16.1) / 0.1));
    idle.demand = 0.32; // 3.2 vCPUs' claim, a sixth of all
    CHECK(tail() == Approx(std::log(2)));
    idle.demand = 16;
    idle.weight = 768;
    // Work and share error as well.
    idle.work = std::exp(1);
    idle.share_error = 0.4, busy.share_error = 0;
    const std::array results{LayoutResult{{"busy", busy}, {"idle", idle}}};
    CHECK(parts(results)->front().work == Approx(0.75));
    CHECK(parts(results)->front().share == Approx(0.3));
}

TEST_CASE("score: headroom is CPU time per work, by CPU time, of guests that always worked") {
    GuestResult large = working(1), small = working(1);
    large.demand = large.run = 3;
    small.demand = small.run = 1;
    std::array results{LayoutResult{{"large", large}, {"small", small}},
                       LayoutResult{{"large", large}, {"small", small}}};
    results[1]["large"].run = 2.7; // the same work in a tenth less
    const auto saved = [&](Intent intent) {
        const auto utility = *utilities(intent, results);
        return utility[1] - utility[0];
    };
    const double less = 0.75 * std::log(3 / 2.7);
    CHECK(saved(Intent::throughput) == Approx(0.3 * less));
    CHECK(saved(Intent::balanced) == Approx(0.15 * less));
    CHECK(saved(Intent::latency) == Approx(0));
    // What was not there, or did nothing, has no CPU time per work.
    results[0]["small"].work = 0;
    results[0].erase("large");
    CHECK(parts(results)->at(0).headroom == 0);
    CHECK(parts(results)->at(1).headroom == 0);
}

TEST_CASE("score: sharing by weight is worth more than any other sharing") {
    // Two guests with claims of 1 to 2 share three CPUs.
    const auto utility_of = [](double first) {
        LayoutResult result{{"a", working(first)}, {"b", working(3 - first)}};
        result["b"].weight = 512;
        const std::array results{result};
        return (*utilities(Intent::throughput, results))[0];
    };
    CHECK(utility_of(1) == Approx(2 * std::log(2.0) / 3));
    for (const double other : {0.5, 0.9, 1.1, 1.5, 2.5}) CHECK(utility_of(other) < utility_of(1));
}

TEST_CASE("score: the same guests count under every layout") {
    // b does nothing under cpu: starved, which must cost, and be finite.
    std::array results{LayoutResult{{"a", working(1)}, {"b", working(0)}},
                       LayoutResult{{"a", working(1)}, {"b", working(1)}}};
    const auto starved = utilities(Intent::throughput, results);
    CHECK((*starved)[0] == Approx(std::log(0.001) / 2));
    CHECK((*starved)[1] == Approx(0));

    // One that wants next to nothing does not count at all; nor a tail of rare events.
    for (LayoutResult& result : results) result["b"].demand = 0.0001;
    results[1]["a"].wake_p99_us = 1e6;
    results[1]["a"].wakeups_per_s = 1;
    const auto idle = utilities(Intent::throughput, results);
    CHECK((*idle)[0] == Approx(0));
    CHECK((*idle)[1] == Approx(0));

    const std::array nothing{LayoutResult{}};
    CHECK(error_of(utilities(Intent::balanced, nothing)).starts_with("no guest did anything"));
}

TEST_CASE("score: entitlements fill up like water") {
    const auto shares = [](std::vector<Claimant> claimants, double capacity) {
        return entitlements(claimants, capacity);
    };
    constexpr double much = 1e9;
    // All want all: by weight.
    CHECK(shares({{256, much, much}, {512, much, much}}, 3) == std::vector<double>{1, 2});
    // A small demand is met, the rest goes to the others by weight.
    const auto rest = shares({{256, much, much}, {256, 0.5, much}, {512, much, much}}, 3.5);
    CHECK(rest[0] == Approx(1));
    CHECK(rest[1] == Approx(0.5));
    CHECK(rest[2] == Approx(2));
    // A cap limits like a demand; enough for all leaves some over.
    CHECK(shares({{256, much, 0.25}, {256, 1, much}}, 4) == std::vector<double>{0.25, 1});
    CHECK(shares({}, 4).empty());
    // Heavy but easily satisfied, light and greedy.
    const auto mixed = shares({{1000, 1, much}, {1, much, much}}, 4);
    CHECK(mixed[0] == Approx(1));
    CHECK(mixed[1] == Approx(3));
}

TEST_CASE("score: a truth becomes a result") {
    proto::Truth truth = two_cpus_for_ten_seconds();
    add_guest(truth, "Domain-0", 0, 1, 1, 0);
    // Two alike that want 3 CPUs each of the 1.9 left, one gets 14 s, the other 5: 9.5 are due.
    add_guest(truth, "a", 1, 12, 14, 16).set_demand_ns(30e9);
    auto& b = add_guest(truth, "b", 2, 4, 5, 25);
    b.set_demand_ns(30e9);
    b.mutable_wake_to_run()->set_p99_us(300);
    b.mutable_wake_to_run()->set_count(1000);
    b.set_deadlines(50);
    b.set_misses(5);
    add_guest(truth, "elsewhere", 3, 10, 10, 0).set_pool("other");
    const auto result = result_from(truth, "Pool-0");
    REQUIRE(result);
    REQUIRE(result->size() == 2); // what Domain-0 does for guests shows in theirs
    CHECK(result->at("a").work == Approx(1.2e9));
    CHECK(result->at("a").run == Approx(1.4));
    CHECK(*result->at("a").demand == Approx(3));
    CHECK(result->at("b").wakeups_per_s == Approx(100));
    CHECK(result->at("b").deadlines_per_s == Approx(5));
    CHECK(result->at("b").missed == Approx(0.1));
    CHECK(*result->at("a").share_error == Approx(4.5 / 9.5));
    CHECK(*result->at("b").share_error == Approx(4.5 / 9.5));

    // A guest with twice the vCPUs is entitled to twice as much, and one under a cap to that.
    truth.mutable_guests(1)->set_vcpus(8);
    truth.mutable_guests(2)->set_cap(50); // 5 s, what it got
    const auto capped = result_from(truth, "Pool-0");
    CHECK(*capped->at("a").share_error == Approx(0));
    CHECK(*capped->at("b").share_error == Approx(0));
    CHECK(capped->at("a").vcpus == 8);
    CHECK(capped->at("b").weight == 256);
    CHECK(capped->at("b").vcpus == 0.5); // its claim, too, is of no more
    CHECK(*capped->at("b").demand == Approx(0.5));
}

TEST_CASE("score: waiting alone is no share error") {
    // A server that offers 0.03 CPUs and gets all of it, beside a hog: first at once, then after
    // waiting for 0.41 CPUs' time.
    const auto error = [](double waited_s, bool stated) {
        proto::Truth truth = two_cpus_for_ten_seconds();
        add_guest(truth, "hog", 1, 19.7, 19.7, 20.3).set_demand_ns(40e9);
        auto& server = add_guest(truth, "server", 2, 0.3, 0.3, waited_s);
        server.set_vcpus(1);
        server.mutable_wake_to_run()->set_count(1000);
        server.mutable_wake_to_run()->set_mean_us(waited_s * 1000);
        if (stated) server.set_demand_ns(0.3e9);
        return *result_from(truth, "Pool-0")->at("server").share_error;
    };
    CHECK(error(0, true) == Approx(0));
    CHECK(error(4.1, true) == Approx(0));
    // Of an older truth, which does not say so: too large by the part of the time that it waited.
    CHECK(error(4.1, false) == Approx(1 - 5.9 / 10));
    // Nor is to run for longer because the CPU is slower: it got all CPU time that it asked for.
    proto::Truth slow = two_cpus_for_ten_seconds();
    add_guest(slow, "server", 1, 3, 4.5, 0).set_demand_ns(4e9);
    CHECK(*result_from(slow, "Pool-0")->at("server").share_error == Approx(0));
    // A guest with one hog on four vCPUs: of the three that sleep nothing follows for the fourth.
    proto::Truth idle = two_cpus_for_ten_seconds();
    add_guest(idle, "hog", 1, 5, 5, 5);
    CHECK(*result_from(idle, "Pool-0")->at("hog").demand == Approx(1));
}

TEST_CASE("demand: what a vCPU would run alone") {
    CHECK(demand(1, 0, 1) == Approx(1));
    CHECK(demand(1, 2, 0) == Approx(3)); // a hog: all the time
    CHECK(demand(1, 2, 1) == Approx(2)); // half of the time that it did not wait, so of all
    CHECK(demand(0.03, 0.5, 0.47) == Approx(0.06));
    CHECK(demand(0, 0.5, 0.5) == 0.5); // never ran
    CHECK(demand(0, 0, 1) == 0);
}

TEST_CASE("score: a truth that cannot be is refused") {
    proto::Truth truth = two_cpus_for_ten_seconds();
    add_guest(truth, "a\n", 1, 1, 1, 1);
    CHECK(error_of(result_from(truth, "batch")).starts_with("pool batch: its CPU time"));
    truth.mutable_guests(0)->set_demand_ns(1e9);
    for (const double bad : {-1.0, std::nan(""), std::numeric_limits<double>::infinity(), 1e300}) {
        proto::Truth broken = truth;
        broken.mutable_guests(0)->set_work_ns(bad);
        CHECK(error_of(result_from(broken, "Pool-0")).starts_with("guest a?: its figures"));
        broken = truth;
        broken.mutable_guests(0)->set_demand_ns(bad);
        CHECK(!result_from(broken, "Pool-0"));
        broken = truth;
        broken.set_seconds(bad);
        CHECK(!result_from(broken, "Pool-0"));
        broken = truth;
        broken.mutable_pools(0)->set_cpu_ns(bad);
        CHECK(!result_from(broken, "Pool-0"));
    }
    proto::Truth instant = truth;
    instant.set_seconds(1e-300); // its rates would be infinite
    CHECK(error_of(result_from(instant, "Pool-0")).find("says nothing") != std::string::npos);
    truth.mutable_guests(0)->set_misses(1);
    CHECK(!result_from(truth, "Pool-0"));
}

TEST_CASE("score: guests in the background have their share of the CPUs, and no other part in it") {
    proto::Truth truth = two_cpus_for_ten_seconds();
    add_guest(truth, "a", 1, 15, 15, 25); // four vCPUs want 40 s and get what is left
    proto::GuestTruth& ticks = add_guest(truth, "ticks", 2, 5, 5, 0);
    ticks.mutable_wake_to_run()->set_count(10'000);
    ticks.set_background(true);
    const auto result = result_from(truth, "Pool-0");
    REQUIRE(result);
    CHECK(result->size() == 1);
    CHECK(*result->at("a").share_error == Approx(0));
    ticks.set_background(false);
    CHECK(result_from(truth, "Pool-0")->size() == 2);
}

TEST_CASE("score: figures at the ends of what is accepted stay numbers") {
    proto::Truth truth = two_cpus_for_ten_seconds();
    truth.mutable_pools(0)->set_cpu_ns(1e24);
    auto& waits = *add_guest(truth, "a", 1, 1e15, 1e15, 1e15).mutable_wake_to_run();
    waits.set_p99_us(1e24);
    waits.set_count(UINT64_MAX);
    proto::GuestTruth& least = add_guest(truth, "b", 2, 0, 1, 1);
    least.set_vcpus(UINT32_MAX);
    least.set_work_ns(5e-323); // a second's is the least number that there is
    const auto most = result_from(truth, "Pool-0");
    REQUIRE(most);
    for (const auto& [name, guest] : *most)
        CHECK((*guest.share_error >= 0 && *guest.share_error <= 1));
    const std::array both{*most, LayoutResult{}};
    for (const Intent intent : all_intents) {
        const auto utility = utilities(intent, both);
        REQUIRE(utility);
        for (const double value : *utility) CHECK(std::isfinite(value));
    }
}

TEST_CASE("estimate: a live host's windows as a truth") {
    // Two windows of a second at 1 GHz, two CPUs: busy for 1.5 of the 2 s, half of that shared.
    WindowStats window;
    window.facts.pool_id = 3;
    window.facts.pool = "batch";
    window.facts.cpus = 2;
    window.tsc_hz = 1e9;
    window.end_tsc = 1'000'000'000;
    window.traced = window.observed = 2e9;
    window.cpu_busy = {0.5e9, 1e9};
    window.shared = 0.75e9;
    window.domains[5].running = 1.5e9;
    window.domains[5].waiting = 0.25e9;
    window.domains[5].demand = 1.6e9;
    window.domains[5].wake_wait.add(63'000);
    window.domains[9].running = 1; // of no domain that the snapshot knows
    proto::HostSnapshot snapshot;
    for (const unsigned id : {5U, 6U}) {
        proto::Domain& domain = *snapshot.add_domains();
        domain.set_id(id);
        domain.set_name(id == 5 ? "a" : "idle");
        domain.set_pool_id(3);
        domain.set_weight(256);
        domain.add_vcpus()->set_online(true);
        domain.add_vcpus()->set_online(false);
    }
    const std::array windows{window, window};
    const proto::Truth truth = estimate(windows, snapshot, 0.4);
    CHECK(truth.seconds() == Approx(2));
    CHECK(truth.pools(0).cpu_ns() == Approx(4e9));
    REQUIRE(truth.guests_size() == 2);
    const proto::GuestTruth& guest = truth.guests(0);
    CHECK(guest.run_ns() == Approx(3e9));
    CHECK(guest.work_ns() == Approx(3e9 * (1 - 0.4 * 0.5)));
    CHECK(guest.runnable_ns() == Approx(0.5e9));
    CHECK(guest.demand_ns() == Approx(0.8 * 3.2e9));
    CHECK(guest.vcpus() == 1);
    CHECK(guest.wake_to_run().count() == 2);
    CHECK(guest.wake_to_run().p99_us() == Approx(63).epsilon(0.02));
    const auto result = result_from(truth, "batch");
    REQUIRE(result);
    CHECK(result->at("a").work == Approx(1.2e9));
    CHECK(result->at("idle").work == 0);
    CHECK(result_from(estimate({}, snapshot), "batch")
              .error()
              .message.starts_with("a measurement of 0"));
}
