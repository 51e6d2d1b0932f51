// SPDX-License-Identifier: MIT
// The policy in days that were recorded under each layout.
#include "bench/days/recorded_days.hpp"
#include "tests/policy/policy_world.hpp"

#include <doctest/doctest.h>
#include <numeric>

using namespace intellisched;
using namespace intellisched::test;
using doctest::Approx;

namespace {

/// A phase of ten minutes whose model favours `core`, with windows for so many seconds of it.
bench::RecordedPhase phase_with(double utility_of_core, unsigned windows = 600) {
    bench::RecordedPhase phase{.length = 600 * second, .same = distinct, .runs = {}};
    for (const Layout layout : all_layouts) {
        World world;
        world.favoured = Layout::core;
        world.pool.in_force = {layout, no_cap};
        world.pool.current = layout;
        world.utility[index(Layout::core)] = utility_of_core;
        State& run = phase.runs[layout];
        run.pool = world.pool;
        for (unsigned i = 1; i <= windows; ++i) run.history.push_back({i * second, world.next()});
    }
    return phase;
}

double seconds(const std::array<double, layout_count>& spent) {
    return std::accumulate(spent.begin(), spent.end(), 0.0);
}

} // namespace

TEST_CASE("recorded days: a layout that is better is found, and the next phase begins with it") {
    const std::array phases{phase_with(0.1), phase_with(0.1)};
    const auto day = bench::replay(phases, Intent::balanced, {});
    CHECK(day.switches == 1);
    CHECK(day.reverts == 0);
    REQUIRE(day.trials.size() == 1);
    CHECK(day.trials[0].ending == Ending::kept_better);
    REQUIRE(day.spent.size() == 2);
    CHECK(seconds(day.spent[0]) == Approx(600));
    CHECK(day.spent[0][index(Layout::socket)] < 60);
    CHECK(day.spent[1][index(Layout::core)] == Approx(600));
}

TEST_CASE("recorded days: what does harm is gone back from") {
    const std::array phases{phase_with(-0.3)};
    const auto day = bench::replay(phases, Intent::balanced, {});
    CHECK(day.switches == 1);
    CHECK(day.reverts == 1);
    REQUIRE(day.trials.size() == 1);
    CHECK(day.trials[0].ending == Ending::reverted_harm);
    CHECK(day.spent[0][index(Layout::core)] < 30);
    CHECK(seconds(day.spent[0]) == Approx(600));
}

TEST_CASE("recorded days: other settings, another day from the same windows") {
    const std::array phases{phase_with(0.1)};
    PolicySettings settings;
    settings.switch_margins.gain = 0.2;
    settings.least_gain_part = 1;
    CHECK(bench::replay(phases, Intent::balanced, settings).switches == 0);
}

TEST_CASE("recorded days: where no windows come time passes, and a trial ends untested") {
    const std::array phases{phase_with(0.1, 42), phase_with(0.1, 0)};
    const auto day = bench::replay(phases, Intent::balanced, {});
    REQUIRE(day.trials.size() == 1);
    CHECK(day.trials[0].ending == Ending::reverted_untested);
    CHECK(seconds(day.spent[0]) == Approx(600));
    CHECK(seconds(day.spent[1]) == Approx(600));
}
