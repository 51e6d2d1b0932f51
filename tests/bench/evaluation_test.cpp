// SPDX-License-Identifier: MIT
// Held-out judgement and the methods that the model has to beat, on rules whose answers are known.
#include "bench/evaluation/report.hpp"
#include "bench/evaluation/study.hpp"
#include "bench/training/synthetic.hpp"
#include "tests/support/files.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace intellisched;
using intellisched::test::contains;

namespace {

const std::vector<proto::Sample>& samples() {
    static const auto made = [] {
        auto samples = synthetic::make_samples({.samples = 300, .scenarios = 12});
        for (auto& sample : samples) // distances are to be those of the two that matter
            for (int i = 2; i < sample.features_size(); ++i) sample.set_features(i, 50);
        return samples;
    }();
    return made;
}

Learning small_learning() {
    return {.rounds = 60, .max_depth = 4, .learning_rate = 0.3, .leaf = 1};
}

double mean_regret(const Learner& learner) {
    const auto cases = make_cases(samples()).value();
    const auto half = [&](bool even) {
        return choose_cases(cases, [even](std::size_t i) { return (i / 3 % 2 == 0) == even; });
    };
    const auto test = half(false);
    const auto said = learner.learn(half(true), test);
    REQUIRE(said);
    REQUIRE(said->size() == test.size());
    std::vector<CaseOutcome> outcomes;
    for (std::size_t i = 0; i < test.size(); ++i) outcomes.push_back(judge(*test[i], (*said)[i]));
    return summarise(outcomes).regret.mean;
}

} // namespace

TEST_CASE("learners: each does what its name says") {
    const auto cases = make_cases(samples()).value();
    std::array<double, option_count> regret{};
    double count = 0;
    for (std::size_t i = 0; i < cases.size(); ++i) {
        if (i / 3 % 2 == 0) continue;
        ++count;
        for (const Option layout : all_options) regret[index(layout)] += cases[i].regret(layout);
    }
    CHECK(mean_regret(boot_default()) == doctest::Approx(regret[2] / count));
    // In the rule the middle is the safest place.
    CHECK(mean_regret(best_static()) == doctest::Approx(regret[2] / count));
    const double model = mean_regret(model_learner("model", small_learning()));
    const double linear = mean_regret(logistic_regression());
    const double near = mean_regret(nearest_neighbours());
    CHECK(linear < 0.9 * regret[2] / count);
    CHECK(near < 0.5 * regret[2] / count);
    CHECK(model < linear);
}

TEST_CASE("learners: the rules know missing values") {
    auto one = synthetic::make_samples({.samples = 1})[0];
    for (float& value : *one.mutable_features()) value = NAN;
    const auto cases = make_cases(std::span(&one, 1)).value();
    const auto all = choose_cases(cases, [](std::size_t) { return true; });
    const auto said = hand_written_rules().learn(all, all);
    REQUIRE(said);
    for (const Prediction& prediction : *said) CHECK(prediction.best == boot_option);
}

TEST_CASE("policy outcome: it stays without confidence or gain") {
    const auto made = synthetic::make_samples({.samples = 1});
    auto one = make_cases(made).value()[0];
    one.current = boot_option;
    one.classes = synthetic::all_differ;
    Prediction prediction;
    prediction.best = option_of(Layout::core);
    prediction.probability = {0, 0.6, 0.4, 0, 0};
    prediction.expected_gain = {0, 0.05, 0, 0, 0};
    CHECK(judge_cautiously(one, prediction).chosen == option_of(Layout::core));
    prediction.expected_gain[1] = 0.01;
    CHECK(judge_cautiously(one, prediction).chosen == boot_option);
    CHECK(judge_cautiously(one, prediction).confidence == 0.4);
    prediction.expected_gain[1] = 0.05;
    prediction.probability = {0.2, 0.35, 0.45, 0, 0};
    CHECK(judge_cautiously(one, prediction).chosen == boot_option);
}

TEST_CASE("repeats: what chance made the best is judged by the repeats that it was not made in") {
    const auto samples = synthetic::make_samples({.samples = 1});
    auto one = make_cases(samples).value()[0];
    CHECK(judge_repeats(one).empty());
    one.repeats = {{-0.3, 0.1, 0, -0.2, -0.2}}; // core leads by luck
    CHECK(judge_repeats(one).empty());
    one.repeats.push_back({-0.3, -0.1, 0, -0.2, -0.2});
    const auto outcomes = judge_repeats(one);
    REQUIRE(outcomes.size() == 2);
    CHECK(outcomes[0].chosen == boot_option); // by the second, judged by the first
    CHECK(outcomes[0].regret == doctest::Approx(0));
    CHECK(outcomes[1].chosen == option_of(Layout::core));
    CHECK(outcomes[1].regret == doctest::Approx(1 - std::exp(-0.1)));
    CHECK(outcomes[1].default_regret == doctest::Approx(0));
}

