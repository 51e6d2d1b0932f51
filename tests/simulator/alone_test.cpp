// SPDX-License-Identifier: GPL-2.0-only
// Guests without competition.
#include "bench/simulator/alone.hpp"
#include "bench/simulator/bursty.hpp"

#include <doctest/doctest.h>

using namespace sim;

namespace {

constexpr Nanoseconds second = 1'000'000'000;
constexpr double any = 1e9;

} // namespace

TEST_CASE("alone: each guest has its own CPUs, and no more") {
    Alone alone(second, any);
    Hog hogs, more;
    alone.start(0, hogs, 4, 4);
    alone.start(1, more, 8, 2);
    alone.advance(3 * second + 5); // in the middle of a step
    CHECK(alone.run_ns(0) == 4 * (2e9 + 5));
    CHECK(alone.run_ns(1) == 2 * (2e9 + 5));
    alone.reset();
    CHECK(alone.run_ns(0) == 0);
    alone.advance(4 * second);
    CHECK(alone.run_ns(0) == 4 * (1e9 - 5));
    CHECK(alone.run_ns(7) == 0); // nobody
}

TEST_CASE("alone: timers wake, and who sleeps does not run") {
    Alone alone(second, any);
    Bursty bursty(0, 50, 100, 300, 1); // a quarter of the time
    alone.start(0, bursty, 50, 50);
    alone.advance(11 * second);
    CHECK(alone.run_ns(0) == doctest::Approx(50 * 10e9 / 4).epsilon(0.01));
}

TEST_CASE("alone: a guest goes, and comes again") {
    Alone alone(second, any);
    Hog first, second_time;
    alone.start(0, first, 1, 1);
    alone.advance(2 * second + 1);
    alone.stop(0);
    alone.advance(5 * second);
    CHECK(alone.run_ns(0) == 1e9 + 1);
    alone.start(0, second_time, 2, 2);
    alone.advance(6 * second);
    CHECK(alone.run_ns(0) == 3e9 + 1);
}

TEST_CASE("alone: after so many steps what was seen stands for the rest") {
    Alone alone(second, 1000); // of 10 ms each on two vCPUs: five seconds
    Hog hogs;
    alone.start(0, hogs, 2, 2);
    alone.advance(2 * second);
    alone.reset();
    alone.advance(22 * second);
    CHECK(alone.run_ns(0) == doctest::Approx(40e9));
    alone.reset(); // nothing of what follows is seen
    alone.advance(23 * second);
    CHECK(alone.run_ns(0) == doctest::Approx(2e9));
}
