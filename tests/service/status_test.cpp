// SPDX-License-Identifier: MIT
// What the service says of a pool's last window and of its runqueues.
#include "collector/window/features.hpp"
#include "src/service/service.hpp"

#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::service;

namespace {

constexpr double hz = 1e9;

WindowStats window_of_two_cpus() {
    WindowStats stats;
    stats.facts.cpus = 2;
    stats.begin_tsc = 0;
    stats.end_tsc = 2'000'000'000;
    stats.tsc_hz = hz;
    stats.traced = stats.observed = 4e9; // both CPUs, all of it
    stats.cpu_busy = {1e9, 2e9};
    stats.cpu_seen = {2e9, 2e9};
    stats.clear = 2e9;
    stats.waiting = 3e9;
    stats.switches = 400;
    stats.moves = {300, 40, 30, 20, 10};
    return stats;
}

} // namespace

TEST_CASE("status: a window's figures are the pool's, a second") {
    WindowStats stats = window_of_two_cpus();
    auto told = window_status(stats, feature_vector(stats));
    CHECK(told.seconds() == doctest::Approx(2));
    CHECK(told.coverage() == doctest::Approx(1));
    CHECK(told.busy() == doctest::Approx(0.75));
    CHECK(told.waiting() == doctest::Approx(1.5));
    CHECK(told.switches_s() == doctest::Approx(200));
    CHECK(told.moves_s() == doctest::Approx(50));
    REQUIRE(told.cpu_busy_size() == 2);
    CHECK(told.cpu_busy(0) == doctest::Approx(0.5));
    CHECK(told.cpu_busy(1) == doctest::Approx(1));
    CHECK_FALSE(told.has_wake_p50_us());
    CHECK_FALSE(told.has_wake_p99_us());

    for (unsigned i = 0; i < 99; ++i) stats.wake_wait.add(10'000); // ns at 1 GHz
    for (unsigned i = 0; i < 3; ++i) stats.wake_wait.add(5'000'000);
    told = window_status(stats, feature_vector(stats));
    CHECK(told.wake_p50_us() == doctest::Approx(10).epsilon(0.02));
    CHECK(told.wake_p99_us() == doctest::Approx(5000).epsilon(0.02));
}

TEST_CASE("status: an empty window is no number that cannot be") {
    const WindowStats stats;
    const auto told = window_status(stats, feature_vector(stats));
    CHECK(told.busy() == 0);
    CHECK(told.waiting() == 0);
    CHECK(told.switches_s() == 0);
    CHECK(told.cpu_busy().empty());
}

TEST_CASE("status: the runqueues of a pool, and how busy they were") {
    Topology topology;
    for (unsigned cpu = 0; cpu < 8; ++cpu) topology.cpus.push_back({cpu, cpu % 4, cpu / 4, 0});
    Pool pool;
    pool.cpus = {2, 3, 4, 5}; // two of either socket
    proto::WindowStatus window;
    for (const float busy : {0.1F, 0.3F, 0.5F, 0.7F}) window.add_cpu_busy(busy);
    proto::PoolStatus status;
    SUBCASE("with a window of it") {
        add_runqueues(status, topology, pool, {Layout::socket, no_cap}, &window);
        REQUIRE(status.runqueues_size() == 2);
        CHECK(status.runqueues(0).cpus_size() == 2);
        CHECK(status.runqueues(0).cpus(1) == 3);
        CHECK(status.runqueues(0).busy() == doctest::Approx(0.2));
        CHECK(status.runqueues(1).cpus(0) == 4);
        CHECK(status.runqueues(1).busy() == doctest::Approx(0.6));
    }
    SUBCASE("with one of other CPUs, or none") {
        window.add_cpu_busy(1);
        for (const auto* other :
             {&std::as_const(window), static_cast<const proto::WindowStatus*>(nullptr)}) {
            status.clear_runqueues();
            add_runqueues(status, topology, pool, {Layout::all, no_cap}, other);
            REQUIRE(status.runqueues_size() == 1);
            CHECK(status.runqueues(0).cpus_size() == 4);
            CHECK_FALSE(status.runqueues(0).has_busy());
        }
    }
}
