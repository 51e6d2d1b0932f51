// SPDX-License-Identifier: MIT
// Guests that want a layout which harms the others: a day of the policy under each, and how much of
// it the pool spends in a layout over 2% worse than the one before.
//
// Four honest guests and one that does what the case says. What it does, it does when it sees the
// pool in the layout that it wants, which a guest can tell from its own waits. The model is
// deceived in each case: it favours `core`, which is the worse one, in whatever the adversary lets
// it see.
#include "policy_world.hpp"

#include <doctest/doctest.h>
#include <functional>

using namespace intellisched;
using namespace intellisched::test;

namespace {

constexpr std::uint64_t adversary = 99;

struct Case {
    double loss = 0.4; ///< utility that `core` costs the honest guests
    /// Changes a window; `tried`: the layout that it wants is in force.
    std::function<void(World& world, WindowSeen& window, bool tried)> does;
};

/// Part of a day that is spent in `core`.
double part_in_worse(const Case& what, std::uint64_t seed) {
    World world;
    world.random.seed(seed);
    std::normal_distribution<double> normal(0, 0.02);
    const Nanoseconds end = world.time + 24 * hour;
    unsigned worse = 0, windows = 0;
    while (world.time < end) {
        world.time += second;
        const bool tried = world.pool.in_force.layout == Layout::core;
        world.utility[index(Layout::core)] = -what.loss;
        WindowSeen window = world.next();
        window.guests.clear();
        for (std::uint64_t guest = 1; guest <= 4; ++guest)
            window.guests.push_back(
                {guest, guest, {.claim = 256, .work = window.utility + normal(world.random)}});
        window.guests.push_back({adversary, adversary, {.claim = 256, .work = 0}});
        what.does(world, window, tried);
        worse += tried ? 1 : 0;
        ++windows;
        const PoolVerdict verdict = world.feed(window);
        if (World::asks(verdict)) world.apply(verdict);
    }
    return static_cast<double>(worse) / windows;
}

void holds(const Case& what) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        const double part = part_in_worse(what, seed);
        INFO("seed " << seed << ": " << part * 100 << "% of the day");
        CHECK(part > 0); // it was tried: the case is one
        CHECK(part < 0.01);
    }
}

/// A load that is nothing like the one before.
void another_load(WindowSeen& window) {
    for (std::size_t i = 1; i < workload_size; ++i) window.workload.at(i) += 4;
}

} // namespace

TEST_CASE("policy adversary: honest harm") {
    holds({0.4, [](World&, WindowSeen&, bool) {}});
    holds({0.08, [](World&, WindowSeen&, bool) {}});
}

TEST_CASE("policy adversary: another signature each time, so that no quarantine holds") {
    holds({0.4, [](World& world, WindowSeen& window, bool) {
               window.workload[1] += 3.0 * static_cast<double>(world.state.serial);
           }});
}

TEST_CASE("policy adversary: a trace that is flooded in trials") {
    holds({0.4, [](World&, WindowSeen& window, bool tried) {
               if (tried) window.observation.coverage = 0.5;
           }});
}

TEST_CASE("policy adversary: a promise that is withdrawn in the trial") {
    for (const double loss : {0.4, 0.08})
        holds({loss, [](World&, WindowSeen& window, bool tried) {
                   if (!tried) return;
                   another_load(window);
                   window.observation.prediction =
                       prediction_for(Layout::socket, 0.1, Layout::core);
               }});
}

TEST_CASE("policy adversary: steering to and fro, by another load under each layout") {
    for (const double loss : {0.4, 0.08})
        holds({loss, [](World&, WindowSeen& window, bool tried) {
                   if (tried) another_load(window);
               }});
}

TEST_CASE("policy adversary: churn by accident") {
    holds({0.4, [](World& world, WindowSeen& window, bool tried) {
               // One CI guest is started in each trial.
               const std::uint64_t guest = 1000 + world.state.serial;
               if (tried) window.guests.push_back({guest, guest, {.claim = 512, .work = 0}});
           }});
}

TEST_CASE("policy adversary: a guest that changes all the time freezes nothing") {
    holds({0.4, [](World& world, WindowSeen& window, bool) {
               window.guests.back().identity += world.time / second / 20;
           }});
}

TEST_CASE("policy adversary: who changes identity three times in an hour is left out for a day") {
    SteadyGuests steady;
    Nanoseconds now = hour;
    const auto counted = [&](std::uint64_t identity) {
        std::map<std::uint64_t, std::uint64_t> identities{{1, 1}};
        if (identity != 0) identities[2] = identity;
        const auto left_out = steady.saw(identities, now);
        std::size_t count = 0;
        for (const auto& guest : identities) count += steady.leaves_out(guest.first, now) ? 0 : 1;
        now += minute;
        return std::pair(count, left_out.size());
    };
    CHECK(counted(20) == std::pair<std::size_t, std::size_t>(2, 0));
    CHECK(counted(20) == std::pair<std::size_t, std::size_t>(2, 0));
    CHECK(counted(21) == std::pair<std::size_t, std::size_t>(2, 0));
    CHECK(counted(0) == std::pair<std::size_t, std::size_t>(1, 0));
    CHECK(counted(21) == std::pair<std::size_t, std::size_t>(2, 0)); // here again: the second
    CHECK(counted(22) == std::pair<std::size_t, std::size_t>(1, 1));
    const Nanoseconds from = now;
    while (now < from + 24 * hour - 2 * minute)
        REQUIRE(counted(22) == std::pair<std::size_t, std::size_t>(1, 0));
    now += 2 * minute;
    CHECK(counted(22) == std::pair<std::size_t, std::size_t>(2, 0));
}
