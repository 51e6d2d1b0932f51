// SPDX-License-Identifier: MIT
// From a feature vector to a probability and an expected gain per option.
#pragma once

#include "collector/window/schema.hpp"
#include "src/base/result.hpp"
#include "src/model/bundle.hpp"
#include "src/model/intent.hpp"
#include "src/model/option.hpp"

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace intellisched {

/// What a prediction is asked about.
struct Question {
    const FeatureVector* features = nullptr;
    Intent intent = Intent::balanced;
    Option current = boot_option;
    Classes classes{}; ///< which options coincide on the pool
    /// Of the machine, in the order of sample_costs, NaN for one that is not known; or none.
    std::span<const float> costs = {};
};

struct Prediction {
    /// By option. Equivalent options are one choice: each shows the sum over its class, so the
    /// values of the classes alone add up to 1.
    std::array<double, option_count> probability{};
    /// By option: expected relative change of the score against the current option (0.05: 5%
    /// better).
    std::array<double, option_count> expected_gain{};
    Option best = boot_option; ///< a representative, or `current` when it is in that class
    /// Novelty of the window: above 1 the model is not believed (src/model/novelty.hpp). For a
    /// bundle without it, from the features that are outside of their range in the training.
    double outside_training = 0;
};

/// One feature's part in the log-odds of one option against the others (from SHAP values).
struct Contribution {
    std::size_t feature = 0; ///< index in the manifest's feature_names
    double value = 0;        ///< what the feature was; NaN: missing
    double weight = 0;       ///< towards (above 0) or against the option
};

/// A feature's values in the training; NaN: not known.
struct UsualValues {
    double usual = std::numeric_limits<double>::quiet_NaN(); ///< Novelty::usual()
    double least = std::numeric_limits<double>::quiet_NaN();
    double most = std::numeric_limits<double>::quiet_NaN();
};

/// exp(margin / temperature) by option, normalised to a sum of 1.
[[nodiscard]] std::array<double, option_count> softmax(std::span<const float> margins,
                                                       double temperature);

/// Probabilities by option, summed over each class of equivalent options.
[[nodiscard]] std::array<double, option_count>
merge_equivalent(const std::array<double, option_count>& probability, const Classes& classes);

/// The option with the highest of these values, which are the same for equivalent options: the
/// representative of its class, or `current` if that is in it. A tie goes to the class of
/// `current`, then to the finest option.
[[nodiscard]] Option choose(const std::array<double, option_count>& value, const Classes& classes,
                            Option current);

/// The option to recommend: the one of the highest expected gain, because what counts is the cost
/// of a wrong choice, not how often a choice is right.
[[nodiscard]] Option favourite(const Prediction& prediction, const Classes& classes,
                               Option current);

/// Probability that `option` is the best, given that it or `current` is. So other options that are
/// as good do not count against it. 0 if neither can be the best.
[[nodiscard]] double probability_over(const Prediction& prediction, Option option, Option current);

/// A prediction (all but outside_training) from the margins of the two models, five each.
[[nodiscard]] Prediction make_prediction(std::span<const float> classifier,
                                         std::span<const float> gains, double temperature,
                                         const Classes& classes, Option current);

/// A loaded model. Not thread-safe: XGBoost keeps the output buffer of the last call. Never make it
/// static: XGBoost's thread-local state is destroyed before statics are, and freeing a model then
/// crashes.
class Classifier {
  public:
    /// Hands the ensembles of the model, which must come from parse_bundle(), read_bundle()
    /// or train(), to XGBoost. Errors: XGBoost refuses it.
    [[nodiscard]] static Result<Classifier> load(const Model& model);

    /// Errors: a vector that is not of the schema's size, costs that are not those of sample_costs;
    /// a model whose leaves are so large that no probability or gain comes of them.
    [[nodiscard]] Result<Prediction> predict(const Question& question) const;

    /// What the bundle says of the model.
    [[nodiscard]] const proto::ModelManifest& manifest() const;

    /// The features that moved the prediction for `option`, the heaviest first, at most `limit`,
    /// none of weight 0. Each weight is the feature's SHAP value for an option less its mean over
    /// all options (what moves all of them alike moves no probability), summed over the class of
    /// `option`. About 2 ms: a hundred times a prediction.
    [[nodiscard]] Result<std::vector<Contribution>> explain(const Question& question, Option option,
                                                            std::size_t limit) const;

    /// Of an input by its index in the manifest's feature_names; only the schema's features have
    /// them.
    [[nodiscard]] UsualValues usual(std::size_t feature) const;

    Classifier(Classifier&&) noexcept;
    Classifier& operator=(Classifier&&) noexcept;
    ~Classifier();

  private:
    struct Impl;
    explicit Classifier(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// The models of a bundle. All but that of the layout may be absent.
struct Models {
    Classifier layout;
    std::optional<Classifier> rate_limit = {};
    std::optional<GuestClassifier> guest_classes = {};

    /// Errors: those of the classifiers' load().
    [[nodiscard]] static Result<Models> load(const Bundle& bundle);
};

} // namespace intellisched
