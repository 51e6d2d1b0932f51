// SPDX-License-Identifier: MIT
// What comes of a switch: the comparison of two stretches, and every end that a trial can have.
#include "policy_world.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>

using namespace intellisched;
using namespace intellisched::test;

namespace {

/// A window with one guest, whose work is all that counts.
TrialWindow sample(double utility) {
    return {utility, -0.05, usual_load, {{7, 7, {.claim = 256, .work = utility}}}};
}

std::vector<TrialWindow> series(std::mt19937_64& random, double mean, double deviation,
                                double correlation, unsigned count = 30) {
    std::normal_distribution<double> normal(0,
                                            deviation * std::sqrt(1 - correlation * correlation));
    std::vector<TrialWindow> samples;
    double state = std::normal_distribution<double>(0, deviation)(random);
    for (unsigned i = 0; i < count; ++i) {
        samples.push_back(sample(mean + state));
        state = correlation * state + normal(random);
    }
    return samples;
}

std::vector<TrialWindow> with_load(std::vector<TrialWindow> samples, std::size_t number,
                                   double by) {
    for (TrialWindow& sample : samples) sample.workload[number] += by;
    return samples;
}

const TrialSettings defaults;

} // namespace

TEST_CASE("policy trial: Student's factor") {
    // Two-sided 5%, and one-sided 2.275% as 2 standard errors have; from tables of the
    // distribution.
    CHECK(student(1.95996, 1e9) == doctest::Approx(1.95996));
    CHECK(student(1.95996, 30) == doctest::Approx(2.0423).epsilon(0.001));
    CHECK(student(1.95996, 10) == doctest::Approx(2.2281).epsilon(0.001));
    CHECK(student(1.95996, 5) == doctest::Approx(2.5706).epsilon(0.005));
}

TEST_CASE("policy trial: windows that are correlated do not make chance a finding") {
    // Layouts that make no difference: how often one side is called better or worse. By the plain
    // standard error at a correlation of 0.6 it is a third of the trials.
    std::mt19937_64 random(7);
    for (const double correlation : {0.0, 0.3, 0.6}) {
        unsigned wrong = 0;
        for (int i = 0; i < 2000; ++i) {
            const auto before = series(random, 0, 0.05, correlation);
            const auto after = series(random, 0, 0.05, correlation);
            wrong += find(compare(before, after, Intent::balanced, defaults), defaults) !=
                     Finding::unclear;
        }
        INFO("correlation " << correlation << ": " << wrong << " of 2000");
        CHECK(wrong < 2000 * 0.08);
    }
}

TEST_CASE("policy trial: what 30 windows on either side show") {
    std::mt19937_64 random(8);
    const auto share = [&](double effect, Finding wanted) {
        unsigned found = 0;
        for (int i = 0; i < 500; ++i)
            found += find(compare(series(random, 0, 0.05, 0.2), series(random, effect, 0.05, 0.2),
                                  Intent::balanced, defaults),
                          defaults) == wanted;
        return found / 500.0;
    };
    CHECK(share(0.08, Finding::better) > 0.8);
    CHECK(share(-0.08, Finding::worse) > 0.8);
    CHECK(share(-0.25, Finding::much_worse) > 0.95);
}

TEST_CASE("policy trial: both spreads are in the comparison") {
    std::mt19937_64 random(9);
    const auto calm = series(random, 0, 0.01, 0);
    const auto wild = series(random, -0.05, 0.3, 0);
    CHECK(find(compare(calm, wild, Intent::balanced, defaults), defaults) == Finding::unclear);
    CHECK(find(compare(wild, calm, Intent::balanced, defaults), defaults) == Finding::unclear);
    CHECK(find(compare(calm, series(random, -0.05, 0.01, 0), Intent::balanced, defaults),
               defaults) == Finding::worse);
}

