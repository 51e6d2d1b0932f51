// SPDX-License-Identifier: MIT
// From scores to what is learnt: classes of equivalent layouts, folds, soft targets, temperatures,
// and the numbers that choices come to. The expected values are worked out by hand.
#include "bench/training/evaluate.hpp"
#include "bench/training/fit.hpp"
#include "bench/training/synthetic.hpp"
#include "bench/training/targets.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <map>
#include <set>

using namespace intellisched;
using synthetic::all_differ;
using synthetic::small_host;

namespace {

Case case_of(std::array<double, option_count> score, double spread,
             const Classes& same = all_differ) {
    static const proto::Sample sample;
    Case one;
    one.sample = &sample;
    one.classes = same;
    one.score = score;
    one.spread.fill(spread);
    one.best_score = *std::max_element(score.begin(), score.end());
    for (std::size_t l = 0; l < option_count; ++l) one.best[l] = score[l] == one.best_score;
    return one;
}

} // namespace

TEST_CASE("cases: equivalent layouts share the mean of their scores, and ties are all best") {
    auto sample = synthetic::make_samples({.samples = 1})[0];
    for (std::size_t l = 0; l < option_count; ++l)
        sample.set_representative(static_cast<int>(l), name_of(Knob::layout, small_host[l]));
    auto* scores = sample.mutable_scores(0);
    const double given[] = {0.8, 0.9, 0.7, 0.9, 1.1};
    for (int l = 0; l < 5; ++l) scores->set_score(l, given[l]);
    const auto cases = make_cases(std::span(&sample, 1));
    REQUIRE(cases);
    REQUIRE(cases->size() == 3);
    const Case& one = (*cases)[0];
    CHECK(one.score[2] == doctest::Approx(0.9));
    CHECK(one.score[4] == one.score[2]);
    CHECK(one.best == std::array{false, true, true, true, true});
    CHECK(one.members(option_of(Layout::node)) == 3);
    CHECK(one.members(option_of(Layout::cpu)) == 1);
    CHECK(one.regret(option_of(Layout::cpu)) == doctest::Approx(1.0 / 9));
    CHECK(one.regret(option_of(Layout::all)) == doctest::Approx(0));
}

TEST_CASE("cases: what a trial did not measure is not known, and only the rest is a target") {
    auto sample = synthetic::make_samples({.samples = 1})[0];
    for (std::size_t l = 0; l < option_count; ++l)
        sample.set_representative(static_cast<int>(l), name_of(Knob::layout, small_host[l]));
    sample.mutable_scores()->DeleteSubrange(1, 2);
    auto* scores = sample.mutable_scores(0);
    const double given[] = {NAN, 0.9, 1, NAN, NAN};
    for (int l = 0; l < 5; ++l) scores->set_score(l, given[l]);
    const auto cases = make_cases(std::span(&sample, 1));
    REQUIRE(cases);
    const Case& one = cases->front();
    CHECK_FALSE(one.complete());
    CHECK(std::isnan(one.score[0]));
    CHECK(one.score[4] == 1); // the same partition as socket
    CHECK(one.best == std::array{false, false, true, true, true});
    CHECK(std::isnan(one.regret(option_of(Layout::cpu))));
    CHECK(one.regret(option_of(Layout::core)) == doctest::Approx(0.1));
    const Targets targets = targets_of(one);
    CHECK_FALSE(targets.complete);
    CHECK(targets.trust == trust_of_trial);
    CHECK(targets.part == std::array{0.0, 1.0, 1.0 / 3, 1.0 / 3, 1.0 / 3});
    CHECK(targets.probability[2] == doctest::Approx(1.0 / 3));
    CHECK(targets.utility[1] == doctest::Approx(std::log(0.9) / 2));
    CHECK(targets.utility[3] == doctest::Approx(-std::log(0.9) / 2));
    CHECK(targets.probability[0] == 0);

    scores->set_score(1, NAN); // of one layout nothing can be learnt
    CHECK_FALSE(make_cases(std::span(&sample, 1)));
}

