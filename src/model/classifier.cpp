// SPDX-License-Identifier: MIT
#include "src/model/classifier.hpp"

#include "src/model/booster.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched {

namespace {

using Scores = std::array<double, layout_count>;

// score[intent][best layout][layout]
using ScoreTables = std::array<std::array<Scores, layout_count>, all_intents.size()>;

ScoreTables score_tables(const proto::ModelManifest& manifest) {
    ScoreTables tables{};
    for (std::size_t i = 0; i < tables.size(); ++i)
        for (std::size_t best = 0; best < layout_count; ++best)
            for (std::size_t l = 0; l < layout_count; ++l)
                tables[i][best][l] = manifest.score_given_best(static_cast<int>(i))
                                         .given_best(static_cast<int>(best))
                                         .score(static_cast<int>(l));
    return tables;
}

bool equivalent(const Representatives& representatives, std::size_t a, std::size_t b) {
    return representatives[a] == representatives[b];
}

// E[score] of every layout, the mean of its class, so that equivalent layouts show one number.
Scores expected_scores(std::span<const float> probability, const std::array<Scores, 5>& given_best,
                       const Representatives& representatives) {
    Scores own{};
    for (std::size_t best = 0; best < layout_count; ++best)
        for (std::size_t l = 0; l < layout_count; ++l)
            own[l] += static_cast<double>(probability[best]) * given_best[best][l];
    Scores mean{};
    for (std::size_t l = 0; l < layout_count; ++l) {
        int members = 0;
        for (std::size_t other = 0; other < layout_count; ++other) {
            if (!equivalent(representatives, l, other)) continue;
            mean[l] += own[other];
            ++members;
        }
        mean[l] /= members;
    }
    return mean;
}

} // namespace

std::array<double, layout_count> merge_equivalent(std::span<const float> probability,
                                                  const Representatives& representatives) {
    std::array<double, layout_count> merged{};
    for (std::size_t l = 0; l < layout_count; ++l)
        for (std::size_t other = 0; other < layout_count; ++other)
            if (equivalent(representatives, l, other))
                merged[l] += static_cast<double>(probability[other]);
    return merged;
}

Layout choose(const std::array<double, layout_count>& merged,
              const Representatives& representatives, Layout current) {
    Layout best = current;
    for (const Layout layout : all_layouts)
        if (merged[index(layout)] > merged[index(best)]) best = representatives[index(layout)];
    return best;
}

struct Classifier::Impl {
    Booster booster;
    proto::ModelManifest manifest;
    ScoreTables tables;
    std::vector<float> row; // the features, then the intents

    // Writes the question into `row`.
    Result<void> ask(const Question& question) {
        const auto& values = question.features->values;
        if (values.size() != feature_schema().size())
            return fail(
                "a feature vector of {} values where the schema has {}; measure it with this "
                "version of intellisched",
                values.size(), feature_schema().size());
        std::copy(values.begin(), values.end(), row.begin());
        for (const Intent intent : all_intents)
            row[values.size() + index(intent)] = intent == question.intent ? 1.0F : 0.0F;
        return {};
    }

    double outside_training(const std::vector<float>& values) const {
        std::size_t outside = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (std::isnan(values[i])) continue;
            const int at = static_cast<int>(i);
            // Never seen in training (NaN): the comparison fails, so any value is outside.
            outside +=
                !(values[i] >= manifest.feature_min(at) && values[i] <= manifest.feature_max(at));
        }
        return static_cast<double>(outside) / static_cast<double>(values.size());
    }
};

Result<Classifier> Classifier::load(const Bundle& bundle) {
    const auto features = static_cast<std::size_t>(bundle.manifest.feature_names_size());
    auto booster =
        Booster::load(std::as_bytes(std::span(bundle.model_ubj)), features, layout_count);
    if (!booster) return tl::unexpected(booster.error());
    return Classifier(
        std::make_unique<Impl>(Impl{std::move(*booster), bundle.manifest,
                                    score_tables(bundle.manifest), std::vector<float>(features)}));
}

Result<Prediction> Classifier::predict(const Question& question) const {
    if (auto asked = impl_->ask(question); !asked) return tl::unexpected(asked.error());
    const auto probability = impl_->booster.predict(impl_->row);
    if (!probability) return tl::unexpected(probability.error());
    double sum = 0;
    for (const float p : *probability) sum += static_cast<double>(p);
    if (!(std::fabs(sum - 1) < 1e-3)) // NaN as well
        return fail("model {} gives no probabilities for this window; retrain it",
                    impl_->manifest.id());

    Prediction prediction;
    prediction.probability = merge_equivalent(*probability, question.representatives);
    prediction.best = choose(prediction.probability, question.representatives, question.current);
    const auto score = expected_scores(*probability, impl_->tables[index(question.intent)],
                                       question.representatives);
    for (std::size_t l = 0; l < layout_count; ++l)
        prediction.expected_gain[l] = score[l] / score[index(question.current)] - 1;
    prediction.outside_training = impl_->outside_training(question.features->values);
    return prediction;
}

const proto::ModelManifest& Classifier::manifest() const { return impl_->manifest; }

Result<std::vector<Contribution>> Classifier::explain(const Question& question, Layout layout,
                                                      std::size_t limit) const {
    if (auto asked = impl_->ask(question); !asked) return tl::unexpected(asked.error());
    const auto shap = impl_->booster.contributions(impl_->row);
    if (!shap) return tl::unexpected(shap.error());
    const std::size_t columns = impl_->row.size() + 1; // the last one is the bias
    std::vector<Contribution> contributions;
    for (std::size_t feature = 0; feature < impl_->row.size(); ++feature) {
        double all = 0;
        double own = 0;
        double members = 0;
        for (std::size_t l = 0; l < layout_count; ++l) {
            const auto value = static_cast<double>((*shap)[l * columns + feature]);
            all += value;
            if (!equivalent(question.representatives, l, index(layout))) continue;
            own += value;
            ++members;
        }
        const double weight = own - members * all / static_cast<double>(layout_count);
        if (std::isfinite(weight) && weight != 0)
            contributions.push_back({feature, impl_->row[feature], weight});
    }
    std::sort(contributions.begin(), contributions.end(), [](const auto& a, const auto& b) {
        return std::fabs(a.weight) != std::fabs(b.weight)
                   ? std::fabs(a.weight) > std::fabs(b.weight)
                   : a.feature < b.feature;
    });
    if (contributions.size() > limit) contributions.resize(limit);
    return contributions;
}

Classifier::Classifier(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Classifier::Classifier(Classifier&&) noexcept = default;
Classifier& Classifier::operator=(Classifier&&) noexcept = default;
Classifier::~Classifier() = default;

} // namespace intellisched
