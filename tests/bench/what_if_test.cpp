// SPDX-License-Identifier: MIT
#include "bench/what_if/what_if.hpp"

#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::what_if;

TEST_CASE("what-if: what two readings of timers differ in is uncertain, as chance is") {
    const std::array<double, 3> alone{0.01, 0.02, 0.03};
    const Estimate one = estimate_of(alone, 1);
    CHECK(one.mean == doctest::Approx(0.02));
    // 1.96 standard errors of 0.01 / sqrt(3), wider by Student's t of 2 degrees of freedom
    CHECK(one.error > 1.96 * 0.01 / std::sqrt(3.0));
    const std::array<double, 6> same{0.01, 0.02, 0.03, 0.03, 0.02, 0.01};
    CHECK(estimate_of(same, 2).mean == doctest::Approx(0.02));
    CHECK(estimate_of(same, 2).error == doctest::Approx(one.error));
    const std::array<double, 6> apart{0.01, 0.02, 0.03, -0.19, -0.18, -0.17};
    CHECK(estimate_of(apart, 2).mean == doctest::Approx(-0.08));
    CHECK(estimate_of(apart, 2).error == doctest::Approx(one.error + 0.1));
}

TEST_CASE("what-if: recommended is what promises enough, and no sure loss") {
    CHECK(promises({0.03, 0.01}, 0.01, 0.0149));
    CHECK_FALSE(promises({0.03, 0.01}, 0.01, 0.0151));
    CHECK_FALSE(promises({0.09, 0.01}, -0.001, 0.01));
    CHECK_FALSE(promises({-0.02, 0.01}, 0.09, 0.01));
    CHECK(promises({-0.02, 0.03}, 0.09, 0.01)); // which may be chance
    CHECK(promises({0.0, 0.01}, 0.02, 0.01));
    // The simulation alone counts half.
    CHECK(promises({0.031, 0.01}, std::nullopt, 0.01));
    CHECK_FALSE(promises({0.025, 0.01}, std::nullopt, 0.01));
    CHECK_FALSE(promises({std::nan(""), 0.01}, 0.02, 0.01));
}

TEST_CASE("what-if: a simulation is like the host or not") {
    CHECK(alike({10, 9, 1000, 1200}));
    CHECK_FALSE(alike({10, 8, 1000, 1000}));
    CHECK_FALSE(alike({10, 12, 1000, 1000}));
    CHECK_FALSE(alike({10, 10, 1000, 700}));
    CHECK(alike({0, 0, 0, 0}));
}

TEST_CASE(
    "what-if: a boot keeps the cap of Xen's command line, a layout that can be set has none") {
    Topology topology;
    for (unsigned cpu = 0; cpu < 32; ++cpu) topology.cpus.push_back({.id = cpu, .core = cpu});
    Pool pool;
    pool.name = "Pool-0";
    for (unsigned cpu = 0; cpu < 32; ++cpu) pool.cpus.push_back(cpu);
    const Change boot{.arrangement = Arrangement{Layout::socket, 16}, .rate_limit_us = 1000};
    pool.can_rearrange = false;
    const auto stock = configurations_of(topology, pool, boot);
    for (const Layout same : {Layout::socket, Layout::node, Layout::all})
        CHECK(stock.layout[index(same)] == 0); // two runqueues of 16 whichever it is
    pool.can_rearrange = true;
    const auto patched = configurations_of(topology, pool, boot);
    CHECK(patched.layout[index(Layout::all)] != 0);
    CHECK(patched.all[patched.layout[index(Layout::all)]].arrangement->max_cpus == no_cap);
    CHECK(patched.in_force == boot);
}
