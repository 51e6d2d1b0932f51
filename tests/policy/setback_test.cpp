// SPDX-License-Identifier: MIT
// What follows a switch that was wrong: quarantine, breaker; and what goes wrong on the way to the
// host: applies that fail, kills, reboots.
#include "policy_world.hpp"

#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::test;

namespace {

/// A world in which every layout but socket does much harm, and the model wants core.
World harmful() {
    World world;
    world.utility.fill(-0.5);
    world.utility[index(Layout::socket)] = 0;
    world.settings.dwell = 0;
    return world;
}

} // namespace

TEST_CASE("policy quarantine: for a while, twice as long each time, up to the longest") {
    const QuarantineSettings settings;
    std::vector<Quarantined> entries;
    Nanoseconds now = 5 * hour;
    const auto held = [&](Nanoseconds at) {
        return quarantined(entries, Knob::layout, option_of(Layout::core), Intent::balanced,
                           usual_load, at, settings) != nullptr;
    };
    for (const unsigned hours : {1U, 2U, 4U, 8U, 16U, 32U, 64U, 128U, 168U, 168U}) {
        CHECK_FALSE(held(now));
        quarantine(entries, Knob::layout, option_of(Layout::core), Intent::balanced, usual_load,
                   now, settings);
        CHECK(entries.size() == 1);
        CHECK(held(now + hours * hour - 1));
        now += hours * hour;
    }
    // Long after it is over it is forgotten.
    now += settings.longest + 1;
    CHECK(quarantine(entries, Knob::layout, option_of(Layout::core), Intent::balanced, usual_load,
                     now, settings)
              .times == 1);
}

TEST_CASE("policy quarantine: of that layout, intent and workload only, and of so many at most") {
    const QuarantineSettings settings;
    std::vector<Quarantined> entries;
    quarantine(entries, Knob::layout, option_of(Layout::core), Intent::balanced, usual_load, 0,
               settings);
    Workload near = usual_load, far = usual_load;
    near[2] += 0.9 * settings.near;
    far[2] += 1.1 * settings.near;
    const auto held = [&](Layout layout, Intent intent, const Workload& load) {
        return quarantined(entries, Knob::layout, option_of(layout), intent, load, hour / 2,
                           settings) != nullptr;
    };
    CHECK(held(Layout::core, Intent::balanced, near));
    CHECK_FALSE(held(Layout::core, Intent::balanced, far));
    CHECK_FALSE(held(Layout::cpu, Intent::balanced, near));
    CHECK_FALSE(held(Layout::core, Intent::latency, near));

    for (unsigned i = 1; i <= 2 * settings.most; ++i) {
        far[0] += 10;
        quarantine(entries, Knob::layout, option_of(Layout::cpu), Intent::balanced, far, i,
                   settings);
    }
    CHECK(entries.size() == settings.most);
    CHECK_FALSE(held(Layout::core, Intent::balanced, usual_load)); // it would have ended first
}

TEST_CASE("policy setback: a layout that did harm is not tried again on this load") {
    World world = harmful();
    REQUIRE(world.tried().trial->ending == Ending::reverted_harm);
    PoolVerdict verdict = world.windows(100);
    CHECK(verdict.decision == Decision::keep);
    CHECK(has(verdict, "quarantined"));
    SUBCASE("on another it is") {
        world.load[1] += 3;
        CHECK(world.windows(100).decision == Decision::switch_option);
    }
    SUBCASE("on other partitions it is") {
        world.pool.topology = 2;
        world.read();
        CHECK(world.windows(100).decision == Decision::switch_option);
    }
    SUBCASE("after the quarantine it is, and is out for twice as long") {
        const Nanoseconds until = world.time + hour;
        verdict = world.tried(4000);
        CHECK(verdict.decision == Decision::revert);
        CHECK(world.time < until + 2 * minute);
        CHECK(world.state.quarantines.front().times == 2);
        const Nanoseconds again = world.time;
        CHECK(world.windows(8000).decision == Decision::switch_option);
        CHECK(world.time >= again + 2 * hour);
    }
    SUBCASE("the second best is not blocked by it") {
        for (int i = 0; i < 60 && world.pool.in_force.layout == Layout::socket; ++i) {
            world.time += second;
            WindowSeen window = world.next();
            auto& prediction = window.observation.prediction;
            prediction.probability = {0.02, 0.6, 0.08, 0.28, 0.02};
            prediction.expected_gain = {-0.1, 0.1, 0, 0.06, -0.1};
            verdict = world.feed(window);
            if (verdict.decision == Decision::switch_option) break;
        }
        CHECK(verdict.decision == Decision::switch_option);
        CHECK(verdict.target.arrangement->layout == Layout::node);
    }
}

