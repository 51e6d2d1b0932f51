// SPDX-License-Identifier: MIT
#include "src/policy/rate_limit_advice.hpp"

#include <doctest/doctest.h>

using namespace intellisched;

namespace {

/// A usable window in which that option promises 5% over the one in force.
Observation favouring(unsigned in_force_us, Option option) {
    Observation window{1.0, 1000, {}, 0};
    window.prediction.probability.fill(0.1);
    window.prediction.expected_gain.fill(-0.05);
    window.prediction.expected_gain[index(nearest_limit(in_force_us))] = 0;
    window.prediction.probability[index(option)] = 0.6;
    if (option != nearest_limit(in_force_us)) window.prediction.expected_gain[index(option)] = 0.05;
    return window;
}

struct World {
    RateLimitAdvice advice;
    PolicySettings settings;
    Nanoseconds now = hour;
    unsigned in_force_us = 1000;

    /// How often there is something to tell in so many seconds.
    unsigned seconds(unsigned count, Option favoured) {
        unsigned told = 0;
        for (unsigned i = 0; i < count; ++i)
            told +=
                advice.saw(favouring(in_force_us, favoured), in_force_us, now += second, settings);
        return told;
    }
};

} // namespace

TEST_CASE("rate limit advice: told once when it is sure, and once when it is over") {
    World world;
    const Option longest = all_options.back();
    CHECK(world.seconds(world.settings.switch_margins.windows - 1, longest) == 0);
    CHECK_FALSE(world.advice.recommended_us());
    CHECK(world.seconds(100, longest) == 1);
    CHECK(world.advice.recommended_us() == 10000);
    CHECK(world.advice.text("Pool-0").find("apply --pool Pool-0 --rate-limit 10000`") !=
          std::string::npos);

    // Somebody follows it: windows from before do not count, and there is nothing more to do.
    world.in_force_us = 10000;
    CHECK(world.seconds(100, longest) == 1);
    CHECK_FALSE(world.advice.recommended_us());
    CHECK(world.advice.text("Pool-0").find("10000 us is right") != std::string::npos);

    // Another load, after a while.
    CHECK(world.seconds(100, nearest_limit(300)) == 0);
    CHECK(world.seconds(200, nearest_limit(300)) == 1);
    CHECK(world.advice.recommended_us() == 300);
}

TEST_CASE("rate limit advice: unusable windows and old ones say nothing") {
    World world;
    Observation lost = favouring(1000, all_options.back());
    lost.coverage = 0.1;
    for (int i = 0; i < 100; ++i)
        CHECK_FALSE(world.advice.saw(lost, 1000, world.now += second, world.settings));
    // One window in two minutes never makes ten that are young enough.
    for (int i = 0; i < 100; ++i)
        CHECK_FALSE(world.advice.saw(favouring(1000, all_options.back()), 1000,
                                     world.now += 2 * minute, world.settings));
    CHECK(world.advice.verdict()->decision == Decision::abstain);
}
