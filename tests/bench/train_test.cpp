// SPDX-License-Identifier: MIT
// From samples to choices: a rule is learnt, the same input gives the same bytes, equivalent
// layouts are one choice, and samples that nothing can be learnt from are refused.
#include "bench/training/evaluate.hpp"
#include "bench/training/fit_novelty.hpp"
#include "bench/training/synthetic.hpp"
#include "bench/training/train.hpp"
#include "src/model/classifier.hpp"
#include "src/model/sample.hpp"
#include "tests/support/files.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::test;
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

Prediction ask(const Classifier& model, float first, float second, Intent intent, Option current,
               const Classes& classes) {
    const auto features = synthetic::features(first, second);
    auto prediction = model.predict({&features, intent, current, classes});
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
            const auto prediction = ask(model, first, second, intent, boot_option, all_differ);
            const Option best = synthetic::best_layout(intent, first, second);
            CHECK(prediction.probability[index(best)] > 0.5);
            // The choice is by gain. Beside the best one the next is 0.15 less.
            CHECK(prediction.expected_gain[index(prediction.best)] <
                  prediction.expected_gain[index(best)] + 0.03);
        }
}

TEST_CASE("train: probabilities are a distribution, and equivalent layouts are one choice") {
    const auto model = classifier();
    for (const float value : {5.0F, 35.0F, 55.0F, 95.0F}) {
        const auto apart = ask(model, value, 50, Intent::throughput, boot_option, all_differ);
        double sum = 0;
        for (const double p : apart.probability) sum += p;
        CHECK(sum == doctest::Approx(1).epsilon(1e-5));

        const auto merged = ask(model, value, 50, Intent::throughput, boot_option, small_host);
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
    for (const Option current : all_options) {
        CAPTURE(index(current));
        const auto apart = ask(model, 10, 50, Intent::throughput, current, all_differ);
        CHECK(apart.expected_gain[index(current)] == 0);
        CHECK(apart.best == option_of(Layout::cpu));
        if (current > option_of(Layout::core)) CHECK(apart.expected_gain[0] > 0.1);
        const auto merged = ask(model, 10, 50, Intent::throughput, current, small_host);
        CHECK(merged.expected_gain[index(current)] == 0);
        CHECK(merged.expected_gain[2] == merged.expected_gain[3]);
        CHECK(merged.expected_gain[2] == merged.expected_gain[4]);
        // A class is worth the (geometric) mean of its members.
        const auto from_cpu =
            ask(model, 10, 50, Intent::throughput, option_of(Layout::cpu), all_differ);
        const auto small_from_cpu =
            ask(model, 10, 50, Intent::throughput, option_of(Layout::cpu), small_host);
        CHECK(std::log1p(small_from_cpu.expected_gain[3]) ==
              doctest::Approx((std::log1p(from_cpu.expected_gain[2]) +
                               std::log1p(from_cpu.expected_gain[3]) +
                               std::log1p(from_cpu.expected_gain[4])) /
                              3));
        if (current >= boot_option)
            for (std::size_t l = 2; l < option_count; ++l) CHECK(merged.expected_gain[l] == 0);
    }
}

TEST_CASE("train: within the best class the current layout is the best") {
    const auto model = classifier();
    for (const Option current : {boot_option, option_of(Layout::node), option_of(Layout::all)})
        CHECK(ask(model, 55, 50, Intent::throughput, current, small_host).best == current);
    CHECK(ask(model, 55, 50, Intent::throughput, option_of(Layout::cpu), small_host).best ==
          boot_option);
    const Classes one_partition{};
    const auto all_one =
        ask(model, 5, 50, Intent::throughput, option_of(Layout::node), one_partition);
    CHECK(all_one.best == option_of(Layout::node));
    CHECK(all_one.probability[0] == doctest::Approx(1).epsilon(1e-5));
}

TEST_CASE("train: without novelty, features outside of what was seen are counted") {
    Bundle old = trained();
    old.novelty.reset();
    const auto model = Classifier::load(old).value();
    const double one = 4 / static_cast<double>(feature_schema().size()); // a quarter of all is 1
    auto features = synthetic::features(10, 50);
    const auto outside = [&] {
        return model.predict({&features, Intent::balanced, boot_option, all_differ})
            .value()
            .outside_training;
    };
    CHECK(outside() == 0);
    features.values[0] = 1000;
    CHECK(outside() == doctest::Approx(one));
    features.values[1] = -1;
    CHECK(outside() == doctest::Approx(2 * one));
    features.values[0] = NAN;
    CHECK(outside() == doctest::Approx(one));
    features.values[0] = INFINITY;
    CHECK(outside() == doctest::Approx(2 * one));
    features.values.pop_back();
    CHECK_FALSE(model.predict({&features, Intent::balanced, boot_option, all_differ}));
    CHECK_FALSE(model.explain({&features, Intent::balanced, boot_option, all_differ},
                              option_of(Layout::cpu), 3));
}

TEST_CASE("novelty: a combination that does not occur is told, and missing features are not") {
    const auto model = classifier();
    const auto outside = [&](const FeatureVector& features) {
        return model.predict({&features, Intent::balanced, boot_option, all_differ})
            .value()
            .outside_training;
    };
    const auto usual = synthetic::features(10, 50);
    CHECK(outside(usual) < 1);
    // Within its range, but its echoes say otherwise; and an echo that says otherwise.
    auto strange = usual;
    strange.values[0] = 99;
    CHECK(outside(strange) > 2);
    strange.values[0] = NAN;
    CHECK(outside(strange) == doctest::Approx(outside(usual)).epsilon(0.05));
    strange = usual;
    strange.values.back() = 1;
    CHECK(outside(strange) > 2);
    // As a pair they go together, wherever the pair is.
    CHECK(outside(synthetic::features(90, 20)) < 1);

    for (const float absurd : {INFINITY, -INFINITY, 1e38F}) {
        auto broken = usual;
        broken.values.assign(broken.values.size(), absurd);
        CHECK(outside(broken) > 2);
        CHECK(outside(broken) <= most_novel);
    }
    auto nothing = usual;
    nothing.values.assign(nothing.values.size(), NAN);
    CHECK(outside(nothing) == 0);
}

TEST_CASE("novelty: of ordinary windows that it has not seen few are novel") {
    const auto novelty = fit_novelty(samples(), every_input(), 1).value();
    const auto others = synthetic::make_samples({.samples = 400, .seed = 99});
    const auto novel = std::count_if(others.begin(), others.end(), [&](const proto::Sample& one) {
        return novelty.of(std::vector<float>(one.features().begin(), one.features().end())) > 1;
    });
    CHECK(novel < 20);
    CHECK_FALSE(fit_novelty(synthetic::make_samples({.scenarios = 1}), every_input(), 1));
}

TEST_CASE("train: the explanation names what the rule looks at") {
    const auto model = classifier();
    const auto features = synthetic::features(5, 95);
    const Question question{&features, Intent::throughput, boot_option, all_differ};
    const auto why = model.explain(question, option_of(Layout::cpu), 3);
    REQUIRE(why);
    REQUIRE(why->size() == 3);
    const auto first_or_echo = [](std::size_t feature) {
        return feature % 2 == 0 && (feature == 0 || synthetic::echoes(feature));
    };
    CHECK(first_or_echo((*why)[0].feature));
    CHECK((*why)[0].value == 5);
    CHECK((*why)[0].weight > 0);
    CHECK(std::fabs((*why)[0].weight) >= std::fabs((*why)[1].weight));
    const auto against = model.explain(question, option_of(Layout::all), 1);
    REQUIRE(against);
    CHECK(first_or_echo((*against)[0].feature));
    CHECK((*against)[0].weight < 0);
    // All layouts are one choice: nothing moves it.
    const auto nothing = model.explain({&features, Intent::throughput, boot_option, Classes{}},
                                       option_of(Layout::cpu), 3);
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
    CHECK(summary.rounds() == 60);
    CHECK(summary.source() == "made up by a rule");
    REQUIRE(summary.held_out_size() == static_cast<int>(all_intents.size()));
    for (const auto& one : summary.held_out()) {
        CHECK(one.accuracy() > 0.75);
        CHECK(one.regret() < 0.05);
        CHECK(one.default_regret() > 0.08); // socket is right in a fifth to three fifths of them
    }
    CHECK(trained().manifest.score_version() == 1); // samples that say none
    CHECK(trained().manifest.id().size() == 12);
    CHECK(trained().manifest.name() == "synthetic");
}

TEST_CASE("train: a mix of versions of the score is refused, and the bundle bears its own") {
    auto mixed = synthetic::make_samples({.samples = 150, .scenarios = 30});
    auto options = synthetic::small_options();
    options.rounds = 2;
    for (proto::Sample& sample : mixed) sample.set_score_version(score_version);
    CHECK(train(mixed, options)->manifest.score_version() == score_version);
    mixed[7].clear_score_version(); // version 1
    CHECK(contains(error_of(mixed, options), "was scored by version 1 of the score"));
    mixed[7].set_score_version(score_version + 1);
    CHECK(contains(error_of(mixed, options), "use the program it belongs to"));
}

TEST_CASE("train: held-out numbers are really held out") {
    // Scores that follow no rule can be learnt by heart but not foretold.
    const auto noise = synthetic::make_samples(
        {.samples = 150, .scenarios = 30, .with_small_hosts = false, .mislabelled = 1});
    auto options = synthetic::small_options();
    options.max_depth = 8;
    options.rounds = 80;
    const auto bundle = train(noise, options).value();
    const auto& summary = bundle.manifest.training();
    double accuracy = 0, regret = 0;
    for (const auto& one : summary.held_out()) {
        accuracy += one.accuracy() / summary.held_out_size();
        regret += one.regret() / summary.held_out_size();
    }
    CHECK(accuracy < 0.35);
    CHECK(regret > 0.19);
    const auto model = Classifier::load(bundle).value();
    const auto cases = make_cases(noise).value();
    std::vector<CaseOutcome> by_heart;
    for (const Case& one : cases) {
        const FeatureVector features{
            {one.sample->features().begin(), one.sample->features().end()}};
        by_heart.push_back(
            judge(one, model.predict({&features, one.intent, one.current, all_differ}).value()));
    }
    CHECK(summarise(by_heart).accuracy > accuracy + 0.2);
}

TEST_CASE("train: gains are those of the rule") {
    const auto large = synthetic::make_samples({.samples = 800, .with_small_hosts = false});
    const auto model = Classifier::load(train(large, synthetic::small_options()).value()).value();
    // A step is 0.15 of the best score; in the middle of a fifth the model has no doubts.
    const auto from_socket = ask(model, 10, 50, Intent::throughput, boot_option, all_differ);
    CHECK(from_socket.expected_gain[0] == doctest::Approx(1 / 0.7 - 1).epsilon(0.2));
    const auto from_cpu =
        ask(model, 10, 50, Intent::throughput, option_of(Layout::cpu), all_differ);
    CHECK(from_cpu.expected_gain[1] == doctest::Approx(-0.15).epsilon(0.2));
    CHECK(from_cpu.expected_gain[2] == doctest::Approx(-0.3).epsilon(0.2));
}

TEST_CASE("train: threads change nothing") {
    auto options = synthetic::small_options();
    const auto few = synthetic::make_samples({.samples = 90, .scenarios = 6});
    const auto one = encode_bundle(train(few, options).value()).value();
    options.jobs = 3;
    CHECK(encode_bundle(train(few, options).value()).value() == one);
}

TEST_CASE("train: a snapshot bundle does not look at what needs a trace") {
    auto options = synthetic::small_options();
    options.snapshot = true;
    const auto bundle = train(samples(), options).value();
    CHECK(bundle.manifest.snapshot());
    CHECK_FALSE(trained().manifest.snapshot());
    const auto model = Classifier::load(bundle).value();
    const auto ask_with = [&](std::string_view feature, float value) {
        auto features = synthetic::features(10, 50);
        features.values[feature_index(feature).value()] = value;
        const Question question{&features, Intent::throughput, boot_option, all_differ};
        return model.predict(question).value();
    };
    const auto usual = ask_with("wait.wake_p99", 50);
    const auto other = ask_with("wait.wake_p99", 1e6F);
    CHECK(usual.expected_gain == other.expected_gain);
    CHECK(usual.outside_training == other.outside_training);
    CHECK(usual.probability != ask_with("topology.cpus", 90).probability);
    CHECK(ask_with("topology.cpus", 1e6F).outside_training > 1);
}

TEST_CASE("train: costs decide where they decide, and a host that does not know them is served") {
    auto made = synthetic::make_samples({.samples = 600, .with_small_hosts = false});
    for (std::size_t i = 0; i < made.size(); ++i) { // dear lock transfers: cpu, else all
        const bool dear = i % 2 == 0;
        for (int f = 0; f < made[i].features_size(); ++f) made[i].set_features(f, 50);
        for (std::size_t c = 0; c < sample_costs.size(); ++c) made[i].add_costs(100);
        made[i].set_costs(5, dear ? 400 : 40);
        for (auto& scores : *made[i].mutable_scores())
            for (int l = 0; l < 5; ++l) scores.set_score(l, dear ? 1 - 0.1 * l : 0.6 + 0.1 * l);
    }
    const auto model = Classifier::load(train(made, synthetic::small_options()).value()).value();
    const auto features = synthetic::features(50, 50);
    std::vector<float> costs(sample_costs.size(), 100);
    const auto asked = [&](std::span<const float> known) {
        return model.predict({&features, Intent::balanced, boot_option, all_differ, known});
    };
    costs[5] = 400;
    CHECK(asked(costs)->best == option_of(Layout::cpu));
    costs[5] = 40;
    CHECK(asked(costs)->best == option_of(Layout::all));
    const auto unknown = asked({});
    REQUIRE(unknown);
    CHECK(unknown->probability[0] > 0.15); // half of them are dear
    CHECK(unknown->probability[4] > 0.15);
    CHECK_FALSE(asked(std::span(costs).first(3)));
}

TEST_CASE("train: every intent has gains of its own") {
    auto made = synthetic::make_samples({.with_small_hosts = false});
    for (auto& sample : made) // latency differs little where throughput differs much
        for (double& score : *sample.mutable_scores(1)->mutable_score())
            score = std::pow(score, 0.2);
    const auto bundle = train(made, synthetic::small_options()).value();
    const auto model = Classifier::load(bundle).value();
    const auto features = synthetic::features(5, 95); // cpu is best, for throughput and for latency
    const auto gain = [&](Intent intent) {
        const auto prediction =
            model.predict({&features, intent, option_of(Layout::all), all_differ}).value();
        CHECK(prediction.best == option_of(Layout::cpu));
        return prediction.expected_gain[0];
    };
    CHECK(gain(Intent::throughput) > 0.6);
    CHECK(gain(Intent::latency) < 0.35);
}

TEST_CASE("train: a layout that never gets anything done has finite gains") {
    auto skewed = synthetic::make_samples({.with_small_hosts = false});
    for (auto& sample : skewed)
        for (auto& scores : *sample.mutable_scores()) scores.set_score(4, 0);
    const auto bundle = train(skewed, synthetic::small_options());
    REQUIRE(bundle);
    const auto model = Classifier::load(*bundle).value();
    const auto prediction = ask(model, 50, 50, Intent::latency, option_of(Layout::all), all_differ);
    CHECK(prediction.best != option_of(Layout::all));
    for (const double gain : prediction.expected_gain) CHECK(std::isfinite(gain));
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
    CHECK(total == (3 + 1) * 2 * 3); // three families and all, two models of three rounds
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
    CHECK(contains(with([](auto& s) { s.mutable_scores(1)->set_score(2, INFINITY); }), "latency"));
    CHECK(contains(with([](auto& s) { s.mutable_scores(0)->set_score(2, -0.1); }), "throughput"));
    CHECK(contains(with([](auto& s) { s.mutable_scores(0)->add_score(1); }), "throughput"));
    CHECK(contains(with([](auto& s) {
                       for (double& score : *s.mutable_scores(2)->mutable_score()) score = 0;
                   }),
                   "balanced"));
    CHECK(contains(with([](auto& s) { s.clear_scores(); }), "no scores"));
    CHECK(contains(with([](auto& s) { s.mutable_scores(0)->add_spread(0.1); }), "throughput"));
    CHECK(contains(with([](auto& s) {
                       for (int i = 0; i < 5; ++i)
                           s.mutable_scores(0)->add_spread(i == 3 ? -1 : NAN);
                   }),
                   "throughput"));
    CHECK(contains(with([](auto& s) { s.add_costs(1); }), "1 cost"));
    CHECK(contains(with([](auto& s) {
                       for (int i = 0; i < 9; ++i) s.add_costs(i == 3 ? INFINITY : NAN);
                   }),
                   "costs"));
    CHECK(contains(with([](auto& s) { s.mutable_scores(0)->set_intent("speed\n"); }), "'speed?'"));
    CHECK(contains(with([](auto& s) { s.mutable_scores(0)->set_intent("latency"); }), "twice"));
    CHECK(contains(with([](auto& s) { s.clear_scenario(); }), "no scenario"));
    CHECK(contains(with([](auto& s) { s.set_current("sockets"); }), "'sockets'"));
    CHECK(contains(with([](auto& s) { s.mutable_representative()->RemoveLast(); }), "classes"));
    CHECK(contains(with([](auto& s) { s.set_representative(0, "x"); }), "classes"));
    auto one_intent = few;
    for (auto& sample : one_intent) sample.mutable_scores()->DeleteSubrange(1, 2);
    CHECK(contains(error_of(one_intent), "no sample has scores of all options for intent latency"));
    auto options = synthetic::small_options();
    options.rounds = 0;
    CHECK(contains(error_of(few, options), "rounds"));
    options = synthetic::small_options();
    options.max_depth = 13;
    CHECK(contains(error_of(few, options), "depth"));
    options = synthetic::small_options();
    options.learning_rate = NAN;
    CHECK(contains(error_of(few, options), "learning rate"));
    options = synthetic::small_options();
    options.leaf = 0;
    CHECK(contains(error_of(few, options), "leaves of a weight of 0"));
}

TEST_CASE("train: what trials found corrects what was learnt, where they were") {
    auto given = synthetic::make_samples({.samples = 400, .with_small_hosts = false});
    const auto before = Classifier::load(train(given, synthetic::small_options()).value()).value();
    // The rule wants cpu here; on this host it turned out to be 10% worse than socket.
    std::vector<proto::Sample> trials;
    for (unsigned i = 0; i < 20; ++i) {
        const auto features = synthetic::features(5 + static_cast<float>(i) / 2, 50);
        proto::Sample& trial = trials.emplace_back(given.front());
        trial.set_scenario("trial");
        trial.set_family("trial");
        trial.mutable_features()->Assign(features.values.begin(), features.values.end());
        trial.set_current(i % 2 == 0 ? "socket" : "cpu");
        trial.clear_scores();
        auto* scores = trial.add_scores();
        scores->set_intent("balanced");
        constexpr double none = std::numeric_limits<double>::quiet_NaN();
        for (const double score : {0.9, none, 1.0, none, none}) scores->add_score(score);
        for (const double spread : {0.01, none, 0.01, none, none}) scores->add_spread(spread);
    }
    CHECK_FALSE(train(trials, synthetic::small_options())); // alone they are too little
    given.insert(given.end(), trials.begin(), trials.end());
    const auto bundle = train(given, synthetic::small_options()).value();
    CHECK(bundle.manifest.training().samples() == 420);
    const auto after = Classifier::load(bundle).value();

    const auto gain = [&](const Classifier& model, float first, Intent intent, Option layout) {
        return ask(model, first, 50, intent, boot_option, all_differ).expected_gain[index(layout)];
    };
    CHECK(gain(before, 10, Intent::balanced, option_of(Layout::cpu)) > 0.3);
    CHECK(gain(after, 10, Intent::balanced, option_of(Layout::cpu)) ==
          doctest::Approx(-0.1).epsilon(0.5));
    CHECK(ask(after, 10, 50, Intent::balanced, boot_option, all_differ).best !=
          option_of(Layout::cpu));
    // Another load keeps what it had.
    CHECK(gain(after, 90, Intent::balanced, option_of(Layout::all)) > 0.3);
}

TEST_CASE("train: trials that lie are noticed, those that fit are not") {
    const auto given = synthetic::make_samples();
    const auto options = synthetic::small_options();
    const auto with_trials = [&](bool lie) {
        auto all = given;
        for (int repeat = 0; repeat < (lie ? 5 : 1); ++repeat)
            for (const proto::Sample& sample : std::span(given).first(lie ? given.size() : 20)) {
                proto::Sample& trial = all.emplace_back(sample);
                trial.set_scenario("trial " + std::to_string(all.size()));
                trial.set_family("trial");
                for (auto& intent : *trial.mutable_scores()) {
                    auto& score = *intent.mutable_score();
                    if (lie) std::swap(score[0], score[4]);
                    for (const int other : {1, 2, 3}) score[other] = NAN;
                }
            }
        return all;
    };
    for (const bool lie : {false, true}) {
        const auto samples = with_trials(lie);
        const auto bundle = train(samples, options);
        if (!bundle) FAIL(bundle.error().message);
        const auto checked = check_trials(*bundle, samples, options);
        INFO((checked ? "" : checked.error().message));
        CHECK(checked.has_value() != lie);
    }
    const auto bundle = train(given, options);
    REQUIRE(bundle);
    CHECK(check_trials(*bundle, given, options)); // there are none
}
