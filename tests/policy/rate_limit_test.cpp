// SPDX-License-Identifier: MIT
// The policy with a second knob: the rate limit, alone and beside the layout.
#include "policy_world.hpp"
#include "src/policy/state_message.hpp"

#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::test;

namespace {

constexpr Option long_limit{4}; // 10000 us

/// A pool that tells its rate limit, and a model that favours a longer one.
World with_limit(Mode mode = Mode::automatic) {
    World world(mode);
    world.pool.rate_limit_us = default_rate_limit_us;
    world.read();
    world.favoured = Layout::socket;
    world.favoured_limit = long_limit;
    return world;
}

} // namespace

TEST_CASE("policy rate limit: it is tried, kept where it is better, and left alone after that") {
    World world = with_limit();
    world.limit_utility[index(long_limit)] = 0.1;
    const PoolVerdict asked = world.switched();
    REQUIRE(asked.decision == Decision::switch_option);
    CHECK(asked.target == Change{.rate_limit_us = 10'000});
    CHECK(has(asked, "better-rate-limit"));
    const PoolVerdict ended = world.windows(60);
    REQUIRE(ended.trial);
    CHECK(ended.trial->ending == Ending::kept_better);
    CHECK(ended.trial->knob == Knob::rate_limit);
    CHECK(ended.trial->from == Change{.rate_limit_us = 1000});
    CHECK(world.windows(200).decision == Decision::keep);
}

TEST_CASE("policy rate limit: a clear gain ends its trial early, after a short settling") {
    World world = with_limit();
    world.limit_utility[index(long_limit)] = 0.3;
    REQUIRE(world.switched().decision == Decision::switch_option);
    const Nanoseconds begun = world.time;
    REQUIRE(world.windows(60).trial);
    const TrialSettings trial = world.settings.trial_of(Knob::rate_limit);
    CHECK(trial.settle < world.settings.trial.settle);
    CHECK(world.time - begun <= (trial.settle + trial.early_windows) * second);
}

TEST_CASE("policy rate limit: one that harms goes back and is not tried again on that load") {
    World world = with_limit();
    world.limit_utility[index(long_limit)] = -0.3;
    const PoolVerdict ended = world.tried();
    REQUIRE(ended.trial);
    CHECK(ended.trial->ending == Ending::reverted_harm);
    CHECK(ended.target == Change{.rate_limit_us = 1000});
    CHECK(world.pool.rate_limit_us == 1000u);
    REQUIRE(world.state.quarantines.size() == 1);
    CHECK(world.state.quarantines[0].knob == Knob::rate_limit);
    CHECK(world.state.quarantines[0].option == long_limit);
    CHECK(world.windows(1000).decision == Decision::keep);
}

TEST_CASE("policy rate limit: it needs no hypervisor that rearranges, and the layout does") {
    World world = with_limit();
    world.pool.can_rearrange = false;
    world.favoured = Layout::core;
    world.read();
    const PoolVerdict asked = world.switched();
    CHECK(asked.target == Change{.rate_limit_us = 10'000});
}

TEST_CASE("policy rate limit: of two promises it is the first to be tried, one at a time") {
    World world = with_limit();
    world.favoured = Layout::core;
    world.limit_utility[index(long_limit)] = 0.1;
    world.utility[index(Layout::core)] = 0.1;
    const PoolVerdict first = world.switched();
    CHECK(first.target == Change{.rate_limit_us = 10'000});
    REQUIRE(world.windows(60).trial);
    const PoolVerdict second_one = world.switched(80);
    CHECK(second_one.target == Change{.arrangement = Arrangement{Layout::core, no_cap}});
}

TEST_CASE("policy rate limit: bounds and the key that leaves it alone are kept") {
    World world = with_limit();
    SUBCASE("left alone") {
        world.settings.tune_rate_limit = false;
        const PoolVerdict verdict = world.windows(40);
        CHECK(verdict.decision == Decision::recommend);
        CHECK(verdict.target == Change{.rate_limit_us = 10'000});
        CHECK(has(verdict, "rate-limit-kept"));
        CHECK(has(verdict, "better-rate-limit"));
    }
    SUBCASE("not above") { world.settings.highest_rate_limit_us = 3000; }
    SUBCASE("mode recommend") {
        world.feed(SetMode{Mode::recommend});
        const PoolVerdict verdict = world.windows(40);
        REQUIRE(verdict.of_rate_limit);
        CHECK(verdict.of_rate_limit->option == long_limit);
        CHECK(verdict.decision == Decision::recommend);
    }
    SUBCASE("not told") {
        world.pool.rate_limit_us.reset();
        world.read();
    }
    CHECK(world.windows(200).decision != Decision::switch_option);
}

TEST_CASE("policy rate limit: somebody else's is respected, before, in and after a trial") {
    World world = with_limit();
    SUBCASE("before") {
        world.windows(5);
        world.pool.rate_limit_us = 500;
        CHECK(has(world.read(), "foreign-change"));
    }
    SUBCASE("in the trial") {
        REQUIRE(world.switched().decision == Decision::switch_option);
        world.windows(5);
        world.pool.rate_limit_us = 500;
        const PoolVerdict verdict = world.read();
        REQUIRE(verdict.trial);
        CHECK(verdict.trial->ending == Ending::voided_foreign);
        CHECK(verdict.decision != Decision::revert);
    }
    SUBCASE("the layout, in the trial: the limit goes back, the layout stays") {
        REQUIRE(world.switched().decision == Decision::switch_option);
        world.windows(5);
        world.pool.in_force = {Layout::node, no_cap};
        const PoolVerdict verdict = world.read();
        REQUIRE(verdict.trial);
        CHECK(verdict.trial->ending == Ending::voided_layout);
        REQUIRE(verdict.decision == Decision::revert);
        CHECK(verdict.target == Change{.rate_limit_us = 1000});
        world.apply(verdict);
        CHECK(world.pool.in_force.layout == Layout::node);
    }
    CHECK(world.state.stand_down_until > world.time);
    CHECK(world.windows(200).decision != Decision::switch_option);
}

TEST_CASE("policy rate limit: a restart in the trial goes on with it, and what was asked for") {
    World world = with_limit();
    world.limit_utility[index(long_limit)] = 0.1;
    REQUIRE(world.windows(40).decision == Decision::switch_option);
    const auto restored = state_of(message_of(world.state));
    REQUIRE_MESSAGE(restored, restored.error().message);
    world.state = *restored;
    world.feed(Restarted{false});
    SUBCASE("it was done") {
        world.pool.rate_limit_us = 10'000;
        world.read();
        const PoolVerdict ended = world.windows(60);
        REQUIRE(ended.trial);
        CHECK(ended.trial->ending == Ending::kept_better);
    }
    SUBCASE("it was not") {
        const PoolVerdict ended = world.read();
        REQUIRE(ended.trial);
        CHECK(ended.trial->ending == Ending::not_applied);
    }
}

TEST_CASE("policy rate limit: the breaker gives back what there was before the trial") {
    World world = with_limit();
    world.pool.boot = {Layout::socket, 16};
    world.read();
    world.utility.fill(-0.3);
    world.utility[index(Layout::socket)] = 0;
    world.limit_utility.fill(-0.3);
    world.limit_utility[index(boot_option)] = 0;
    PoolVerdict verdict;
    for (const Option limit : {long_limit, Option{3}, Option{0}}) {
        world.favoured_limit = limit;
        verdict = world.tried(2000);
        REQUIRE(verdict.decision == Decision::revert);
    }
    CHECK(has(verdict, "breaker-tripped"));
    CHECK(verdict.target == Change{.rate_limit_us = 1000});
    CHECK(world.state.breaker_until > world.time);
}

TEST_CASE("policy rate limit: a reading that does not tell it loses neither trial nor owner") {
    World world = with_limit();
    world.limit_utility[index(long_limit)] = -0.3;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.pool.rate_limit_us.reset();
    world.read();
    CHECK(has(world.window(), "layout-unread"));
    SUBCASE("the trial goes on") {
        world.pool.rate_limit_us = 10'000;
        world.read();
        const PoolVerdict ended = world.windows(60);
        REQUIRE(ended.trial);
        CHECK(ended.target == Change{.rate_limit_us = 1000});
    }
    SUBCASE("somebody's change is seen") {
        world.pool.rate_limit_us = 500;
        CHECK(has(world.read(), "foreign-change"));
    }
}

TEST_CASE("policy rate limit: what the settings no longer allow goes back") {
    World world = with_limit();
    REQUIRE(world.switched().decision == Decision::switch_option);
    SUBCASE("left alone") { world.settings.tune_rate_limit = false; }
    SUBCASE("bounded") { world.settings.highest_rate_limit_us = 3000; }
    const PoolVerdict verdict = world.window();
    REQUIRE(verdict.trial);
    CHECK(verdict.trial->ending == Ending::voided_mode);
    CHECK(verdict.target == Change{.rate_limit_us = 1000});
}

TEST_CASE("policy rate limit: it is somebody's, too, when the CPUs changed at the same time") {
    World world = with_limit();
    ++world.pool.topology;
    world.pool.rate_limit_us = 500;
    CHECK(has(world.read(), "foreign-change"));
    CHECK(world.state.stand_down_until > world.time);
}

TEST_CASE("policy rate limit: a guest's own choice of long requests is bounded in a trial") {
    std::vector<TrialWindow> before, after;
    for (int i = 0; i < 30; ++i) {
        const double noise = i % 2 == 0 ? 0.01 : -0.01;
        const auto window = [&](double tail) {
            // 95% of the claims only compute.
            return TrialWindow{.utility = 0,
                               .gain_back = 0,
                               .workload = usual_load,
                               .guests = {{1, 1, {.claim = 5, .work = 0.0, .tail = tail}},
                                          {2, 2, {.claim = 95, .work = noise}}}};
        };
        before.push_back(window(0.3));
        after.push_back(window(8));
    }
    const Comparison found = compare(before, after, Intent::latency, {});
    CHECK(found.difference > -0.02);
    CHECK(found.difference < 0);
}

TEST_CASE("policy rate limit: windows of another limit are of no use") {
    World world = with_limit();
    WindowSeen window = world.next();
    window.rate_limit_us = 3000;
    CHECK(has(world.feed(window), "other-rate-limit"));
    CHECK(world.state.history.empty());
}

TEST_CASE("policy rate limit: a state of version 2, of a layout on trial, is taken over") {
    World world;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.windows(5);
    proto::PolicyState old = message_of(world.state);
    old.set_version(2);
    proto::PolicyTrial& trial = *old.mutable_trial();
    *trial.mutable_from_2() = trial.from().arrangement();
    *trial.mutable_to_2() = trial.to().arrangement();
    trial.set_from_layout_2("socket");
    trial.set_to_layout_2("core");
    trial.clear_from();
    trial.clear_to();
    old.set_changed_at_2(old.knobs(0).changed_at());
    old.set_setbacks_2(3);
    old.clear_knobs();
    const auto state = state_of(old);
    REQUIRE_MESSAGE(state, state.error().message);
    REQUIRE(state->trial);
    CHECK(state->trial->knob == Knob::layout);
    CHECK(state->trial->to == world.state.trial->to);
    CHECK(state->trial->to_option == option_of(Layout::core));
    CHECK(state->trial->after.empty()); // of another live score
    CHECK(state->of(Knob::layout).setbacks == 3);
    CHECK(state->of(Knob::layout).changed_at == world.state.of(Knob::layout).changed_at);
}
