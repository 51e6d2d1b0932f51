// SPDX-License-Identifier: MIT
#include "src/model/evaluate.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched {

namespace {

constexpr double harm_threshold = 0.01;

Outcome outcome_of(const Case& one, Layout chosen, double confidence) {
    Outcome outcome;
    outcome.scenario = one.sample->scenario();
    outcome.family = one.sample->family();
    outcome.topology = one.sample->topology();
    outcome.intent = one.intent;
    outcome.chosen = chosen;
    outcome.confidence = confidence;
    outcome.right = one.best[index(chosen)];
    outcome.regret = one.regret(chosen);
    outcome.default_regret = one.regret(Layout::socket);
    const double socket = one.score[index(Layout::socket)];
    outcome.gain = socket > 0 ? one.score[index(chosen)] / socket - 1 : 0;
    return outcome;
}

} // namespace

Outcome judge(const Case& one, std::span<const float> probability) {
    const auto merged = merge_equivalent(probability, one.representatives);
    const Layout chosen = choose(merged, one.representatives, one.current);
    return outcome_of(one, chosen, merged[index(chosen)]);
}

Evaluation summarise(std::span<const Outcome> outcomes) {
    Evaluation all;
    if (outcomes.empty()) return all;
    const auto n = static_cast<double>(outcomes.size());
    all.cases = outcomes.size();
    for (const Outcome& outcome : outcomes) {
        all.accuracy += outcome.right / n;
        all.regret += outcome.regret / n;
        all.default_regret += outcome.default_regret / n;
        all.gain += outcome.gain / n;
        all.no_harm += (outcome.regret <= outcome.default_regret + harm_threshold) / n;
        const double tenth = std::clamp(std::floor(outcome.confidence * 10), 0.0, 9.0);
        auto& bin = all.calibration[static_cast<std::size_t>(tenth)];
        ++bin.cases;
        bin.confidence += outcome.confidence;
        bin.accuracy += outcome.right;
    }
    for (auto& bin : all.calibration) {
        if (bin.cases == 0) continue;
        const auto cases = static_cast<double>(bin.cases);
        bin.confidence /= cases;
        bin.accuracy /= cases;
        all.calibration_error += std::fabs(bin.confidence - bin.accuracy) * cases / n;
    }
    return all;
}

Result<std::vector<Outcome>> evaluate(const Classifier& classifier,
                                      std::span<const proto::Sample> samples) {
    const auto cases = make_cases(samples);
    if (!cases) return tl::unexpected(cases.error());
    std::vector<Outcome> outcomes;
    FeatureVector features;
    for (const Case& one : *cases) {
        features.values.assign(one.sample->features().begin(), one.sample->features().end());
        const auto prediction =
            classifier.predict({&features, one.intent, one.current, one.representatives});
        if (!prediction) return tl::unexpected(prediction.error());
        outcomes.push_back(
            outcome_of(one, prediction->best, prediction->probability[index(prediction->best)]));
    }
    return outcomes;
}

} // namespace intellisched
