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
    Intent intent = Intent::balanced;

    [[nodiscard]] RateLimitAdvice::About about() const { return {in_force_us, {}, intent}; }

    /// How often there is something to tell in so many seconds.
    unsigned seconds(unsigned count, Option favoured) {
        unsigned told = 0;
        for (unsigned i = 0; i < count; ++i)
            told += advice.saw(favouring(in_force_us, favoured), about(), now += second, settings);
        return told;
    }
};

} // namespace

TEST_CASE("rate limit advice: told once when it is sure, and once when it is over") {
    World world;
    const Option longest = all_options.back();
    CHECK(world.seconds(world.settings.switch_margins.windows - 1, longest) == 0);
    CHECK_FALSE(world.advice.advised_us());
    CHECK(world.seconds(100, longest) == 1);
    CHECK(world.advice.advised_us() == 10000);
    CHECK(world.advice.text("a b", 3).find("apply --pool 3 --rate-limit 10000`") !=
          std::string::npos);
    CHECK(world.advice.text("Pool-0", 3).find("apply --pool Pool-0 --rate-limit 10000`") !=
          std::string::npos);

    // Another load: not at once, lest it changes to and fro.
    CHECK(world.seconds(100, boot_option) == 0);
    CHECK(world.advice.advised_us() == 10000);
    CHECK(world.seconds(200, boot_option) == 1);
    CHECK_FALSE(world.advice.advised_us());
    CHECK(world.advice.text("Pool-0", 3).find("1000 us is in force") != std::string::npos);
}

TEST_CASE("rate limit advice: what was seen under another limit or intent does not count") {
    World world;
    const Option longest = all_options.back();
    CHECK(world.seconds(20, longest) == 1);
    world.in_force_us = 10000; // somebody follows it
    CHECK(world.seconds(1, longest) == 0);
    CHECK_FALSE(world.advice.advised_us());
    CHECK(world.seconds(100, longest) == 0);
    world.in_force_us = 1000; // and goes back: it is told again
    CHECK(world.seconds(20, longest) == 1);
    world.intent = Intent::latency;
    CHECK(world.seconds(1, longest) == 0);
    CHECK_FALSE(world.advice.advised_us());
}

TEST_CASE("rate limit advice: unusable windows and old ones say nothing") {
    World world;
    Observation lost = favouring(1000, all_options.back());
    lost.coverage = 0.1;
    for (int i = 0; i < 100; ++i)
        CHECK_FALSE(world.advice.saw(lost, world.about(), world.now += second, world.settings));
    // One window in two minutes never makes ten that are young enough.
    for (int i = 0; i < 100; ++i)
        CHECK_FALSE(world.advice.saw(favouring(1000, all_options.back()), world.about(),
                                     world.now += 2 * minute, world.settings));
    CHECK_FALSE(world.advice.advised_us());
}