TEST_CASE("study: what the choices do to work, CPU time, p99 and share error") {
    auto samples = synthetic::make_samples({.samples = 1, .scenarios = 1});
    for (std::size_t l = 0; l < option_count; ++l)
        *samples[0].add_parts() = message_of(ScoreParts{
            .work = l == 0 ? std::log(1.1) : 0, .headroom = 0, .tail = 0, .share = 0.01});
    const auto cases = make_cases(samples).value();
    const std::array changed{outcome_of(cases[0], option_of(Layout::cpu), 1),
                             outcome_of(cases[0], boot_option, 1)};
    const auto figures = figures_of("some", changed);
    CHECK(figures.work() == doctest::Approx(std::sqrt(1.1) - 1));
    CHECK(figures.share() == doctest::Approx(0));
    samples[0].clear_parts(); // older ones do not say
    CHECK(std::isnan(
        figures_of("some", std::array{outcome_of(cases[0], option_of(Layout::cpu), 1)}).work()));
}

TEST_CASE("study: groups are held out whole, whatever the number of threads") {
    const auto learning = small_learning();
    StudyOptions options{.learners = {model_learner("model", learning), boot_default()}};
    // A learner that tells what it was given: nothing of the tested family may be in training.
    bool leaked = false;
    options.learners.push_back({"spy", [&](Chosen training, Chosen test) {
                                    for (const Case* unseen : test)
                                        for (const Case* seen : training)
                                            leaked |=
                                                seen->sample->family() == unseen->sample->family();
                                    return boot_default().learn(training, test);
                                }});
    const auto sections = hold_out(samples(), Group::family, options);
    REQUIRE(sections);
    REQUIRE(sections->size() == all_intents.size()); // there is no mean over intents
    CHECK_FALSE(leaked);
    const proto::EvaluationSection* section = &sections->front();
    CHECK(section->intent() == "throughput");
    CHECK(section->scenarios() == 12);
    REQUIRE(section->methods_size() == 4);
    CHECK(section->methods(0).method() == "model");
    CHECK(section->methods(0).cases() == 300);
    CHECK(section->methods(0).mean_regret() < section->methods(2).mean_regret());
    CHECK(section->methods(2).captured() == 0);
    CHECK(section->methods(2).harm() == 0);
    CHECK(section->cells_size() == 3 + 2);
    for (int i = 1; i < 3; ++i)
        CHECK(section->cells(i).figures().mean_regret() <=
              section->cells(i - 1).figures().mean_regret());
    options.learners.pop_back();
    options.jobs = 3;
    const auto again = hold_out(samples(), Group::family, options);
    REQUIRE(again);
    CHECK(again->front().methods(0).SerializeAsString() == section->methods(0).SerializeAsString());

    proto::EvaluationReport report;
    *report.add_sections() = *section;
    report.mutable_sections(0)->set_title("<script>");
    CHECK(section->methods(0).regret_error() > 0);
    CHECK(section->methods(0).regret_error() < section->methods(0).max_regret());
    auto& nothing = *report.add_sections() = *section;
    nothing.mutable_methods(0)->set_default_regret(0);
    nothing.mutable_methods(0)->set_captured(NAN);
    const page::About about{"Samples s", "2026-11-21", "simulated", "costs"};
    const std::string page = evaluation_page(report, about);
    CHECK(contains(page, "<title>What the model is worth: Samples s, 2026-11-21</title>"));
    CHECK(contains(page, "throughput: there was nothing to gain; the choices are "));
    CHECK(contains(page, "they capture "));
    CHECK(contains(page, " ± "));
    CHECK(contains(page, "class=\"interval\""));
    CHECK_FALSE(contains(page, "nan"));
    CHECK_FALSE(contains(evaluation_text(report), "nan"));
    CHECK(page.find("<script>") == std::string::npos);
    CHECK(page.find("&lt;script&gt;") != std::string::npos);
    CHECK(evaluation_text(report).find("worst by family") != std::string::npos);
}