TEST_CASE("policy trial: another load is told from another layout") {
    std::mt19937_64 random(10);
    const auto before = series(random, 0, 0.02, 0);
    const auto better = series(random, 0.2, 0.02, 0);
    const auto worse = series(random, -0.2, 0.02, 0);
    const auto compared = [&](const std::vector<TrialWindow>& after) {
        return compare(before, after, Intent::balanced, defaults);
    };
    REQUIRE(find(compared(better), defaults) == Finding::better);
    REQUIRE(find(compared(worse), defaults) == Finding::much_worse);
    for (std::size_t number = 0; number < workload_size; ++number) {
        CHECK(find(compared(with_load(better, number, -2)), defaults) == Finding::incomparable);
        CHECK_FALSE(compared(with_load(better, number, -0.9)).load_changed);
        // A guest can make it another load: that is no cover for harm. Less demand excuses as much.
        CHECK(find(compared(with_load(worse, number, -2)), defaults) ==
              (number == 0 ? Finding::incomparable : Finding::much_worse));
    }
    // A number that jumps about proves nothing by its mean.
    auto jumpy = before, jumpy_after = better;
    for (auto* side : {&jumpy, &jumpy_after})
        for (std::size_t i = 0; i < side->size(); ++i)
            (*side)[i].workload[1] += i / 5 % 2 == 0 ? 10 : -10;
    CHECK_FALSE(
        compare(jumpy, with_load(jumpy_after, 1, 1.5), Intent::balanced, defaults).load_changed);
}

TEST_CASE("policy trial: a fall of demand excuses a loss, a rise does not, neither gives a gain") {
    std::mt19937_64 random(11);
    const auto before = series(random, 0, 0.02, 0);
    const auto worse = series(random, -0.15, 0.02, 0);
    const auto better = series(random, 0.15, 0.02, 0);
    const auto found = [&](const std::vector<TrialWindow>& after, double demand) {
        return find(compare(before, with_load(after, 0, demand), Intent::balanced, defaults),
                    defaults);
    };
    CHECK(found(worse, 0) == Finding::much_worse);
    CHECK(found(worse, -0.6) == Finding::unclear); // e^-0.15 of the demand
    CHECK(found(worse, 0.6) == Finding::much_worse);
    CHECK(found(worse, 3) == Finding::much_worse); // waiting is demand, too
    CHECK(found(better, 0) == Finding::better);
    CHECK(found(better, -0.6) == Finding::unclear);
    CHECK(found(better, 0.6) == Finding::unclear);
}

TEST_CASE("policy trial: what ends it early is large, and surer than what ends it in time") {
    const auto found = [](double difference, double error) {
        Comparison comparison;
        comparison.difference = difference;
        comparison.error = error;
        comparison.freedom = 100;
        return find(comparison, defaults);
    };
    CHECK(found(-0.15, 0.03) == Finding::much_worse);
    CHECK(found(-0.15, 0.05) == Finding::worse);
    CHECK(found(-0.09, 0.01) == Finding::worse);
    CHECK(found(-0.15, 0.1) == Finding::unclear);
}

TEST_CASE("policy trial: without noise a trifle is no difference") {
    const std::vector<TrialWindow> before(30, sample(0)), after(30, sample(-0.002));
    CHECK(find(compare(before, after, Intent::balanced, defaults), defaults) == Finding::unclear);
}

TEST_CASE("policy trial: a layout that is better is kept") {
    World world;
    world.utility[index(Layout::core)] = 0.1;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.state.of(Knob::layout).setbacks = 3;
    unsigned windows = 0;
    PoolVerdict verdict;
    do verdict = world.window(), ++windows;
    while (!verdict.trial);
    CHECK(windows == world.settings.trial.settle + world.settings.trial.early_windows);
    CHECK(verdict.trial->ending == Ending::kept_better);
    CHECK(verdict.decision == Decision::keep);
    CHECK(verdict.trial->comparison.difference == doctest::Approx(0.1).epsilon(0.2));
    CHECK(verdict.trial->promised == doctest::Approx(0.1));
    CHECK(has(verdict, "kept-better"));
    CHECK(world.state.of(Knob::layout).setbacks == 0);
}

TEST_CASE("policy trial: a layout that is worse is left") {
    World world;
    world.utility[index(Layout::core)] = -0.05;
    const PoolVerdict verdict = world.tried();
    REQUIRE(verdict.trial);
    CHECK(verdict.trial->ending == Ending::reverted_worse);
    CHECK(verdict.decision == Decision::revert);
    CHECK(verdict.target.arrangement == Arrangement{Layout::socket, no_cap});
    CHECK_FALSE(world.state.pending);
    CHECK(world.state.quarantines.size() == 1);
}

TEST_CASE("policy trial: what is there before is what is there after, with its cap") {
    World world;
    world.pool.in_force = {Layout::socket, 16};
    world.pool.boot = {Layout::node, no_cap};
    world.pool.exact = false;
    world.state = State{};
    world.feed(SetMode{Mode::automatic});
    world.read();
    world.utility[index(Layout::core)] = -0.2;
    CHECK(world.tried().target.arrangement == Arrangement{Layout::socket, 16});
}

