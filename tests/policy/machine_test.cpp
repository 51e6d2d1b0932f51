// SPDX-License-Identifier: MIT
// When the machine switches, and each thing that keeps it from that.
#include "policy_world.hpp"

#include <doctest/doctest.h>
#include <limits>

using namespace intellisched;
using namespace intellisched::test;

TEST_CASE("policy machine: a better layout is asked for once there is a baseline") {
    World world;
    for (unsigned i = 1; i < world.settings.trial.windows; ++i) {
        const PoolVerdict verdict = world.window();
        CHECK(verdict.decision != Decision::switch_option);
        if (i >= world.settings.switch_margins.windows) CHECK(has(verdict, "no-baseline"));
    }
    const PoolVerdict verdict = world.window();
    CHECK(verdict.decision == Decision::switch_option);
    CHECK(verdict.target.arrangement == Arrangement{Layout::core, no_cap});
    CHECK(verdict.serial == 1);
    CHECK(has(verdict, "better-layout"));
    CHECK(has(world.window(), "apply-pending"));
}

TEST_CASE("policy machine: windows without a score are no baseline") {
    World world;
    for (int i = 0; i < 100; ++i) {
        world.time += second;
        WindowSeen window = world.next();
        window.utility = std::numeric_limits<double>::quiet_NaN();
        CHECK(world.feed(window).decision != Decision::switch_option);
    }
    CHECK(world.windows(40).decision == Decision::switch_option);
}

TEST_CASE("policy machine: guests that come and go put a switch off only where they are most") {
    World world;
    SUBCASE("the only guest is another one: no switch until most of the baseline is of it") {
        world.windows(20);
        world.guests = 8;
        world.windows(9);
        CHECK(has(world.window(), "guests-changing"));
        CHECK(world.windows(30).decision == Decision::switch_option);
    }
    SUBCASE("one of two is another one in each window") {
        PoolVerdict verdict;
        for (std::uint64_t i = 0; i < 30; ++i) {
            world.time += second;
            WindowSeen window = world.next();
            window.guests.push_back({100, 100 + i, {.claim = 200, .work = 0}});
            verdict = world.feed(window);
        }
        CHECK(verdict.decision == Decision::switch_option);
    }
}

TEST_CASE("policy machine: no switch while the load becomes another one") {
    World world;
    world.windows(20);
    world.load[1] += 5;
    world.windows(10);
    CHECK(has(world.window(), "load-changing"));
    CHECK(world.windows(60).decision == Decision::switch_option);
    REQUIRE(world.state.trial);
    for (const TrialWindow& sample : world.state.trial->before)
        CHECK(distance(sample.workload, world.load) < 1);
}

TEST_CASE("policy machine: only mode auto switches") {
    World world(Mode::recommend);
    for (int i = 0; i < 100; ++i) CHECK(world.window().decision != Decision::switch_option);
    PoolVerdict verdict = world.window();
    CHECK(verdict.decision == Decision::recommend);
    CHECK(verdict.target == Change{.arrangement = Arrangement{Layout::core, no_cap}});
    CHECK_FALSE(verdict.asks());
    CHECK(has(verdict, "mode-recommend"));
    REQUIRE(verdict.evidence);
    CHECK(verdict.evidence->option == option_of(Layout::core));

    world.feed(SetMode{Mode::observe});
    verdict = world.window();
    CHECK(verdict.decision == Decision::abstain);
    CHECK(has(verdict, "mode-observe"));

    world.feed(SetMode{Mode::off});
    verdict = world.window();
    CHECK(verdict.decision == Decision::abstain);
    CHECK(has(verdict, "mode-off"));

    world.feed(SetMode{Mode::automatic});
    CHECK(world.windows(40).decision == Decision::switch_option);
}

TEST_CASE("policy machine: paused until resumed") {
    World world;
    world.feed(Pause{});
    CHECK(world.windows(100).decision == Decision::keep);
    CHECK(has(world.window(), "paused"));
    CHECK(has(world.feed(Resume{}), "resumed"));
    CHECK(world.window().decision == Decision::switch_option);
}

TEST_CASE("policy machine: hands off where the host cannot rearrange") {
    World world;
    world.pool.can_rearrange = false;
    world.read();
    CHECK(world.windows(100).decision == Decision::recommend);
    CHECK(has(world.window(), "cannot-rearrange"));
}

TEST_CASE("policy machine: a gain that is enough to be shown is not enough to leave") {
    World world;
    world.gain = 0.015;
    world.state.of(Knob::layout).changed_at = world.time - world.settings.dwell;
    const PoolVerdict verdict = world.windows(95);
    CHECK(verdict.decision == Decision::keep);
    CHECK(has(verdict, "small-gain"));
}

