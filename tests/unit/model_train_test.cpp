// SPDX-License-Identifier: MIT
// From samples to choices: a rule is learnt, the same input gives the same bytes, equivalent
// layouts are one choice, and samples that nothing can be learnt from are refused.
#include "src/model/classifier.hpp"
#include "src/model/train.hpp"
#include "tests/unit/model_synthetic.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace intellisched;
using synthetic::all_differ;
using synthetic::small_host;

namespace {

const std::vector<proto::Sample>& samples() {
    static const auto made = synthetic::make_samples();
    return made;
}

const Bundle& trained() {
    static const Bundle bundle = train(samples(), synthetic::small_options()).value();
    return bundle;
}

Classifier classifier() { return Classifier::load(trained()).value(); }

Prediction ask(const Classifier& model, float first, float second, Intent intent, Layout current,
               const Representatives& representatives) {
    const auto features = synthetic::features(first, second);
    auto prediction = model.predict({&features, intent, current, representatives});
    REQUIRE(prediction);
    return *prediction;
}

std::string error_of(std::vector<proto::Sample> bad,
                     TrainOptions options = synthetic::small_options()) {
    const auto result = train(bad, options);
    if (result) return "no error";
    CHECK(result.error().message.find('\n') == std::string::npos);
    return result.error().message;
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("train: the rule is learnt for every intent") {
    const auto model = classifier();
    for (const Intent intent : all_intents)
        for (const float value : {10.0F, 30.0F, 50.0F, 70.0F, 90.0F}) {
            CAPTURE(to_string(intent));
            CAPTURE(value);
            // The features pull into different directions, so the intent must count as well.
            const float first = intent == Intent::latency ? 95 : value;
            const float second = intent == Intent::latency ? value : 95;
            const auto prediction = ask(model, first, second, intent, Layout::socket, all_differ);
            CHECK(prediction.best == synthetic::best_layout(intent, first, second));
            CHECK(prediction.probability[index(prediction.best)] > 0.3);
        }
}

TEST_CASE("train: probabilities are a distribution, and equivalent layouts are one choice") {
    const auto model = classifier();
    for (const float value : {5.0F, 35.0F, 55.0F, 95.0F}) {
        const auto apart = ask(model, value, 50, Intent::throughput, Layout::socket, all_differ);
        double sum = 0;
        for (const double p : apart.probability) sum += p;
        CHECK(sum == doctest::Approx(1).epsilon(1e-5));

        const auto merged = ask(model, value, 50, Intent::throughput, Layout::socket, small_host);
        sum = merged.probability[0] + merged.probability[1] + merged.probability[2];
        CHECK(sum == doctest::Approx(1).epsilon(1e-5));
        CHECK(merged.probability[2] ==
              doctest::Approx(apart.probability[2] + apart.probability[3] + apart.probability[4]));
        CHECK(merged.probability[3] == merged.probability[2]);
        CHECK(merged.probability[4] == merged.probability[2]);
        CHECK(merged.probability[0] == apart.probability[0]);
    }
}

TEST_CASE(
    "train: the gain over the current layout is 0 for it and its equals, above 0 for better") {
    const auto model = classifier();
    for (const Layout current : all_layouts) {
        CAPTURE(to_string(current));
        const auto apart = ask(model, 10, 50, Intent::throughput, current, all_differ);
        CHECK(apart.expected_gain[index(current)] == 0);
        CHECK(apart.best == Layout::cpu);
        if (current > Layout::core) CHECK(apart.expected_gain[0] > 0.1);
        const auto merged = ask(model, 10, 50, Intent::throughput, current, small_host);
        CHECK(merged.expected_gain[index(current)] == 0);
        CHECK(merged.expected_gain[2] == merged.expected_gain[3]);
        CHECK(merged.expected_gain[2] == merged.expected_gain[4]);
        // A class is worth the mean of its members.
        const auto from_cpu = ask(model, 10, 50, Intent::throughput, Layout::cpu, all_differ);
        const auto small_from_cpu = ask(model, 10, 50, Intent::throughput, Layout::cpu, small_host);
        CHECK(small_from_cpu.expected_gain[3] ==
              doctest::Approx((from_cpu.expected_gain[2] + from_cpu.expected_gain[3] +
                               from_cpu.expected_gain[4]) /
                              3));
        if (current >= Layout::socket)
            for (std::size_t l = 2; l < layout_count; ++l) CHECK(merged.expected_gain[l] == 0);
    }
}

TEST_CASE("train: within the best class the current layout is the best") {
    const auto model = classifier();
    for (const Layout current : {Layout::socket, Layout::node, Layout::all})
        CHECK(ask(model, 55, 50, Intent::throughput, current, small_host).best == current);
    CHECK(ask(model, 55, 50, Intent::throughput, Layout::cpu, small_host).best == Layout::socket);
    const Representatives one_partition{};
    const auto all_one = ask(model, 5, 50, Intent::throughput, Layout::node, one_partition);
    CHECK(all_one.best == Layout::node);
    CHECK(all_one.probability[0] == doctest::Approx(1).epsilon(1e-5));
}

TEST_CASE("train: features outside of what was seen are counted, missing ones are not") {
    const auto model = classifier();
    const auto size = static_cast<double>(feature_schema().size());
    auto features = synthetic::features(10, 50);
    const auto outside = [&] {
        return model.predict({&features, Intent::balanced, Layout::socket, all_differ})
            .value()
            .outside_training;
    };
    CHECK(outside() == 0);
    features.values[0] = 1000;
    CHECK(outside() == doctest::Approx(1 / size));
    features.values[1] = -1;
    CHECK(outside() == doctest::Approx(2 / size));
    features.values[0] = NAN;
    CHECK(outside() == doctest::Approx(1 / size));
    features.values[0] = INFINITY;
    CHECK(outside() == doctest::Approx(2 / size));
    features.values.pop_back();
    CHECK_FALSE(model.predict({&features, Intent::balanced, Layout::socket, all_differ}));
    CHECK_FALSE(
        model.explain({&features, Intent::balanced, Layout::socket, all_differ}, Layout::cpu, 3));
}

TEST_CASE("train: the explanation names what the rule looks at") {
    const auto model = classifier();
    const auto features = synthetic::features(5, 95);
    const Question question{&features, Intent::throughput, Layout::socket, all_differ};
    const auto why = model.explain(question, Layout::cpu, 3);
    REQUIRE(why);
    REQUIRE(why->size() == 3);
    CHECK((*why)[0].feature == 0);
    CHECK((*why)[0].value == 5);
    CHECK((*why)[0].weight > 0);
    CHECK(std::fabs((*why)[0].weight) >= std::fabs((*why)[1].weight));
    const auto against = model.explain(question, Layout::all, 1);
    REQUIRE(against);
    CHECK((*against)[0].feature == 0);
    CHECK((*against)[0].weight < 0);
    // All layouts are one choice: nothing moves it.
    const auto nothing = model.explain(
        {&features, Intent::throughput, Layout::socket, Representatives{}}, Layout::cpu, 3);
    REQUIRE(nothing);
    for (const auto& part : *nothing) CHECK(std::fabs(part.weight) < 1e-5);
}

TEST_CASE("train: the same samples and seed give the same bytes, another seed others") {
    auto options = synthetic::small_options();
    const auto few = synthetic::make_samples({.samples = 90, .scenarios = 3});
    const auto first = encode_bundle(train(few, options).value()).value();
    const auto second = encode_bundle(train(few, options).value()).value();
    CHECK(first == second);
    options.seed = 2;
    CHECK(encode_bundle(train(few, options).value()).value() != first);
}

TEST_CASE("train: the summary tells what was held out") {
    const auto& summary = trained().manifest.training();
    CHECK(summary.samples() == samples().size());
    CHECK(summary.scenarios() == 8);
    CHECK(summary.rounds() == 20);
    CHECK(summary.source() == "made up by a rule");
    CHECK(summary.held_out_accuracy() > 0.8);
    CHECK(summary.held_out_regret() < 0.03);
    CHECK(summary.default_regret() >
          0.1); // socket is right in a fifth to three fifths of the cases
    CHECK(trained().manifest.id().size() == 12);
    CHECK(trained().manifest.name() == "synthetic");
}

TEST_CASE("train: held-out numbers are really held out") {
    // Scores that follow no rule can be learnt by heart but not foretold.
    const auto noise = synthetic::make_samples(
        {.samples = 150, .scenarios = 30, .with_small_hosts = false, .mislabelled = 1});
    auto options = synthetic::small_options();
    options.max_depth = 8;
    const auto outcomes = cross_validate(noise, options);
    REQUIRE(outcomes);
    const auto held_out = summarise(*outcomes);
    CHECK(held_out.cases == 450);
    CHECK(held_out.accuracy < 0.35);
    const auto bundle = train(noise, options).value();
    CHECK(bundle.manifest.training().held_out_accuracy() == doctest::Approx(held_out.accuracy));
    const auto by_heart = evaluate(Classifier::load(bundle).value(), noise);
    REQUIRE(by_heart);
    CHECK(summarise(*by_heart).accuracy > 0.8);
}

TEST_CASE("train: the table of scores is what the samples say") {
    const auto& tables = trained().manifest.score_given_best();
    REQUIRE(tables.size() == 3);
    for (const auto& table : tables)
        for (int best = 0; best < 5; ++best)
            for (int l = 0; l < 5; ++l)
                CHECK(table.given_best(best).score(best) >= table.given_best(best).score(l));
    // On the large hosts alone cpu is ahead of core by one step wherever it is best.
    const auto large = synthetic::make_samples({.with_small_hosts = false});
    const auto bundle = train(large, synthetic::small_options()).value();
    const auto& row = bundle.manifest.score_given_best(0).given_best(0);
    CHECK(row.score(0) == doctest::Approx(1));
    CHECK(row.score(1) == doctest::Approx(0.85));
    CHECK(row.score(4) == doctest::Approx(0.4));
}

TEST_CASE("train: every intent has gains of its own") {
    auto made = synthetic::make_samples({.with_small_hosts = false});
    for (auto& sample : made) // latency differs a hundredfold where throughput differs by parts
        for (double& score : *sample.mutable_scores(1)->mutable_score()) score = std::pow(score, 5);
    const auto bundle = train(made, synthetic::small_options()).value();
    const auto model = Classifier::load(bundle).value();
    const auto features = synthetic::features(5, 95); // cpu is best, for throughput and for latency
    const auto gain = [&](Intent intent) {
        const auto prediction = model.predict({&features, intent, Layout::all, all_differ}).value();
        CHECK(prediction.best == Layout::cpu);
        return prediction.expected_gain[0];
    };
    CHECK(gain(Intent::throughput) < 2);
    CHECK(gain(Intent::latency) > 5);
}

TEST_CASE("train: a layout that is never best still has a finite table") {
    auto skewed = synthetic::make_samples({.with_small_hosts = false});
    for (auto& sample : skewed)
        for (auto& scores : *sample.mutable_scores()) scores.set_score(4, 0);
    const auto bundle = train(skewed, synthetic::small_options());
    REQUIRE(bundle);
    CHECK(encode_bundle(*bundle));
    for (const auto& table : bundle->manifest.score_given_best())
        for (const double score : table.given_best(4).score()) CHECK(score > 0);
}

TEST_CASE("train: progress is told and the stop flag is heeded") {
    auto options = synthetic::small_options();
    options.rounds = 3;
    std::vector<std::size_t> seen;
    std::size_t total = 0;
    options.progress = [&](std::size_t done, std::size_t of) {
        seen.push_back(done);
        total = of;
    };
    const auto few = synthetic::make_samples({.samples = 60, .scenarios = 4});
    REQUIRE(train(few, options));
    CHECK(total == 5 * 3);
    REQUIRE(seen.size() == total);
    CHECK(seen.back() == total);
    std::atomic<bool> stop = false;
    options.stop = &stop;
    options.progress = [&](std::size_t done, std::size_t) { stop = done == 4; };
    CHECK(contains(error_of(few, options), "stopped"));
}

TEST_CASE("train: samples that nothing can be learnt from are refused, each with its reason") {
    const auto few = synthetic::make_samples({.samples = 60, .scenarios = 4});
    const auto with = [&](auto change) {
        auto bad = few;
        change(bad[7]);
        return error_of(bad);
    };
    CHECK(contains(error_of({}), "no samples"));
    CHECK(contains(error_of(synthetic::make_samples({.samples = 60, .scenarios = 1})),
                   "one scenario only"));
    CHECK(contains(with([](auto& s) { s.set_schema_version(99); }),
                   "sample 8: made with version 99"));
    CHECK(contains(with([](auto& s) { s.mutable_features()->RemoveLast(); }), "features where"));
    CHECK(contains(with([](auto& s) { s.set_features(3, INFINITY); }), "infinite"));
    CHECK(contains(with([](auto& s) { s.mutable_scores(1)->set_score(2, NAN); }), "latency"));
    CHECK(contains(with([](auto& s) { s.mutable_scores(0)->set_score(2, -0.1); }), "throughput"));
    CHECK(contains(with([](auto& s) { s.mutable_scores(0)->add_score(1); }), "throughput"));
    CHECK(contains(with([](auto& s) {
                       for (double& score : *s.mutable_scores(2)->mutable_score()) score = 0;
                   }),
                   "balanced"));
    CHECK(contains(with([](auto& s) { s.clear_scores(); }), "no scores"));
    CHECK(contains(with([](auto& s) { s.mutable_scores(0)->add_spread(0.1); }), "throughput"));
    CHECK(contains(with([](auto& s) {
                       for (int i = 0; i < 5; ++i) s.mutable_scores(0)->add_spread(i == 3 ? -1 : NAN);
                   }),
                   "throughput"));
    CHECK(contains(with([](auto& s) { s.add_costs(1); }), "costs"));
    CHECK(contains(with([](auto& s) {
                       for (int i = 0; i < 9; ++i) s.add_costs(i == 3 ? INFINITY : NAN);
                   }),
                   "costs"));
    CHECK(contains(with([](auto& s) { s.mutable_scores(0)->set_intent("speed\n"); }), "'speed?'"));
    CHECK(contains(with([](auto& s) { s.mutable_scores(0)->set_intent("latency"); }), "twice"));
    CHECK(contains(with([](auto& s) { s.clear_scenario(); }), "no scenario"));
    CHECK(contains(with([](auto& s) { s.set_current_layout("sockets"); }), "'sockets'"));
    CHECK(contains(with([](auto& s) { s.mutable_representative()->RemoveLast(); }),
                   "representatives"));
    CHECK(contains(with([](auto& s) { s.set_representative(0, "x"); }), "representatives"));
    auto one_intent = few;
    for (auto& sample : one_intent) sample.mutable_scores()->DeleteSubrange(1, 2);
    CHECK(contains(error_of(one_intent), "no sample has scores for intent latency"));
    auto options = synthetic::small_options();
    options.rounds = 0;
    CHECK(contains(error_of(few, options), "rounds"));
    options = synthetic::small_options();
    options.max_depth = 13;
    CHECK(contains(error_of(few, options), "depth"));
    options = synthetic::small_options();
    options.learning_rate = NAN;
    CHECK(contains(error_of(few, options), "learning rate"));
}

TEST_CASE("cases: equivalent layouts share the mean of their scores, and ties are all best") {
    auto sample = synthetic::make_samples({.samples = 1})[0];
    for (std::size_t l = 0; l < layout_count; ++l)
        sample.set_representative(static_cast<int>(l), std::string(to_string(small_host[l])));
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
    CHECK(one.best_count() == 4);
    CHECK(one.regret(Layout::cpu) == doctest::Approx(1.0 / 9));
    CHECK(one.regret(Layout::all) == doctest::Approx(0));
    CHECK(one.advantage() == doctest::Approx(1.0 / 9));
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
}

TEST_CASE("evaluate: the numbers are those of the outcomes") {
    Outcome good;
    good.confidence = 0.95;
    good.right = true;
    good.default_regret = 0.2;
    good.gain = 0.25;
    Outcome bad;
    bad.confidence = 0.55;
    bad.regret = 0.1;
    bad.default_regret = 0.0;
    bad.gain = -0.1;
    const auto all = summarise(std::array{good, bad});
    CHECK(all.cases == 2);
    CHECK(all.accuracy == 0.5);
    CHECK(all.regret == doctest::Approx(0.05));
    CHECK(all.default_regret == doctest::Approx(0.1));
    CHECK(all.gain == doctest::Approx(0.075));
    CHECK(all.no_harm == 0.5);
    CHECK(all.calibration[9].cases == 1);
    CHECK(all.calibration[5].cases == 1);
    CHECK(all.calibration_error == doctest::Approx((0.05 + 0.55) / 2));
    CHECK(summarise({}).cases == 0);
}
