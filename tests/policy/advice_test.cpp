// SPDX-License-Identifier: MIT
#include "src/policy/advice.hpp"

#include <doctest/doctest.h>

using namespace intellisched;

namespace {

constexpr Nanoseconds dwell = 5 * minute;

struct World {
    Advice advice;
    Advice::About about{{.arrangement = Arrangement{}, .rate_limit_us = 1000}, Intent::balanced};
    Nanoseconds now = hour;

    bool sees(Decision decision, Option option = boot_option) {
        Verdict verdict;
        verdict.decision = decision;
        verdict.option = option;
        verdict.mean.expected_gain[index(option)] = 0.05;
        verdict.reasons.push_back({"code", "because"});
        return advice.saw(verdict, about, now += second, dwell);
    }
    /// How often there is something to tell in so many seconds.
    unsigned seconds(unsigned count, Decision decision, Option option = boot_option) {
        unsigned told = 0;
        for (unsigned i = 0; i < count; ++i) told += sees(decision, option);
        return told;
    }
};

const Option longest = all_options.back();

} // namespace

TEST_CASE("advice: told once when it is there, and once when it is over") {
    World world;
    CHECK(world.seconds(20, Decision::abstain) == 0);
    CHECK(world.seconds(20, Decision::keep) == 0);
    CHECK(world.seconds(100, Decision::switch_option, longest) == 1);
    CHECK(world.advice.option() == longest);
    CHECK(world.advice.gain() == 0.05);
    CHECK(world.advice.why() == "because");

    // Another load: not at once, lest it changes to and fro. What is unusable takes nothing back.
    CHECK(world.seconds(100, Decision::keep) == 0);
    CHECK(world.seconds(400, Decision::abstain) == 0);
    CHECK(world.advice.option() == longest);
    CHECK(world.seconds(2, Decision::keep) == 1);
    CHECK_FALSE(world.advice.option());
}

TEST_CASE("advice: what was said of another configuration or intent does not count") {
    World world;
    CHECK(world.sees(Decision::switch_option, longest));
    world.about.in_force.rate_limit_us = 10000; // somebody follows it
    CHECK_FALSE(world.sees(Decision::abstain));
    CHECK_FALSE(world.advice.option());
    world.about.in_force.rate_limit_us = 1000; // and goes back: it is told again
    CHECK(world.sees(Decision::switch_option, longest));
    world.about.in_force.arrangement->layout = Layout::core;
    CHECK_FALSE(world.sees(Decision::keep));
    CHECK_FALSE(world.advice.option());
    CHECK(world.sees(Decision::switch_option, longest));
    world.about.intent = Intent::latency;
    CHECK_FALSE(world.sees(Decision::keep));
    CHECK_FALSE(world.advice.option());
}
