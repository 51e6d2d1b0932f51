// SPDX-License-Identifier: MIT
#include "src/model/intent.hpp"
#include "src/model/score.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace intellisched;

namespace {

std::array<LayoutResult, layout_count> alike() {
    std::array<LayoutResult, layout_count> results;
    for (LayoutResult& result : results) result = {{"a", {100, 50}}, {"b", {10, 20}}};
    return results;
}

double score_of(const std::vector<proto::IntentScores>& all, Intent intent, Layout layout) {
    for (const auto& one : all)
        if (one.intent() == to_string(intent)) return one.score(static_cast<int>(index(layout)));
    FAIL("no such intent");
    return 0;
}

} // namespace

TEST_CASE("score: layouts that do the same score the same") {
    const auto all = scores(alike());
    REQUIRE(all);
    REQUIRE(all->size() == all_intents.size());
    for (Intent intent : all_intents)
        for (Layout layout : all_layouts) CHECK(score_of(*all, intent, layout) == 1);
}

TEST_CASE("score: each intent sees its own figure, relative to the best layout") {
    auto results = alike();
    results[index(Layout::core)]["a"].work = 200;      // twice the work of one of two guests
    results[index(Layout::all)]["b"].wake_p99_us = 80; // four times the wait of one of two
    const auto all = scores(results);
    REQUIRE(all);
    CHECK(score_of(*all, Intent::throughput, Layout::core) == 1);
    CHECK(score_of(*all, Intent::throughput, Layout::all) == doctest::Approx(std::sqrt(0.5)));
    CHECK(score_of(*all, Intent::latency, Layout::core) == 1);
    CHECK(score_of(*all, Intent::latency, Layout::all) == doctest::Approx(0.5));
    CHECK(score_of(*all, Intent::balanced, Layout::core) == 1);
    CHECK(score_of(*all, Intent::balanced, Layout::all) ==
          doctest::Approx(std::sqrt(std::sqrt(0.5) * 0.5)));
}

TEST_CASE("score: a guest counts only where every layout has a figure for it") {
    auto results = alike();
    results[index(Layout::cpu)]["a"] = {0, 0};
    results[index(Layout::cpu)]["b"].work = 5;
    const auto all = scores(results);
    REQUIRE(all);
    CHECK(score_of(*all, Intent::throughput, Layout::cpu) == doctest::Approx(0.5));

    results[index(Layout::cpu)].erase("b");
    CHECK(scores(results).error().message == "no guest reported work under all five layouts");
}
