// SPDX-License-Identifier: MIT
// From a feature vector to a probability and an expected gain per layout.
#pragma once

#include "collector/window/schema.hpp"
#include "src/base/result.hpp"
#include "src/layout/layout.hpp"
#include "src/model/bundle.hpp"
#include "src/model/intent.hpp"

#include <array>
#include <memory>
#include <span>
#include <vector>

namespace intellisched {

/// What a prediction is asked about.
struct Question {
    const FeatureVector* features = nullptr;
    Intent intent = Intent::balanced;
    Layout current = Layout::socket;
    Representatives representatives{}; ///< which layouts coincide on the pool
    /// Of the machine, in the order of sample_costs, NaN for one that is not known; or none.
    std::span<const float> costs = {};
};

struct Prediction {
    /// By layout. Equivalent layouts are one choice: each shows the sum over its class, so the
    /// values of the representatives alone add up to 1.
    std::array<double, layout_count> probability{};
    /// By layout: expected relative change of the score against the current layout (0.05: 5%
    /// better).
    std::array<double, layout_count> expected_gain{};
    Layout best = Layout::socket; ///< a representative, or `current` when it is in that class
    /// Novelty of the window: above 1 the model is not believed (src/model/novelty.hpp). For a
    /// bundle without it, from the features that are outside of their range in the training.
    double outside_training = 0;
};

/// One feature's part in the log-odds of one layout against the others (from SHAP values).
struct Contribution {
    std::size_t feature = 0; ///< index in the manifest's feature_names
    double value = 0;        ///< what the feature was; NaN: missing
    double weight = 0;       ///< towards (above 0) or against the layout
};

/// exp(margin / temperature) by layout, normalised to a sum of 1.
[[nodiscard]] std::array<double, layout_count> softmax(std::span<const float> margins,
                                                       double temperature);

/// Probabilities by layout, summed over each class of equivalent layouts.
[[nodiscard]] std::array<double, layout_count>
merge_equivalent(const std::array<double, layout_count>& probability,
                 const Representatives& representatives);

/// The layout with the highest of these values, which are the same for equivalent layouts: the
/// representative of its class, or `current` if that is in it. A tie goes to the class of
/// `current`, then to the finest layout.
[[nodiscard]] Layout choose(const std::array<double, layout_count>& value,
                            const Representatives& representatives, Layout current);

/// The layout to recommend: the one of the highest expected gain, because what counts is the cost
/// of a wrong choice, not how often a choice is right.
[[nodiscard]] Layout favourite(const Prediction& prediction, const Representatives& representatives,
                               Layout current);

/// Probability that `layout` is the best, given that it or `current` is. So other layouts that are
/// as good do not count against it. 0 if neither can be the best.
[[nodiscard]] double probability_over(const Prediction& prediction, Layout layout, Layout current);

/// A prediction (all but outside_training) from the margins of the two models, five each.
[[nodiscard]] Prediction make_prediction(std::span<const float> classifier,
                                         std::span<const float> gains, double temperature,
                                         const Representatives& representatives, Layout current);

/// A loaded model. Not thread-safe: XGBoost keeps the output buffer of the last call. Never make it
/// static: XGBoost's thread-local state is destroyed before statics are, and freeing a model then
/// crashes.
class Classifier {
  public:
    /// Hands the models of the bundle, which must come from parse_bundle(), read_bundle() or
    /// train(), to XGBoost. Errors: XGBoost refuses it.
    [[nodiscard]] static Result<Classifier> load(const Bundle& bundle);

    /// Errors: a vector that is not of the schema's size, costs that are not those of sample_costs;
    /// a model whose leaves are so large that no probability or gain comes of them.
    [[nodiscard]] Result<Prediction> predict(const Question& question) const;

    /// What the bundle says of the model.
    [[nodiscard]] const proto::ModelManifest& manifest() const;

    /// The features that moved the prediction for `layout`, the heaviest first, at most `limit`,
    /// none of weight 0. Each weight is the feature's SHAP value for a layout less its mean over
    /// all layouts (what moves all of them alike moves no probability), summed over the class of
    /// `layout`. About 2 ms: a hundred times a prediction.
    [[nodiscard]] Result<std::vector<Contribution>> explain(const Question& question, Layout layout,
                                                            std::size_t limit) const;

    Classifier(Classifier&&) noexcept;
    Classifier& operator=(Classifier&&) noexcept;
    ~Classifier();

  private:
    struct Impl;
    explicit Classifier(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace intellisched