TEST_CASE("policy trial: much harm ends it early, settling does not count") {
    World world;
    world.utility[index(Layout::core)] = -0.5;
    REQUIRE(world.switched().decision == Decision::switch_option);
    const Nanoseconds begin = world.time;
    const PoolVerdict verdict = world.windows(100);
    REQUIRE(verdict.trial);
    CHECK(verdict.trial->ending == Ending::reverted_harm);
    CHECK(world.time - begin ==
          (world.settings.trial.settle + world.settings.trial.early_windows) * second);
}

TEST_CASE("policy trial: caches that are cold after the switch are no harm") {
    World world;
    world.utility[index(Layout::core)] = -3;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.windows(world.settings.trial.settle);
    world.utility[index(Layout::core)] = 0.1;
    CHECK(world.windows(100).trial->ending == Ending::kept_better);
}

TEST_CASE("policy trial: no clear difference is kept on the prediction's word only") {
    World world;
    world.noise = 0.05;
    world.regular = true;
    REQUIRE(world.switched().decision == Decision::switch_option);
    SUBCASE("still favoured") { // prediction_for(): the old one is 5% worse
        CHECK(world.windows(100).trial->ending == Ending::kept_unclear);
    }
    SUBCASE("no longer favoured") {
        world.favoured = Layout::socket;
        CHECK(world.windows(100).trial->ending == Ending::reverted_unclear);
    }
    SUBCASE("favoured, but it leans to harm") {
        // The standard error is 0.018: 16 windows' worth of 0.05 more or less on either side.
        world.utility[index(Layout::core)] = -0.028;
        CHECK(world.windows(100).trial->ending == Ending::reverted_unclear);
    }
}

TEST_CASE("policy trial: what promised little has to lean to the good") {
    World world;
    world.noise = 0.05;
    world.regular = true;
    world.gain = 0.01;
    REQUIRE(world.switched().decision == Decision::switch_option);
    SUBCASE("it does") {
        world.utility[index(Layout::core)] = 0.005;
        CHECK(world.windows(100).trial->ending == Ending::kept_unclear);
    }
    SUBCASE("it does not, which neither prolongs the dwell nor counts for the breaker") {
        world.utility[index(Layout::core)] = -0.005;
        CHECK(world.windows(100).trial->ending == Ending::reverted_unclear);
        CHECK(world.state.of(Knob::layout).setbacks == 0);
        CHECK(world.state.reverts.empty());
        CHECK(world.state.quarantines.size() == 1);
    }
}

TEST_CASE("policy trial: another load prolongs it, and then the prediction decides") {
    World world;
    world.utility[index(Layout::core)] = 0.1;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.load[3] += 5;
    const auto old_utility = world.utility;
    world.utility.fill(0.2); // a loss would revert it, whatever the load
    PoolVerdict verdict = world.windows(35);
    CHECK(has(verdict, "trial-prolonged"));
    SUBCASE("the load comes back") {
        world.load = usual_load;
        world.utility = old_utility;
        verdict = world.windows(30);
        CHECK(verdict.trial->ending == Ending::kept_better);
    }
    SUBCASE("it stays, favoured") {
        verdict = world.windows(60);
        CHECK(verdict.trial->ending == Ending::kept_predicted);
        CHECK(world.state.quarantines.empty());
    }
    SUBCASE("it stays, not favoured") {
        world.favoured = Layout::socket;
        verdict = world.windows(60);
        CHECK(verdict.trial->ending == Ending::reverted_predicted);
        CHECK(verdict.decision == Decision::revert);
        CHECK(world.state.quarantines.empty());
        CHECK(world.state.reverts.empty());
        CHECK(world.state.of(Knob::layout).setbacks == 1);
    }
    CHECK(verdict.trial);
}

