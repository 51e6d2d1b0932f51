// SPDX-License-Identifier: MIT
#include "src/model/classifier.hpp"

#include "src/model/booster.hpp"
#include "src/model/inputs.hpp"
#include "src/model/novelty.hpp"
#include "src/model/sample.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

namespace intellisched {

namespace {

using Row = std::array<double, option_count>;

// ln score: a gain of twenty times is as good as any, and exp() stays finite.
constexpr double most_apart = 3;

// Of the features, outside of their own range in the training: as far as a bundle without novelty
// is believed.
constexpr double most_outside = 0.25;

// Of a sane model margins are below 20.
constexpr float largest_margin = 1e6F;

bool equivalent(const Classes& classes, std::size_t a, std::size_t b) {
    return classes[a] == classes[b];
}

} // namespace

Row softmax(std::span<const float> margins, double temperature) {
    const auto top = static_cast<double>(*std::max_element(margins.begin(), margins.end()));
    Row out{};
    double sum = 0;
    for (std::size_t l = 0; l < option_count; ++l)
        sum += out[l] = std::exp((static_cast<double>(margins[l]) - top) / temperature);
    for (double& value : out) value /= sum;
    return out;
}

Row merge_equivalent(const Row& probability, const Classes& classes) {
    Row merged{};
    for (std::size_t l = 0; l < option_count; ++l)
        for (std::size_t other = 0; other < option_count; ++other)
            if (equivalent(classes, l, other)) merged[l] += probability[other];
    return merged;
}

Option choose(const Row& value, const Classes& classes, Option current) {
    Option best = current;
    for (const Option option : all_options)
        if (value[index(option)] > value[index(best)]) best = classes[index(option)];
    return best;
}

Option favourite(const Prediction& prediction, const Classes& classes, Option current) {
    return choose(prediction.expected_gain, classes, current);
}

double probability_over(const Prediction& prediction, Option option, Option current) {
    const double own = prediction.probability[index(option)];
    const double either = own + prediction.probability[index(current)];
    return either > 0 ? own / either : 0;
}

Prediction make_prediction(std::span<const float> classifier, std::span<const float> gains,
                           double temperature, const Classes& classes, Option current) {
    Prediction prediction;
    prediction.probability = merge_equivalent(softmax(classifier, temperature), classes);
    Row utility{};
    for (std::size_t l = 0; l < option_count; ++l) {
        int members = 0;
        for (std::size_t other = 0; other < option_count; ++other) {
            if (!equivalent(classes, l, other)) continue;
            utility[l] += static_cast<double>(gains[other]);
            ++members;
        }
        utility[l] /= members;
    }
    for (std::size_t l = 0; l < option_count; ++l)
        prediction.expected_gain[l] =
            std::expm1(std::clamp(utility[l] - utility[index(current)], -most_apart, most_apart));
    prediction.best = favourite(prediction, classes, current);
    return prediction;
}

struct Classifier::Impl {
    Booster classifier, gains;
    proto::ModelManifest manifest;
    InputMask inputs;
    std::optional<Novelty> novelty;
    std::vector<float> row;

    // Writes the question into `row`.
    Result<void> ask(const Question& question) {
        const auto& values = question.features->values;
        if (values.size() != feature_schema().size())
            return fail(
                "a feature vector of {} values where the schema has {}; measure it with this "
                "version of intellisched",
                values.size(), feature_schema().size());
        if (!question.costs.empty() && question.costs.size() != sample_costs.size())
            return fail(
                "{} costs of the machine where {} are known; measure them with this version "
                "of intellisched",
                question.costs.size(), sample_costs.size());
        fill_inputs(row, values, question.costs, question.intent, inputs);
        return {};
    }

    double outside_training(const std::vector<float>& values) const {
        if (novelty) return novelty->of(values);
        std::size_t outside = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (std::isnan(values[i]) || !inputs[i]) continue;
            const int at = static_cast<int>(i);
            // Never seen in training (NaN): the comparison fails, so any value is outside.
            outside +=
                !(values[i] >= manifest.feature_min(at) && values[i] <= manifest.feature_max(at));
        }
        return static_cast<double>(outside) / static_cast<double>(values.size()) / most_outside;
    }
};

Result<Classifier> Classifier::load(const Model& model) {
    const auto load_one = [](const std::string& ubj) {
        return Booster::load(std::as_bytes(std::span(ubj)), model_feature_count(), option_count);
    };
    auto classifier = TRY(load_one(model.classifier_ubj));
    auto gains = TRY(load_one(model.gains_ubj));
    std::optional<Novelty> novelty;
    if (model.novelty) {
        novelty = TRY(Novelty::load(*model.novelty));
    }
    return Classifier(std::make_unique<Impl>(
        Impl{std::move(classifier), std::move(gains), model.manifest,
             model.manifest.snapshot() ? snapshot_inputs() : every_input(), std::move(novelty),
             std::vector<float>(model_feature_count())}));
}

Result<Prediction> Classifier::predict(const Question& question) const {
    TRY(impl_->ask(question));
    const auto classifier = TRY(impl_->classifier.margins(impl_->row));
    const auto gains = TRY(impl_->gains.margins(impl_->row));
    for (const auto& margins : {classifier, gains})
        for (const float margin : margins)
            if (!(std::fabs(margin) <= largest_margin)) // NaN as well
                return fail("model {} gives no probabilities for this window; retrain it",
                            impl_->manifest.id());
    Prediction prediction = make_prediction(classifier, gains, impl_->manifest.temperature(),
                                            question.classes, question.current);
    prediction.outside_training = impl_->outside_training(question.features->values);
    return prediction;
}

const proto::ModelManifest& Classifier::manifest() const { return impl_->manifest; }

Result<std::vector<Contribution>> Classifier::explain(const Question& question, Option option,
                                                      std::size_t limit) const {
    TRY(impl_->ask(question));
    const auto shap = TRY(impl_->classifier.contributions(impl_->row));
    const std::size_t columns = impl_->row.size() + 1; // the last one is the bias
    std::vector<Contribution> contributions;
    for (std::size_t feature = 0; feature < impl_->row.size(); ++feature) {
        double all = 0;
        double own = 0;
        double members = 0;
        for (std::size_t l = 0; l < option_count; ++l) {
            const auto value = static_cast<double>(shap[l * columns + feature]);
            all += value;
            if (!equivalent(question.classes, l, index(option))) continue;
            own += value;
            ++members;
        }
        const double weight = own - members * all / static_cast<double>(option_count);
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

UsualValues Classifier::usual(std::size_t feature) const {
    const auto& manifest = impl_->manifest;
    UsualValues values;
    if (feature >= feature_schema().size()) return values;
    const auto of = [&](const auto& range) {
        return feature < static_cast<std::size_t>(range.size())
                   ? static_cast<double>(range[static_cast<int>(feature)])
                   : values.usual;
    };
    values.least = of(manifest.feature_min());
    values.most = of(manifest.feature_max());
    if (impl_->novelty) values.usual = impl_->novelty->usual(feature);
    return values;
}

Result<Models> Models::load(const Bundle& bundle) {
    Models models{TRY(Classifier::load(bundle))};
    if (bundle.rate_limit) models.rate_limit = TRY(Classifier::load(*bundle.rate_limit));
    if (bundle.guest_classes)
        models.guest_classes = TRY(GuestClassifier::load(*bundle.guest_classes));
    return models;
}

Classifier::Classifier(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Classifier::Classifier(Classifier&&) noexcept = default;
Classifier& Classifier::operator=(Classifier&&) noexcept = default;
Classifier::~Classifier() = default;

} // namespace intellisched