TEST_CASE("cases: folds never split a group, and every group has one") {
    for (const std::size_t scenarios : {2U, 20U, 21U, 57U}) {
        CAPTURE(scenarios);
        const auto made =
            synthetic::make_samples({.samples = 3 * scenarios, .scenarios = scenarios});
        const auto cases = make_cases(made);
        REQUIRE(cases);
        const auto folds = make_folds(*cases, Group::scenario, 3);
        REQUIRE(folds);
        CHECK(folds->groups == scenarios);
        CHECK(folds->count == (scenarios > 20 ? 10 : scenarios));
        std::map<std::string, std::set<unsigned>> folds_of;
        std::map<unsigned, std::set<std::string>> members;
        for (std::size_t i = 0; i < cases->size(); ++i) {
            folds_of[(*cases)[i].sample->scenario()].insert(folds->fold[i]);
            members[folds->fold[i]].insert((*cases)[i].sample->scenario());
        }
        for (const auto& [scenario, of] : folds_of) CHECK(of.size() == 1);
        CHECK(members.size() == folds->count);
        for (const auto& [fold, of] : members) CHECK(of.size() <= (scenarios + 9) / 10);
    }
    const auto made = synthetic::make_samples({.samples = 30});
    const auto cases = make_cases(made);
    CHECK(make_folds(*cases, Group::family, 3)->count == 3);
    CHECK(make_folds(*cases, Group::topology, 3)->count == 2);
    CHECK(make_folds(*cases, Group::family, 3, 2)->count == 2);
    CHECK(make_folds(*cases, Group::scenario, 3, 4)->count == 4);
}

TEST_CASE("targets: a lead within the noise is no certainty, one beyond it is") {
    // Behind by one standard error: a normal difference is above 0 in 15.4% after the logistic
    // function, 15.9% in truth.
    const double s = 0.02;
    const auto close = targets_of(case_of({1, std::exp(-s), 0.5, 0.5, 0.5}, s));
    const double odds = std::exp(-1.702);
    CHECK(close.probability[0] == doctest::Approx(1 / (1 + odds)));
    CHECK(close.probability[1] == doctest::Approx(odds / (1 + odds)));
    CHECK(close.probability[1] == doctest::Approx(0.154).epsilon(0.01));
    CHECK(close.probability[2] < 1e-9);
    // An unknown spread, or none to speak of, is taken as 0.3%.
    for (const double spread : {double{NAN}, 0.0})
        CHECK(targets_of(case_of({1, std::exp(-0.003), 0.5, 0.5, 0.5}, spread)).probability[1] ==
              doctest::Approx(odds / (1 + odds)));
}

TEST_CASE("targets: ties teach nothing, and equivalent layouts are one choice") {
    const auto tie = targets_of(case_of({1, 1, 1, 1, 1}, 0.01));
    for (std::size_t l = 0; l < option_count; ++l) {
        CHECK(tie.probability[l] == doctest::Approx(0.2));
        CHECK(tie.utility[l] == 0);
    }
    CHECK(tie.weight == doctest::Approx(0.1));
    // Two partitions and a third of three layouts: each partition has a third.
    const auto merged = targets_of(case_of({1, 1, 1, 1, 1}, 0.01, small_host));
    CHECK(merged.probability[0] == doctest::Approx(1.0 / 3));
    CHECK(merged.probability[2] == doctest::Approx(1.0 / 9));
    CHECK(merged.probability[4] == merged.probability[2]);
}

TEST_CASE("targets: utilities are ln score, clipped, about the mean of the distinct partitions") {
    const auto apart = targets_of(case_of({1, std::exp(-0.2), 0.01, 0.01, 0.01}, 0, small_host));
    CHECK(apart.utility[0] == doctest::Approx(0.3)); // (0 + 0.2 + 0.7) / 3
    CHECK(apart.utility[1] == doctest::Approx(0.1));
    CHECK(apart.utility[2] == doctest::Approx(-0.4));
    CHECK(apart.utility[4] == apart.utility[2]);
    CHECK(targets_of(case_of({1, 0, 0, 0, 0}, 0)).utility[1] == doctest::Approx(-0.7 / 5));
    // More is at stake where the worst layout is farther behind, up to 20%.
    CHECK(targets_of(case_of({1, 0.9, 1, 1, 1}, 0)).weight == doctest::Approx(0.55));
    CHECK(targets_of(case_of({1, 0.2, 1, 1, 1}, 0)).weight == doctest::Approx(1));
}

