// SPDX-License-Identifier: MIT
#include "src/policy/judge.hpp"

#include <doctest/doctest.h>
#include <limits>

using namespace intellisched;

namespace {

constexpr Representatives distinct{Layout::cpu, Layout::core, Layout::socket, Layout::node,
                                   Layout::all};

Observation window(std::array<double, layout_count> probability,
                   std::array<double, layout_count> gain, Layout best) {
    Observation one{1.0, 1000, {}, 0};
    one.prediction.probability = probability;
    one.prediction.expected_gain = gain;
    one.prediction.best = option_of(best);
    return one;
}

const Observation for_core =
    window({0.1, 0.7, 0.1, 0.05, 0.05}, {0.0, 0.08, 0.0, -0.01, -0.02}, Layout::core);
const Observation for_socket =
    window({0.1, 0.2, 0.6, 0.05, 0.05}, {-0.03, -0.01, 0.0, -0.01, -0.02}, Layout::socket);

bool has(const Verdict& verdict, std::string_view code) {
    return std::any_of(verdict.reasons.begin(), verdict.reasons.end(),
                       [&](const Reason& reason) { return reason.code == code; });
}

Verdict verdict_on(std::vector<Observation> windows, const Representatives& same = distinct) {
    return judge(windows, Knob::layout, boot_option, classes_of(same));
}

} // namespace

TEST_CASE("policy: a window in which some CPU is hardly ever without a loss is not used") {
    Observation blind = for_core;
    blind.coverage = 0.94;
    blind.cleared = 0.01;
    const auto lost = verdict_on({blind, blind, blind});
    CHECK(lost.decision == Decision::abstain);
    CHECK(has(lost, "records-lost"));
    blind.disordered = 1;
    CHECK(has(verdict_on({blind, blind, blind}), "clocks-differ"));
    blind.cleared = 0.5;
    CHECK(verdict_on({blind, blind, blind}).decision == Decision::switch_option);
}

TEST_CASE("policy: sure, agreed and worth it is a switch") {
    const auto verdict = verdict_on({for_core, for_core, for_core, for_core});
    CHECK(verdict.decision == Decision::switch_option);
    CHECK(verdict.option == option_of(Layout::core));
    CHECK(verdict.mean.probability[index(Layout::core)] == doctest::Approx(0.7));
    CHECK(has(verdict, "better-layout"));
}

TEST_CASE("policy: the reason agrees with the table beside it, and says what decides") {
    // By number: core gains most, node is the most probable, socket is in force.
    auto one = window({0.1, 0.3, 0.2, 0.35, 0.05}, {0, 0.08, 0, 0.02, 0}, Layout::core);
    const auto why = [&] { return verdict_on({one, one, one}).reasons.back().text; };
    CHECK(why() ==
          "core has the highest expected gain, +8.0% over socket, and is better in 100% of "
          "3 windows; it has 60% of the probability that one of these two is the best "
          "(30.0% against socket's 20.0%); node is the best with a higher probability, "
          "35.0%, but the expected gain decides");
    one.prediction.probability = {0.1, 0.15, 0.35, 0.35, 0.05};
    CHECK(why() ==
          "core has the highest expected gain, +8.0%, but only 30% of the probability that "
          "one of these two is the best (15.0% against socket's 35.0%); 50% are needed to "
          "switch");
    one.prediction.probability = {0.05, 0.6, 0.2, 0.1, 0.05};
    one.prediction.expected_gain = {0, 0.005, 0, 0.002, 0};
    CHECK(why() == "core has the highest expected gain, +0.5%; a switch needs +1.0%");
    one.prediction.expected_gain = {-0.1, -0.1, 0, -0.1, -0.1};
    CHECK(why() == "no layout has a higher expected gain than the current one, socket; core is the "
                   "best with a higher probability, 60.0%, but the expected gain decides");
    auto other = one;
    other.prediction.expected_gain[index(Layout::core)] = 0.5;
    CHECK(verdict_on({one, other, one}).reasons.back().text ==
          "core has the highest expected gain, +10.0%, but is better than socket in 33% of the "
          "windows only; 60% are needed to switch");
}

TEST_CASE("policy: layouts as good as the favourite do not speak for the current one") {
    auto first = for_core;
    first.prediction.best = option_of(Layout::core);
    first.prediction.probability = {0.35, 0.36, 0.1, 0.1, 0.09};
    first.prediction.expected_gain = {0.07, 0.08, 0, 0, 0};
    auto second = first;
    second.prediction.best = option_of(Layout::cpu);
    second.prediction.expected_gain = {0.08, 0.07, 0, 0, 0};
    const auto verdict = verdict_on({first, second, first, second, first});
    CHECK(verdict.decision == Decision::switch_option);
    CHECK(verdict.option == option_of(Layout::core));
    CHECK(verdict.agreement == 1);
}

