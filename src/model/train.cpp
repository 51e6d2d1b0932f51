// SPDX-License-Identifier: MIT
#include "src/model/train.hpp"

#include "collector/window/schema.hpp"
#include "src/model/booster.hpp"
#include "src/model/verify_model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace intellisched {

namespace {

// What a row weighs beside its advantage: even a tie says a little.
constexpr double least_weight = 0.01;

// Keeps the table of mean scores positive where a layout never got anything done.
constexpr double least_score = 1e-6;

constexpr float missing = std::numeric_limits<float>::quiet_NaN();

// A matrix in the making.
struct Rows {
    std::vector<float> values, labels, weights;

    void add_values(const Case& one) {
        values.insert(values.end(), one.sample->features().begin(), one.sample->features().end());
        for (const Intent intent : all_intents)
            values.push_back(intent == one.intent ? 1.0F : 0.0F);
    }
    [[nodiscard]] Result<Matrix> matrix() const {
        const std::size_t columns = feature_schema().size() + all_intents.size();
        auto matrix = Matrix::create(values, values.size() / columns, columns);
        if (matrix && !labels.empty())
            if (auto set = matrix->set_labels(labels, weights); !set)
                return tl::unexpected(set.error());
        return matrix;
    }
};

using Chosen = std::vector<const Case*>;

// Advantages made into weights of mean 1 within each intent.
std::vector<double> weights_of(const Chosen& cases) {
    std::array<double, all_intents.size()> sum{};
    std::array<double, all_intents.size()> count{};
    for (const Case* one : cases) {
        sum[index(one->intent)] += least_weight + one->advantage();
        ++count[index(one->intent)];
    }
    std::vector<double> weights;
    for (const Case* one : cases) {
        const std::size_t intent = index(one->intent);
        weights.push_back((least_weight + one->advantage()) * count[intent] / sum[intent]);
    }
    return weights;
}

Rows training_rows(const Chosen& cases) {
    Rows rows;
    const auto weights = weights_of(cases);
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const Case& one = *cases[i];
        for (std::size_t l = 0; l < layout_count; ++l) {
            if (!one.best[l]) continue;
            rows.add_values(one);
            rows.labels.push_back(static_cast<float>(l));
            rows.weights.push_back(static_cast<float>(weights[i] / one.best_count()));
        }
    }
    return rows;
}

class Trainer {
  public:
    Trainer(std::span<const Case> cases, const TrainOptions& options, std::size_t models)
        : cases_(cases), options_(options), total_(models * options.rounds) {}

    // A model of the cases that lie outside of `held_out`; -1 holds none out.
    Result<Booster> fit(const Folds& folds, int held_out) {
        Chosen chosen;
        for (std::size_t i = 0; i < cases_.size(); ++i)
            if (static_cast<int>(folds.fold[i]) != held_out) chosen.push_back(&cases_[i]);
        const auto matrix = training_rows(chosen).matrix();
        if (!matrix) return tl::unexpected(matrix.error());
        auto booster = Booster::create(*matrix, parameters());
        if (!booster) return booster;
        for (unsigned round = 0; round < options_.rounds; ++round) {
            if (options_.stop != nullptr && options_.stop->load())
                return fail("training stopped; nothing was written");
            if (auto updated = booster->update(static_cast<int>(round), *matrix); !updated)
                return tl::unexpected(updated.error());
            ++done_;
            if (options_.progress) options_.progress(done_, total_);
        }
        return booster;
    }

    // What models that have not seen them choose for all cases.
    Result<std::vector<Outcome>> hold_out(const Folds& folds) {
        std::vector<Outcome> outcomes(cases_.size());
        for (unsigned fold = 0; fold < folds.count; ++fold) {
            const auto booster = fit(folds, static_cast<int>(fold));
            if (!booster) return tl::unexpected(booster.error());
            Rows rows;
            for (std::size_t i = 0; i < cases_.size(); ++i)
                if (folds.fold[i] == fold) rows.add_values(cases_[i]);
            const auto matrix = rows.matrix();
            if (!matrix) return tl::unexpected(matrix.error());
            const auto probability = booster->predict(*matrix);
            if (!probability) return tl::unexpected(probability.error());
            auto next = std::span<const float>(*probability);
            for (std::size_t i = 0; i < cases_.size(); ++i) {
                if (folds.fold[i] != fold) continue;
                outcomes[i] = judge(cases_[i], next.first(layout_count));
                next = next.subspan(layout_count);
            }
        }
        return outcomes;
    }

  private:
    [[nodiscard]] Booster::Parameters parameters() const {
        return {{"objective", "multi:softprob"},
                {"num_class", std::to_string(layout_count)},
                {"tree_method", "hist"},
                {"max_bin", "64"}, // a third of the time of the default 256, choices as good
                {"max_depth", std::to_string(options_.max_depth)},
                {"eta", fmt::format("{}", options_.learning_rate)},
                // Trees that each see a part agree less by accident on few scenarios.
                {"subsample", "0.8"},
                {"colsample_bytree", "0.8"},
                // XGBoost seeds its generator with 32 bits of a signed number.
                {"seed", std::to_string(options_.seed % 2147483647)}};
    }

    std::span<const Case> cases_;
    const TrainOptions& options_;
    std::size_t done_ = 0;
    std::size_t total_;
};