TEST_CASE("policy setback: layouts of one partition are in quarantine together") {
    World world = harmful();
    world.pool.same = {Layout::cpu, Layout::core, Layout::socket, Layout::node, Layout::node};
    world.read();
    world.favoured = Layout::node;
    REQUIRE(world.tried().trial->ending == Ending::reverted_harm);
    world.favoured = Layout::all;
    for (int i = 0; i < 100; ++i) {
        world.time += second;
        WindowSeen window = world.next();
        auto& prediction = window.observation.prediction;
        prediction.probability[index(Layout::node)] = 0.8;
        prediction.expected_gain[index(Layout::node)] = 0.1;
        CHECK(world.feed(window).decision != Decision::switch_option);
    }
}

TEST_CASE("policy setback: repeated reverts lead back to the boot layout, and to hands off") {
    World world = harmful();
    world.pool.boot = {Layout::all, 16};
    world.read();
    PoolVerdict verdict;
    for (const Layout layout : {Layout::cpu, Layout::core, Layout::node}) {
        CHECK(world.state.breaker_until == 0);
        world.favoured = layout;
        verdict = world.tried();
        REQUIRE(verdict.decision == Decision::revert);
    }
    CHECK(has(verdict, "breaker-tripped"));
    CHECK(verdict.target.arrangement == world.pool.boot);
    const Nanoseconds tripped = world.time;
    world.favoured = Layout::core;
    world.load[1] += 5;
    CHECK(world.windows(100).decision == Decision::keep);
    verdict = world.window();
    CHECK(has(verdict, "breaker-open"));
    REQUIRE(verdict.evidence);
    CHECK(verdict.evidence->decision == Decision::switch_option); // it still recommends
    SUBCASE("until resumed") { world.feed(Resume{}); }
    SUBCASE("for a day") {
        world.pass(tripped + world.settings.breaker_for - world.time - minute);
        CHECK(world.windows(55).decision == Decision::keep);
    }
    CHECK(world.windows(60).decision == Decision::switch_option);
}

TEST_CASE("policy setback: reverts that are far apart do not trip the breaker") {
    World world = harmful();
    for (const Layout layout : {Layout::cpu, Layout::core, Layout::node, Layout::all}) {
        world.favoured = layout;
        CHECK(world.tried().target.arrangement == Arrangement{Layout::socket, no_cap});
        world.pass(world.settings.breaker_within / 2);
    }
    CHECK(world.state.breaker_until == 0);
}

TEST_CASE("policy setback: a switch that did not come into force is no trial") {
    World world;
    const PoolVerdict asked = world.windows(40);
    REQUIRE(asked.decision == Decision::switch_option);
    SUBCASE("failed") {
        const PoolVerdict failed = world.feed(ApplyResult{asked.serial, false, "no memory"});
        REQUIRE(has(failed, "apply-failed"));
        CHECK(failed.reasons.front().text.find("no memory") != std::string::npos);
        CHECK_FALSE(failed.trial);
    }
    SUBCASE("not heard of") {
        CHECK_FALSE(world.read().trial); // it may be still on its way
        world.time += world.settings.apply_timeout;
        CHECK(has(world.feed(Tick{}), "apply-failed"));
    }
    SUBCASE("killed") { world.feed(Restarted{}); }
    const PoolVerdict read = world.read();
    REQUIRE(read.trial);
    CHECK(read.trial->ending == Ending::not_applied);
    CHECK(read.decision == Decision::keep);
    CHECK(world.state.quarantines.empty());
    CHECK(has(world.windows(60), "dwell")); // not again at once
    CHECK(has(world.feed(ApplyResult{asked.serial, true}), "late-result"));
}

TEST_CASE("policy setback: what is found in force is on trial, whatever was said of it") {
    World world;
    world.utility[index(Layout::core)] = -0.5;
    const PoolVerdict asked = world.windows(40);
    REQUIRE(asked.decision == Decision::switch_option);
    SUBCASE("said to have failed") { world.feed(ApplyResult{asked.serial, false, "read back"}); }
    SUBCASE("killed before it was told") { world.feed(Restarted{}); }
    SUBCASE("not told yet") {}
    world.pool.in_force = *asked.target.arrangement;
    CHECK(has(world.read(), "in-force"));
    CHECK(world.windows(40).trial->ending == Ending::reverted_harm);
}