TEST_CASE("policy: the current layout being best is a keep") {
    const auto verdict = verdict_on({for_socket, for_socket, for_socket});
    CHECK(verdict.decision == Decision::keep);
    CHECK(verdict.option == option_of(Layout::socket));
    CHECK(has(verdict, "current-is-best"));
}

TEST_CASE("policy: each guard alone keeps the layout and says so") {
    SUBCASE("windows that disagree") {
        auto weak = for_core;
        weak.prediction.probability = {0.05, 0.9, 0.05, 0, 0};
        const auto verdict = verdict_on({weak, for_socket, weak, for_socket});
        CHECK(verdict.favourite == option_of(Layout::core));
        CHECK(verdict.decision == Decision::keep);
        CHECK(verdict.option == option_of(Layout::socket));
        CHECK(has(verdict, "windows-disagree"));
    }
    SUBCASE("unsure") {
        auto unsure = for_core;
        unsure.prediction.probability = {0.1, 0.3, 0.4, 0.1, 0.1};
        CHECK(has(verdict_on({unsure, unsure, unsure}), "unsure"));
    }
    SUBCASE("a small gain") {
        auto small = for_core;
        small.prediction.expected_gain[index(Layout::core)] = 0.005;
        const auto verdict = verdict_on({small, small, small});
        CHECK(verdict.decision == Decision::keep);
        CHECK(has(verdict, "small-gain"));
    }
}

TEST_CASE("policy: too little input is no verdict") {
    CHECK(verdict_on({}).decision == Decision::abstain);
    CHECK(has(verdict_on({for_core, for_core}), "too-few-windows"));

    auto lossy = for_core;
    lossy.coverage = 0.5;
    const auto verdict = verdict_on({for_core, lossy, lossy, lossy});
    CHECK(verdict.decision == Decision::abstain);
    CHECK(verdict.windows == 1);
    CHECK(has(verdict, "records-lost"));

    auto idle = for_core;
    idle.decisions = 3;
    CHECK(has(verdict_on({idle, idle, idle}), "too-little-data"));
    idle.decisions = 1;
    const std::string text = verdict_on({idle}).reasons.front().text;
    CHECK_MESSAGE(text.find("only 1 scheduling decision was seen") != std::string::npos, text);

    auto mixed = for_core;
    mixed.rearrangements = 1;
    CHECK(has(verdict_on({mixed, mixed, mixed}), "rearranged"));

    auto full = for_core;
    full.untracked = 1;
    CHECK(has(verdict_on({full, full, full}), "untracked"));

    auto strange = for_core;
    strange.prediction.outside_training = 1.1;
    CHECK(has(verdict_on({strange, strange, strange}), "outside-training"));
}

TEST_CASE("policy: why windows are not used is told once a reason, and of how many") {
    const std::vector<Reason> rejected{{"records-lost", "73% is known"},
                                       {"rearranged", "in the middle"},
                                       {"records-lost", "75% is known"}};
    const auto told = refusals(rejected, 6);
    REQUIRE(told.size() == 2);
    CHECK(told[0].text == "1 of 6 windows not used: in the middle");
    CHECK(told[1].code == "records-lost");
    CHECK(told[1].text == "2 of 6 windows not used: 75% is known");
    CHECK(refusals({}, 6).empty());
}

TEST_CASE("policy: numbers that cannot be are no input") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const double absurd : {nan, -1.0, 1e308, std::numeric_limits<double>::infinity()}) {
        auto window = for_core;
        SUBCASE("coverage") { window.coverage = absurd; }
        SUBCASE("probability") { window.prediction.probability[1] = absurd; }
        SUBCASE("outside training") { window.prediction.outside_training = absurd; }
        SUBCASE("gain") { window.prediction.expected_gain[0] = absurd == -1 ? nan : absurd; }
        const auto verdict = verdict_on({window, window, window});
        CHECK(verdict.decision == Decision::abstain);
        CHECK(has(verdict, "impossible"));
    }
}

TEST_CASE("policy: where all layouts are one partition there is nothing to choose") {
    Representatives one{};
    one.fill(Layout::cpu);
    const auto verdict = verdict_on({}, one);
    CHECK(verdict.decision == Decision::keep);
    CHECK(has(verdict, "one-partition"));
}

TEST_CASE("policy: a favourite equivalent to the current layout is no switch") {
    constexpr Representatives same{Layout::cpu, Layout::core, Layout::core, Layout::node,
                                   Layout::all};
    auto merged = for_core;
    merged.prediction.probability = {0.1, 0.8, 0.8, 0.05, 0.05};
    merged.prediction.expected_gain = {0, 0, 0, 0, 0};
    const auto verdict = verdict_on({merged, merged, merged}, same);
    CHECK(verdict.decision == Decision::keep);
    CHECK(verdict.option == option_of(Layout::socket));
}