TEST_CASE("policy machine: a pool that is left alone for long may try what promises less") {
    World world;
    world.state.of(Knob::layout).changed_at = world.time;
    const Nanoseconds changed = world.time;
    SUBCASE("down to a quarter") {
        world.gain = 0.006;
        PoolVerdict verdict = world.windows(1200);
        REQUIRE(verdict.decision == Decision::switch_option);
        // 0.6% is 0.3 of 2%: from 1/0.3 of the five minutes on.
        CHECK(world.time - changed == 1000 * second);
        CHECK(verdict.evidence->reasons.back().code == "better-layout");
    }
    SUBCASE("not to less") {
        world.gain = 0.0049;
        CHECK(world.windows(4000).decision == Decision::keep);
    }
}

TEST_CASE("policy machine: a layout that nobody has changed has been left alone for long") {
    World world;
    world.gain = 0.006;
    CHECK(world.windows(60).decision == Decision::switch_option);
    CHECK(world.state.trial);
}

TEST_CASE("policy machine: no switch to an equivalent layout") {
    World world;
    world.pool.same = {Layout::cpu, Layout::core, Layout::core, Layout::node, Layout::all};
    world.read();
    // Even if a model should promise a gain within one partition.
    const PoolVerdict verdict = world.windows(100);
    CHECK(verdict.decision == Decision::keep);
    CHECK(has(verdict, "equivalent"));
}

TEST_CASE("policy machine: somebody else's layout is respected for a day, or until resumed") {
    World world;
    world.windows(10);
    world.pool.in_force = {Layout::node, no_cap};
    CHECK(has(world.read(), "foreign-change"));
    world.pass(hour);
    CHECK(world.windows(100).decision == Decision::keep);
    CHECK(has(world.window(), "standing-down"));
    SUBCASE("a day") {
        world.pass(23 * hour);
        CHECK(world.switched().target.arrangement->layout == Layout::core);
    }
    SUBCASE("resumed") {
        world.feed(Resume{});
        CHECK(world.switched().target.arrangement->layout == Layout::core);
    }
}

TEST_CASE("policy machine: so is somebody else's rate limit") {
    World world;
    world.pool.rate_limit_us = 1000;
    world.read(); // told for the first time: nobody changed it
    world.windows(10);
    world.pool.rate_limit_us = 0;
    const PoolVerdict verdict = world.read();
    CHECK(has(verdict, "foreign-change"));
    CHECK(verdict.reasons.back().text == "somebody else gave the pool rate limit off");
    CHECK(world.state.history.empty());
    CHECK(world.windows(100).decision == Decision::keep);
    CHECK(has(world.window(), "standing-down"));
    world.pool.rate_limit_us.reset(); // not told any more
    CHECK(world.read().reasons.empty());
}

TEST_CASE("policy machine: who sets the rate limit that was advised is no stranger") {
    World world;
    world.pool.rate_limit_us = 1000;
    world.read();
    world.windows(10);
    world.pool.advised_limit_us = 10000;
    world.pool.rate_limit_us = 10000;
    CHECK(has(world.read(), "advice-followed"));
    CHECK(world.state.history.empty()); // what was seen under the limit before says nothing now
    CHECK(world.state.stand_down_until == 0);
    world.pool.rate_limit_us = 3000;
    CHECK(has(world.read(), "foreign-change"));
    CHECK(world.state.stand_down_until > 0);
}

TEST_CASE("policy machine: a pool made anew has the rate limit of the boot, which nobody chose") {
    World world;
    world.pool.rate_limit_us = 5000;
    world.read();
    world.pool.topology = 2;
    world.pool.rate_limit_us = 1000;
    CHECK_FALSE(has(world.read(), "foreign-change"));
    CHECK(world.state.stand_down_until == 0);
}

TEST_CASE("policy machine: a change by hand in another mode is no reason to stand down later") {
    World world(Mode::recommend);
    world.pool.in_force = {Layout::node, no_cap};
    CHECK(has(world.read(), "foreign-change"));
    world.feed(SetMode{Mode::automatic});
    world.pass(world.settings.dwell);
    CHECK(world.windows(40).decision == Decision::switch_option);
}

TEST_CASE("policy machine: windows of other layouts, of other pools and of long ago do not count") {
    World world;
    SUBCASE("another layout") {
        for (int i = 0; i < 50; ++i) {
            world.time += second;
            WindowSeen window = world.next();
            window.in_force = {Layout::node, no_cap};
            CHECK(has(world.feed(window), "other-layout"));
        }
    }
    SUBCASE("another topology") {
        world.windows(29);
        world.pool.topology = 2;
        CHECK(has(world.read(), "topology-changed"));
    }
    SUBCASE("long ago") {
        world.windows(29);
        world.pass(world.settings.window_age);
    }
    SUBCASE("another intent") {
        world.windows(29);
        world.feed(SetIntent{Intent::latency});
    }
    for (int i = 0; i < 29; ++i) CHECK(world.window().decision != Decision::switch_option);
    CHECK(world.window().decision == Decision::switch_option);
}