TEST_CASE("policy trial: with other guests nothing can be compared, but harm is seen") {
    World world;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.guests = 8;
    SUBCASE("no harm") {
        CHECK(world.windows(100).trial->ending == Ending::kept_predicted);
        REQUIRE(world.state.of(Knob::layout).unmeasured);
        CHECK(world.state.of(Knob::layout).unmeasured->from.arrangement ==
              Arrangement{Layout::socket, no_cap});
    }
    SUBCASE("harm") {
        world.utility[index(Layout::core)] = -1;
        const PoolVerdict verdict = world.windows(100);
        CHECK(verdict.trial->ending == Ending::reverted_changed); // from which nothing is learnt
        CHECK(verdict.decision == Decision::revert);
        CHECK(world.state.quarantines.empty());
        CHECK(world.state.of(Knob::layout).setbacks == 1);
    }
}

TEST_CASE("policy trial: a guest that comes, goes or falls idle leaves the others comparable") {
    std::mt19937_64 random(12);
    const auto sides = [&](double effect) {
        return std::pair(series(random, 0, 0.02, 0), series(random, effect, 0.02, 0));
    };
    const auto add = [](std::vector<TrialWindow>& side, std::uint64_t identity, double work) {
        for (TrialWindow& one : side)
            one.guests.push_back({identity, identity, {.claim = 200, .work = work}});
    };
    SUBCASE("one more guest, which says that all is well") {
        auto [before, after] = sides(-0.2);
        add(after, 8, 10);
        const Comparison found = compare(before, after, Intent::balanced, defaults);
        CHECK_FALSE(found.guests_changed);
        CHECK(found.difference == doctest::Approx(-0.2).epsilon(0.1));
        CHECK(find(found, defaults) == Finding::much_worse);
    }
    SUBCASE("one that wants less now is no gain and no loss of the others") {
        auto [before, after] = sides(0);
        for (auto* side : {&before, &after})
            for (TrialWindow& one : *side)
                one.guests.push_back(
                    {8, 8, {.claim = side == &before ? 250.0 : 25.0, .work = -0.5, .tail = 3}});
        const Comparison found = compare(before, after, Intent::latency, defaults);
        CHECK(std::abs(found.difference) < 0.01);
    }
    SUBCASE("one that is gone") {
        auto [before, after] = sides(0.2);
        add(before, 8, 10);
        CHECK(find(compare(before, after, Intent::balanced, defaults), defaults) ==
              Finding::better);
    }
    SUBCASE("most of what is claimed is gone") {
        auto [before, after] = sides(0.2);
        add(before, 8, 0);
        add(before, 9, 0);
        const Comparison found = compare(before, after, Intent::balanced, defaults);
        CHECK(found.guests_changed);
        CHECK(find(found, defaults) == Finding::incomparable);
    }
    SUBCASE("no guest at all") {
        CHECK(compare({}, {}, Intent::balanced, defaults).guests_changed);
    }
}

TEST_CASE("policy trial: a layout kept on a prediction alone is measured later") {
    World world;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.guests = 8;
    REQUIRE(world.windows(100).trial->ending == Ending::kept_predicted);
    PoolVerdict verdict;
    for (int i = 0; i < 4000 && verdict.decision != Decision::switch_option; ++i)
        verdict = world.window();
    REQUIRE(verdict.decision == Decision::switch_option);
    CHECK(has(verdict, "measuring"));
    CHECK(verdict.target.arrangement == Arrangement{Layout::socket, no_cap});
    SUBCASE("it is better") {
        world.utility[index(Layout::socket)] = -0.05;
        world.apply(verdict);
        verdict = world.windows(100);
        CHECK(verdict.trial->ending == Ending::reverted_worse);
        CHECK(verdict.target.arrangement == Arrangement{Layout::core, no_cap});
        CHECK(world.state.reverts.empty());
        world.apply(verdict);
        CHECK_FALSE(world.state.of(Knob::layout).unmeasured);
    }
    SUBCASE("it is worse") {
        world.utility[index(Layout::socket)] = 0.05;
        world.apply(verdict);
        verdict = world.windows(100);
        CHECK(verdict.trial->ending == Ending::kept_better);
        CHECK(verdict.decision != Decision::revert);
        CHECK(world.state.quarantines.size() == 1);
        CHECK(world.state.reverts.size() == 1);
    }
    SUBCASE("it makes no difference, or nothing can be compared") {
        world.apply(verdict);
        SUBCASE("the same guests") {}
        SUBCASE("others again") { world.guests = 9; }
        verdict = world.windows(100);
        CHECK(verdict.trial->ending == Ending::went_back);
        CHECK(verdict.decision != Decision::revert);
        CHECK(world.state.of(Knob::layout).setbacks == 1);
    }
}