TEST_CASE("fit_temperature: the temperature undoes what made the margins too sure") {
    // In nine cases of ten the layout that is named is the best: ln(9 * 4) for the fair margin.
    std::vector<Case> cases;
    for (int i = 0; i < 10; ++i) {
        std::array<double, option_count> score{};
        score.fill(0.5);
        score[i == 0 ? 1 : 0] = 1;
        cases.push_back(case_of(score, 0));
    }
    const auto chosen = choose_cases(cases, [](std::size_t) { return true; });
    for (const double times : {0.5, 1.0, 3.0}) {
        std::vector<float> margins;
        for (int i = 0; i < 10; ++i)
            for (std::size_t l = 0; l < option_count; ++l)
                margins.push_back(l == 0 ? static_cast<float>(times * std::log(36.0)) : 0);
        CHECK(fit_temperature(margins, chosen) == doctest::Approx(times).epsilon(0.001));
    }
    CHECK(fit_temperature({}, {}) == 1);
}

TEST_CASE("prediction: equivalent layouts show one probability and one gain") {
    const std::vector<float> classifier{0, 0, 0, 0, 0};
    const std::vector<float> gains{0.1F, 0, 0.2F, 0.3F, 0.4F};
    const auto one = make_prediction(classifier, gains, 1, small_host, option_of(Layout::node));
    CHECK(one.probability[0] == doctest::Approx(0.2));
    CHECK(one.probability[2] == doctest::Approx(0.6));
    CHECK(one.expected_gain[3] == 0);
    CHECK(one.expected_gain[0] == doctest::Approx(std::exp(-0.2) - 1));
    CHECK(one.best == option_of(Layout::node)); // its class, which is the best
    CHECK(make_prediction(classifier, gains, 1, small_host, option_of(Layout::cpu)).best ==
          boot_option);
    const std::vector<float> absurd{1e5F, 0, 0, 0, 0};
    CHECK(make_prediction(classifier, absurd, 1, all_differ, option_of(Layout::all))
              .expected_gain[0] == doctest::Approx(std::exp(3) - 1));
}

TEST_CASE("evaluate: the numbers are those of the outcomes") {
    const Case ahead = case_of({1, 0.5, 0.8, 0.5, 0.5}, 0); // socket is 20% behind
    const Case behind = case_of({0.5, 0.9, 1, 0.99, 0.5}, 0);
    const auto all = summarise(
        std::array{outcome_of(ahead, option_of(Layout::cpu), 0.95),   // right
                   outcome_of(behind, option_of(Layout::core), 0.55), // 10% behind socket: harm
                   outcome_of(behind, option_of(Layout::node), 0.55), // 1% behind it: none
                   outcome_of(ahead, boot_option, 0.35)});            // stays
    CHECK(all.cases == 4);
    CHECK(all.accuracy == 0.25);
    CHECK(all.regret.mean == doctest::Approx((0.1 + 0.01 + 0.2) / 4));
    CHECK(all.regret.median == doctest::Approx(0.01));
    CHECK(all.regret.p95 == doctest::Approx(0.2));
    CHECK(all.regret.max == doctest::Approx(0.2));
    CHECK(all.default_regret == doctest::Approx(0.1));
    CHECK(all.captured == doctest::Approx(1 - 0.31 / 0.4));
    CHECK(all.harm == 0.25);
    CHECK(all.calibration[9].cases == 1);
    CHECK(all.calibration[5].cases == 2);
    CHECK(all.calibration_error == doctest::Approx((0.05 + 2 * 0.55 + 0.35) / 4));
    CHECK(all.confusion[0][0] == 1);
    CHECK(all.confusion[0][2] == 1);
    CHECK(all.confusion[2][1] == 1);
    CHECK(all.confusion[2][3] == 1);
    CHECK(summarise({}).cases == 0);
}