TEST_CASE("policy setback: results of other requests are not this one's") {
    World world;
    const PoolVerdict asked = world.windows(40);
    REQUIRE(asked.decision == Decision::switch_option);
    CHECK(has(world.feed(ApplyResult{asked.serial + 1, true}), "late-result"));
    CHECK(world.state.pending);
    world.feed(ApplyResult{asked.serial, false, "no"});
    CHECK(has(world.feed(ApplyResult{asked.serial, true}), "late-result")); // one is enough
    CHECK(world.state.pending);
}

TEST_CASE("policy setback: after an apply the pool is read before windows count") {
    World world;
    const PoolVerdict asked = world.windows(40);
    world.pool.in_force = *asked.target.arrangement;
    CHECK(has(world.feed(ApplyResult{asked.serial, true}), "in-force"));
    CHECK(has(world.window(), "layout-unread"));
    world.read();
    CHECK(has(world.window(), "settling"));
}

TEST_CASE("policy setback: what ends a trial before the switch is in force waits for the host") {
    World world;
    const PoolVerdict asked = world.windows(40);
    PoolVerdict verdict = world.feed(SetMode{Mode::recommend});
    CHECK(verdict.decision == Decision::keep);
    CHECK_FALSE(verdict.trial);
    SUBCASE("done") {
        verdict = world.apply(asked);
        REQUIRE(verdict.trial);
        CHECK(verdict.trial->ending == Ending::voided_mode);
        CHECK(verdict.decision == Decision::revert);
        CHECK(verdict.target.arrangement->layout == Layout::socket);
    }
    SUBCASE("failed") {
        world.feed(ApplyResult{asked.serial, false, "no"});
        CHECK(world.read().trial->ending == Ending::not_applied);
    }
}

TEST_CASE("policy setback: a revert that fails is tried again, at growing intervals") {
    World world = harmful();
    REQUIRE(world.switched().decision == Decision::switch_option);
    PoolVerdict verdict = world.windows(40);
    REQUIRE(verdict.decision == Decision::revert);
    Nanoseconds interval = world.settings.retry;
    for (int i = 0; i < 10; ++i) {
        const Nanoseconds failed = world.time;
        const auto serial = verdict.serial;
        world.feed(ApplyResult{serial, false, "no"});
        do {
            world.time += second;
            verdict = world.feed(Tick{});
        } while (verdict.decision != Decision::revert && world.time < failed + 2 * hour);
        CHECK(verdict.decision == Decision::revert);
        CHECK(verdict.target.arrangement == Arrangement{Layout::socket, no_cap});
        CHECK(verdict.serial > serial);
        CHECK(world.time - failed == interval);
        interval = std::min(2 * interval, world.settings.longest_retry);
        CHECK(has(world.window(), "apply-pending"));
    }
    world.apply(verdict);
    CHECK_FALSE(world.state.pending);
}

TEST_CASE("policy setback: after a kill an open trial is finished, an open revert is done") {
    World world = harmful();
    REQUIRE(world.switched().decision == Decision::switch_option);
    SUBCASE("while it measured") {
        world.windows(8);
        world.time += minute;
        world.feed(Restarted{});
        CHECK(has(world.window(), "layout-unread"));
        world.read();
        const PoolVerdict verdict = world.windows(40);
        REQUIRE(verdict.trial);
        CHECK(verdict.trial->ending == Ending::reverted_harm);
    }
    SUBCASE("while it went back") {
        REQUIRE(world.windows(40).decision == Decision::revert);
        world.time += minute;
        PoolVerdict verdict = world.feed(Restarted{});
        CHECK(verdict.decision == Decision::keep); // what is in force is not known
        world.time += minute;
        SUBCASE("it had not") {
            verdict = world.read();
            CHECK(verdict.decision == Decision::revert);
            CHECK(verdict.target.arrangement->layout == Layout::socket);
        }
        SUBCASE("it had") {
            world.pool.in_force = {Layout::socket, no_cap};
            CHECK(world.read().decision == Decision::keep);
        }
        SUBCASE("somebody else had another idea") {
            world.pool.in_force = {Layout::all, no_cap};
            CHECK(world.read().decision == Decision::keep);
            CHECK(world.state.stand_down_until > world.time);
        }
    }
}