TEST_CASE("policy machine: before the pool is read nothing is judged") {
    World world;
    world.state = State{};
    world.feed(SetMode{Mode::automatic});
    CHECK(has(world.window(), "no-pool"));
    CHECK(world.window().decision == Decision::abstain);
}

TEST_CASE("policy machine: a pool that was formed anew is nobody's change") {
    World world;
    world.pool.boot = {Layout::all, no_cap};
    world.read();
    world.pool.topology = 2;
    world.pool.in_force = world.pool.boot;
    const PoolVerdict verdict = world.read();
    CHECK(has(verdict, "pool-anew"));
    CHECK_FALSE(has(verdict, "foreign-change"));
    CHECK(world.state.stand_down_until == 0);
}

TEST_CASE("policy machine: the dwell between switches") {
    World world;
    world.utility[index(Layout::core)] = 0.1;
    world.utility[index(Layout::node)] = 0.3;
    REQUIRE(world.switched().decision == Decision::switch_option);
    const Nanoseconds changed = world.time;
    REQUIRE(world.windows(100).trial->ending == Ending::kept_better);
    world.favoured = Layout::node;
    world.windows(100);
    CHECK(has(world.window(), "dwell"));
    CHECK(world.windows(1000).decision == Decision::switch_option);
    CHECK(world.time >= changed + world.settings.dwell);
    CHECK(world.time < changed + world.settings.dwell + 2 * second);
}

TEST_CASE("policy machine: the dwell doubles with every switch that did not last") {
    World world;
    world.utility[index(Layout::core)] = -0.5;
    world.utility[index(Layout::node)] = -0.5;
    world.utility[index(Layout::all)] = -0.5;
    world.favoured = Layout::core;
    REQUIRE(world.tried().decision == Decision::revert);
    for (const unsigned times : {2U, 4U}) {
        const Nanoseconds reverted = world.time;
        world.favoured = times == 2 ? Layout::node : Layout::all;
        REQUIRE(world.switched(5000).decision == Decision::switch_option);
        CHECK(world.time - reverted >= times * world.settings.dwell);
        CHECK(world.time - reverted < times * world.settings.dwell + 2 * second);
        const PoolVerdict verdict = world.windows(100);
        REQUIRE(verdict.decision == Decision::revert);
        world.apply(verdict);
    }
}

TEST_CASE("policy machine: the rate limit") {
    World world;
    world.settings.dwell = 0;
    world.utility[index(Layout::core)] = 0.1;
    const Nanoseconds first = world.time + 30 * second;
    for (unsigned i = 0; i < world.settings.switches_an_hour; ++i) {
        REQUIRE(world.tried().trial);
        world.favoured = i % 2 == 0 ? Layout::node : Layout::core;
        world.utility[index(world.favoured)] = 0.2 + 0.1 * i;
    }
    CHECK(has(world.windows(60), "rate-limit"));
    CHECK(world.windows(4000).decision == Decision::switch_option);
    CHECK(world.time >= first + hour);
    CHECK(world.time < first + hour + 2 * second);
}

TEST_CASE("policy machine: numbers that cannot be neither count nor hurt") {
    World world;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const double inf = std::numeric_limits<double>::infinity();
    for (const double absurd : {nan, inf, -inf, 1e308, -1e308}) {
        WindowSeen window = world.next();
        SUBCASE("coverage") { window.observation.coverage = absurd; }
        SUBCASE("probability") { window.observation.prediction.probability[1] = absurd; }
        SUBCASE("gain") { window.observation.prediction.expected_gain[1] = absurd; }
        SUBCASE("outside") { window.observation.prediction.outside_training = absurd; }
        SUBCASE("utility") { window.utility = absurd; }
        SUBCASE("workload") {
            window.workload.fill(absurd);
            window.utility = nan; // a load that cannot be told is no reason not to switch
        }
        for (int i = 0; i < 40; ++i) {
            world.time += second;
            CHECK(world.feed(window).decision != Decision::switch_option);
        }
    }
    CHECK(world.windows(80).decision == Decision::switch_option);
}

TEST_CASE("policy machine: time does not go back") {
    World world;
    world.windows(10);
    const Nanoseconds now = world.state.now;
    world.time = 0;
    world.feed(Tick{});
    CHECK(world.state.now == now);
}