Result<void> check_options(const TrainOptions& options) {
    if (options.rounds < 1 || options.rounds > 1000)
        return fail("{} rounds of training; ask for 1 to 1000", options.rounds);
    if (options.max_depth < 1 || options.max_depth > 12)
        return fail("trees of depth {}; ask for 1 to 12", options.max_depth);
    if (!(options.learning_rate > 0 && options.learning_rate <= 1))
        return fail("a learning rate of {}; ask for one above 0 and at most 1",
                    options.learning_rate);
    return {};
}

// The mean score of every layout under `intent` where `best` is best; where it never is, that over
// all cases of the intent.
std::array<double, layout_count> mean_scores(std::span<const Case> cases, Intent intent,
                                             std::size_t best) {
    std::array<double, layout_count> sum{}, sum_all{};
    double count = 0;
    double count_all = 0;
    for (const Case& one : cases) {
        if (one.intent != intent) continue;
        const double share = one.best[best] ? 1.0 / one.best_count() : 0;
        for (std::size_t l = 0; l < layout_count; ++l) {
            sum[l] += share * one.score[l];
            sum_all[l] += one.score[l];
        }
        count += share;
        ++count_all;
    }
    std::array<double, layout_count> mean{};
    for (std::size_t l = 0; l < layout_count; ++l)
        mean[l] = std::max(least_score, count > 0 ? sum[l] / count : sum_all[l] / count_all);
    return mean;
}

void add_tables(proto::ModelManifest& manifest, std::span<const Case> cases) {
    for (const Intent intent : all_intents) {
        auto* table = manifest.add_score_given_best();
        table->set_intent(std::string(to_string(intent)));
        for (std::size_t best = 0; best < layout_count; ++best) {
            auto* row = table->add_given_best();
            for (const double score : mean_scores(cases, intent, best)) row->add_score(score);
        }
    }
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
                                   std::span<const Case> cases, const TrainOptions& options) {
    proto::ModelManifest manifest;
    manifest.set_name(options.name);
    manifest.set_schema_version(feature_schema_version);
    for (auto& name : model_feature_names()) manifest.add_feature_names(std::move(name));
    for (const Layout layout : all_layouts) manifest.add_layouts(std::string(to_string(layout)));
    for (const Intent intent : all_intents) manifest.add_intents(std::string(to_string(intent)));
    add_tables(manifest, cases);
    add_ranges(manifest, samples);
    return manifest;
}

struct Prepared {
    std::vector<Case> cases;
    Folds folds;
};

Result<Prepared> prepare(std::span<const proto::Sample> samples, const TrainOptions& options) {
    if (auto checked = check_options(options); !checked) return tl::unexpected(checked.error());
    auto cases = make_cases(samples);
    if (!cases) return tl::unexpected(cases.error());
    for (const Intent intent : all_intents)
        if (std::none_of(cases->begin(), cases->end(),
                         [&](const Case& one) { return one.intent == intent; }))
            return fail("no sample has scores for intent {}; make samples for every intent "
                        "(intellisched bench)",
                        to_string(intent));
    auto folds = make_folds(*cases, options.group, options.seed);
    if (!folds) return tl::unexpected(folds.error());
    return Prepared{std::move(*cases), std::move(*folds)};
}

} // namespace

Result<std::vector<Outcome>> cross_validate(std::span<const proto::Sample> samples,
                                            const TrainOptions& options) {
    const auto prepared = prepare(samples, options);
    if (!prepared) return tl::unexpected(prepared.error());
    return Trainer(prepared->cases, options, prepared->folds.count).hold_out(prepared->folds);
}

Result<Bundle> train(std::span<const proto::Sample> samples, const TrainOptions& options) {
    const auto prepared = prepare(samples, options);
    if (!prepared) return tl::unexpected(prepared.error());
    const auto& [cases, folds] = *prepared;
    Trainer trainer(cases, options, folds.count + 1);
    const auto outcomes = trainer.hold_out(folds);
    if (!outcomes) return tl::unexpected(outcomes.error());
    const auto booster = trainer.fit(folds, -1);
    if (!booster) return tl::unexpected(booster.error());
    auto model = booster->save();
    if (!model) return tl::unexpected(model.error());

    Bundle bundle{make_manifest(samples, cases, options), std::move(*model)};
    const Evaluation held_out = summarise(*outcomes);
    auto& summary = *bundle.manifest.mutable_training();
    summary.set_samples(static_cast<std::uint32_t>(samples.size()));
    summary.set_scenarios(count_scenarios(samples));
    summary.set_source(options.source);
    summary.set_seed(options.seed);
    summary.set_rounds(options.rounds);
    summary.set_max_depth(options.max_depth);
    summary.set_learning_rate(options.learning_rate);
    summary.set_held_out_accuracy(held_out.accuracy);
    summary.set_held_out_regret(held_out.regret);
    summary.set_default_regret(held_out.default_regret);
    if (auto verified = verify_model(std::as_bytes(std::span(bundle.model_ubj)),
                                     feature_schema().size() + all_intents.size(), layout_count);
        !verified)
        return fail("the trained model does not pass its own check ({}); report this",
                    verified.error().message);
    sign(bundle);
    return bundle;
}

} // namespace intellisched
