// SPDX-License-Identifier: MIT
#include "bench/training/train.hpp"

#include "bench/training/evaluate.hpp"
#include "bench/training/fit_novelty.hpp"
#include "collector/window/schema.hpp"
#include "src/base/parallel.hpp"
#include "src/model/verify_model.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <mutex>
#include <optional>
#include <set>

namespace intellisched {

namespace {

constexpr float missing = std::numeric_limits<float>::quiet_NaN();

constexpr unsigned calibration_folds = 3;

// Folds of cases that are chosen already.
Result<Folds> inner_folds(Chosen cases, std::uint64_t seed) {
    std::vector<Case> copies;
    copies.reserve(cases.size());
    std::set<std::string_view> families;
    for (const Case* one : cases) {
        copies.push_back(*one);
        families.insert(one->sample->family());
    }
    return make_folds(copies, families.size() > 1 ? Group::family : Group::scenario, seed,
                      calibration_folds);
}

std::vector<const Case*> complete(Chosen cases) {
    std::vector<const Case*> chosen;
    std::copy_if(cases.begin(), cases.end(), std::back_inserter(chosen),
                 [](const Case* one) { return one->complete(); });
    return chosen;
}

Result<void> check_options(const TrainOptions& options) {
    if (options.rounds < 1 || options.rounds > 1000)
        return fail("{} rounds of training; ask for 1 to 1000", options.rounds);
    if (options.max_depth < 1 || options.max_depth > 12)
        return fail("trees of depth {}; ask for 1 to 12", options.max_depth);
    if (!(options.learning_rate > 0 && options.learning_rate <= 1))
        return fail("a learning rate of {}; ask for one above 0 and at most 1",
                    options.learning_rate);
    if (!(options.leaf > 0 && std::isfinite(options.leaf)))
        return fail("leaves of a weight of {}; ask for one above 0", options.leaf);
    return {};
}

void add_ranges(proto::ModelManifest& manifest, std::span<const proto::Sample> samples) {
    for (int i = 0; i < static_cast<int>(feature_schema().size()); ++i) {
        float low = missing;
        float high = missing;
        for (const auto& sample : samples) { // fmin and fmax pass over NaN
            low = std::fmin(low, sample.features(i));
            high = std::fmax(high, sample.features(i));
        }
        manifest.add_feature_min(low);
        manifest.add_feature_max(high);
    }
}

std::uint32_t count_scenarios(std::span<const proto::Sample> samples) {
    std::set<std::string_view> scenarios;
    for (const auto& sample : samples) scenarios.insert(sample.scenario());
    return static_cast<std::uint32_t>(scenarios.size());
}

proto::ModelManifest make_manifest(std::span<const proto::Sample> samples,
                                   const TrainOptions& options) {
    proto::ModelManifest manifest;
    manifest.set_name(options.name);
    manifest.set_schema_version(feature_schema_version);
    for (auto& name : model_feature_names()) manifest.add_feature_names(std::move(name));
    const Knob knob = *knob_of(samples.front());
    manifest.set_knob(std::string(to_string(knob)));
    for (const Option option : all_options) manifest.add_options(name_of(knob, option));
    for (const Intent intent : all_intents) manifest.add_intents(std::string(to_string(intent)));
    manifest.set_snapshot(options.snapshot);
    manifest.set_score_version(score_version_of(samples.front()));
    add_ranges(manifest, samples);
    return manifest;
}

Result<std::vector<Case>> prepare(std::span<const proto::Sample> samples,
                                  const TrainOptions& options) {
    TRY(check_options(options));
    auto cases = make_cases(samples);
    if (!cases) return cases;
    for (const Intent intent : all_intents)
        if (std::none_of(cases->begin(), cases->end(),
                         [&](const Case& one) { return one.intent == intent && one.complete(); }))
            return fail("no sample has scores of all options for intent {}; make samples for every "
                        "intent (intellisched bench)",
                        to_string(intent));
    return cases;
}

// Calls `progress` from one thread at a time.
std::function<void()> counted(const TrainOptions& options, std::size_t total, std::mutex& mutex,
                              std::size_t& done) {
    if (!options.progress) return {};
    return [&options, total, &mutex, &done] {
        const std::lock_guard lock(mutex);
        options.progress(++done, total);
    };
}

} // namespace

unsigned fits_of(Chosen cases) {
    const auto folds = inner_folds(complete(cases), 0);
    return folds ? folds->count + 1 : 1;
}

Result<Calibrated> fit_calibrated(Chosen cases, const Learning& learning, unsigned jobs) {
    const auto judged = complete(cases);
    const auto folds = TRY(inner_folds(judged, learning.seed));
    std::optional<Ensembles> whole;
    CaseMargins held_out{std::vector<float>(judged.size() * option_count),
                         std::vector<float>(judged.size() * option_count)};
    const auto fit_fold = [&](std::size_t fold) -> Result<void> {
        std::vector<const Case*> seen, unseen;
        std::vector<std::size_t> place;
        for (std::size_t i = 0; i < judged.size(); ++i) {
            const bool out = folds.fold[i] == fold;
            (out ? unseen : seen).push_back(judged[i]);
            if (out) place.push_back(i * option_count);
        }
        std::copy_if(cases.begin(), cases.end(), std::back_inserter(seen),
                     [](const Case* one) { return !one->complete(); });
        auto ensembles = TRY(fit(seen, learning));
        if (fold == folds.count) { // nothing is held out
            whole = std::move(ensembles);
            return {};
        }
        const auto margins = TRY(margins_of(ensembles, unseen, learning.inputs));
        for (std::size_t i = 0; i < place.size(); ++i)
            for (std::size_t l = 0; l < option_count; ++l) {
                held_out.classifier[place[i] + l] = margins.classifier[i * option_count + l];
                held_out.gains[place[i] + l] = margins.gains[i * option_count + l];
            }
        return {};
    };
    TRY(in_parallel(jobs, folds.count + 1, fit_fold));
    const double temperature = fit_temperature(held_out.classifier, judged);
    auto predictions = predictions_of(held_out, temperature, judged);
    return Calibrated{std::move(*whole), temperature, judged, std::move(predictions)};
}

Result<Model> train(std::span<const proto::Sample> samples, const TrainOptions& options) {
    const auto cases = TRY(prepare(samples, options));
    const auto all = choose_cases(cases, [](std::size_t) { return true; });
    std::mutex mutex;
    std::size_t done = 0;
    const Learning learning{.rounds = options.rounds,
                            .max_depth = options.max_depth,
                            .learning_rate = options.learning_rate,
                            .leaf = options.leaf,
                            .seed = options.seed,
                            .inputs = options.snapshot ? snapshot_inputs() : every_input(),
                            .round_done =
                                counted(options, fits_of(all) * 2 * options.rounds, mutex, done),
                            .stop = options.stop};
    const auto novelty = TRY(fit_novelty(samples, learning.inputs, options.seed));
    const auto fitted = TRY(fit_calibrated(all, learning, options.jobs));
    auto classifier = TRY(fitted.ensembles.classifier.save());
    auto gains = TRY(fitted.ensembles.gains.save());

    Model model{make_manifest(samples, options), std::move(classifier), std::move(gains)};
    model.novelty = novelty.stored();
    model.manifest.set_temperature(fitted.temperature);
    std::vector<CaseOutcome> outcomes;
    for (std::size_t i = 0; i < fitted.judged.size(); ++i)
        outcomes.push_back(judge(*fitted.judged[i], fitted.held_out[i]));
    auto& summary = *model.manifest.mutable_training();
    summary.set_samples(static_cast<std::uint32_t>(samples.size()));
    summary.set_scenarios(count_scenarios(samples));
    summary.set_source(options.source);
    summary.set_seed(options.seed);
    summary.set_rounds(options.rounds);
    summary.set_max_depth(options.max_depth);
    summary.set_learning_rate(options.learning_rate);
    summary.set_leaf(options.leaf);
    for (const Intent intent : all_intents) {
        std::vector<CaseOutcome> its;
        std::copy_if(outcomes.begin(), outcomes.end(), std::back_inserter(its),
                     [&](const CaseOutcome& one) { return one.of->intent == intent; });
        const Evaluation held_out = summarise(its);
        proto::HeldOut& row = *summary.add_held_out();
        row.set_intent(std::string(to_string(intent)));
        row.set_accuracy(held_out.accuracy);
        row.set_regret(held_out.regret.mean);
        row.set_default_regret(held_out.default_regret);
    }
    for (const std::string* ubj : {&model.classifier_ubj, &model.gains_ubj})
        if (auto verified =
                verify_model(std::as_bytes(std::span(*ubj)), model_feature_count(), option_count);
            !verified)
            return fail("the trained model does not pass its own check ({}); report this",
                        verified.error().message);
    sign(model);
    return model;
}

Result<void> check_trials(const Model& model, std::span<const proto::Sample> samples,
                          const TrainOptions& options) {
    constexpr double worse_by_trials = 0.005;
    // A trial has scores of two layouts.
    const auto of_trial = [](const proto::Sample& sample) {
        return std::any_of(sample.scores().begin(), sample.scores().end(), [](const auto& intent) {
            return std::any_of(intent.score().begin(), intent.score().end(),
                               [](double score) { return std::isnan(score); });
        });
    };
    std::vector<proto::Sample> without;
    std::remove_copy_if(samples.begin(), samples.end(), std::back_inserter(without), of_trial);
    if (without.size() == samples.size()) return {};
    const auto other = TRY(train(without, options));
    for (int i = 0; i < other.manifest.training().held_out_size(); ++i) {
        const auto& with = model.manifest.training().held_out(i);
        const double before = other.manifest.training().held_out(i).regret();
        if (with.regret() > before + worse_by_trials)
            return fail("with the {} samples of trials the mean regret of what is held out is "
                        "{:.2f}% under {}, without them {:.2f}%; leave them out",
                        samples.size() - without.size(), with.regret() * 100, with.intent(),
                        before * 100);
    }
    return {};
}

} // namespace intellisched