TEST_CASE("policy setback: a trial that goes on after a kill measures anew") {
    World world;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.utility[index(Layout::core)] = -0.05;
    world.windows(25);
    world.time += world.settings.trial.longest;
    CHECK_FALSE(world.feed(Restarted{}).trial);
    world.read();
    world.utility[index(Layout::core)] = -3; // caches are cold again, for all that is known
    unsigned windows = 0;
    PoolVerdict verdict;
    do {
        verdict = world.window();
        if (++windows == world.settings.trial.settle) world.utility[index(Layout::core)] = 0.1;
    } while (!verdict.trial);
    CHECK(verdict.trial->ending == Ending::kept_better);
    CHECK(windows == world.settings.trial.settle + world.settings.trial.early_windows);
}

TEST_CASE("policy setback: by hand the reverts so far are forgotten, too") {
    World world = harmful();
    for (const Layout layout : {Layout::cpu, Layout::core, Layout::node}) {
        world.feed(Resume{});
        world.favoured = layout;
        REQUIRE(world.tried().decision == Decision::revert);
    }
    CHECK(world.state.breaker_until == 0);
}

TEST_CASE("policy setback: a reboot ends the trial; quarantines and dwell go on in the new clock") {
    World world = harmful();
    REQUIRE(world.tried().decision == Decision::revert);
    const Nanoseconds left = world.state.quarantines.front().until - world.time;
    world.favoured = Layout::node;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.state.stand_down_until = world.time + hour;
    world.state.breaker_until = world.time + 2 * hour;
    const Nanoseconds passed = 20 * second;
    world.time += passed;
    world.feed(Tick{});
    world.time = 30 * second;
    world.pool.in_force = world.pool.boot;
    PoolVerdict verdict = world.feed(Restarted{true});
    REQUIRE(verdict.trial);
    CHECK(verdict.trial->ending == Ending::voided_reboot);
    CHECK(verdict.decision == Decision::keep);
    CHECK(world.state.now == world.time);
    CHECK(world.state.of(Knob::layout).changed_at == world.time - passed);
    CHECK(world.state.stand_down_until == world.time + hour - passed);
    CHECK(world.state.breaker_until == world.time + 2 * hour - passed);
    CHECK(world.state.quarantines.front().until < world.time + left);
    CHECK(world.state.quarantines.front().until > world.time + left - 2 * minute);
    CHECK(world.state.switches.size() == 2);
    verdict = world.read();
    CHECK_FALSE(has(verdict, "foreign-change"));
}

TEST_CASE(
    "policy: a stop that gives back what was booted ends the trial, and is no change by others") {
    World world;
    REQUIRE(world.switched().decision == Decision::switch_option);
    PoolVerdict verdict = world.feed(Leaving{});
    REQUIRE(verdict.trial);
    CHECK(verdict.trial->ending == Ending::voided_stop);
    CHECK(has(verdict, "leaving"));
    CHECK(verdict.decision == Decision::keep); // the caller does it
    world.pool.in_force = world.pool.boot;
    world.feed(Restarted{});
    CHECK_FALSE(has(world.read(), "foreign-change"));
    CHECK(world.state.stand_down_until == 0);
}

TEST_CASE("policy: a pool that is gone has no trial, and another of its name begins anew") {
    World world;
    bool applied = true;
    SUBCASE("in force") {}
    SUBCASE("asked for") { applied = false; }
    if (applied)
        REQUIRE(world.switched().decision == Decision::switch_option);
    else
        REQUIRE(world.windows(60).decision == Decision::switch_option);
    PoolVerdict verdict = world.feed(PoolGone{});
    REQUIRE(verdict.trial);
    CHECK(verdict.trial->ending == Ending::voided_gone);
    CHECK(has(verdict, "pool-gone"));
    CHECK(verdict.decision == Decision::keep); // there is nothing to go back on
    CHECK_FALSE(world.state.pending);
    if (!applied) {
        verdict = world.feed(ApplyResult{world.state.serial, true});
        CHECK(has(verdict, "late-result"));
    }
    CHECK(has(world.window(), "no-pool"));
    world.pool.in_force = world.pool.boot;
    verdict = world.read();
    CHECK_FALSE(has(verdict, "foreign-change"));
    CHECK_FALSE(verdict.trial);
}