TEST_CASE("policy trial: an untested layout does not stay") {
    World world;
    REQUIRE(world.switched().decision == Decision::switch_option);
    const Nanoseconds begin = world.time;
    PoolVerdict verdict;
    SUBCASE("windows that lack scores") {
        do {
            world.time += second;
            WindowSeen window = world.next();
            window.utility = std::numeric_limits<double>::infinity();
            verdict = world.feed(window);
            CHECK(has(verdict, "window-unusable"));
        } while (!verdict.trial);
    }
    SUBCASE("no windows at all") {
        do {
            world.time += second;
            verdict = world.feed(Tick{});
        } while (!verdict.trial);
    }
    CHECK(verdict.trial->ending == Ending::reverted_untested);
    CHECK(verdict.decision == Decision::revert);
    CHECK(world.time - begin <= world.settings.trial.longest + second);
    CHECK(world.state.quarantines.empty());
}

TEST_CASE("policy trial: mode, intent and topology end it") {
    World world;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.windows(3);
    PoolVerdict verdict;
    SUBCASE("mode") {
        verdict = world.feed(SetMode{Mode::off});
        CHECK(verdict.trial->ending == Ending::voided_mode);
    }
    SUBCASE("intent") {
        verdict = world.feed(SetIntent{Intent::latency});
        CHECK(verdict.trial->ending == Ending::voided_intent);
    }
    SUBCASE("topology") {
        world.pool.topology = 2;
        verdict = world.read();
        CHECK(verdict.trial->ending == Ending::voided_topology);
    }
    CHECK(verdict.decision == Decision::revert);
    CHECK(verdict.target.arrangement->layout == Layout::socket);
    CHECK(world.state.of(Knob::layout).setbacks == 0);
    CHECK(world.state.quarantines.empty());
}

TEST_CASE("policy trial: a pool that was formed anew in it has nothing to go back to") {
    World world;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.pool.topology = 2;
    world.pool.in_force = world.pool.boot;
    const PoolVerdict verdict = world.read();
    REQUIRE(verdict.trial);
    CHECK(verdict.trial->ending == Ending::voided_topology);
    CHECK(verdict.decision == Decision::keep);
}

TEST_CASE("policy trial: windows that the gate turns down do not count, and say why") {
    World world;
    world.utility[index(Layout::core)] = -0.5;
    REQUIRE(world.switched().decision == Decision::switch_option);
    for (int i = 0; i < 50; ++i) {
        world.time += second;
        WindowSeen window = world.next();
        window.observation.coverage = 0.5;
        const PoolVerdict verdict = world.feed(window);
        CHECK_FALSE(verdict.trial);
        REQUIRE(has(verdict, "window-unusable"));
        CHECK(verdict.reasons.front().text.find("records were lost") != std::string::npos);
    }
}

TEST_CASE("policy trial: a pause does not leave it open") {
    World world;
    world.utility[index(Layout::core)] = -0.5;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.feed(Pause{});
    CHECK(world.windows(100).decision == Decision::revert);
}

TEST_CASE("policy trial: somebody else's rate limit ends it, and the layout goes back") {
    World world;
    world.pool.rate_limit_us = 1000;
    world.read();
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.windows(3);
    world.pool.rate_limit_us = 5000;
    const PoolVerdict verdict = world.read();
    REQUIRE(verdict.trial);
    CHECK(verdict.trial->ending == Ending::voided_rate_limit);
    CHECK(has(verdict, "foreign-change"));
    CHECK(verdict.decision == Decision::revert);
    CHECK(verdict.target.arrangement == Arrangement{Layout::socket, no_cap});
    CHECK(world.state.of(Knob::layout).setbacks == 0);
    CHECK(world.state.quarantines.empty());
    world.apply(verdict);
    CHECK(world.windows(500).decision == Decision::keep);
    CHECK(has(world.window(), "standing-down"));
}

TEST_CASE("policy trial: somebody else's change ends it and is not undone") {
    World world;
    REQUIRE(world.switched().decision == Decision::switch_option);
    world.windows(3);
    world.pool.in_force = {Layout::all, no_cap};
    const PoolVerdict verdict = world.read();
    REQUIRE(verdict.trial);
    CHECK(verdict.trial->ending == Ending::voided_foreign);
    CHECK(verdict.decision == Decision::keep);
    CHECK(world.windows(500).decision == Decision::keep);
    CHECK(has(world.window(), "standing-down"));
}
