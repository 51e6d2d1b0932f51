// SPDX-License-Identifier: MIT
#include "bench/training/evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

namespace intellisched {

namespace {

/// The smallest value that at least `part` of them are not above.
double quantile(const std::vector<double>& sorted, double part) {
    const auto n = static_cast<double>(sorted.size());
    const auto rank = static_cast<std::size_t>(std::max(1.0, std::ceil(part * n)));
    return sorted[rank - 1];
}

} // namespace

namespace {

std::optional<ScoreParts> gained(const Case& one, Option chosen) {
    const auto& parts = one.sample->parts();
    if (parts.empty()) return std::nullopt;
    const auto& base = parts[static_cast<int>(index(boot_option))];
    const auto& of = parts[static_cast<int>(index(chosen))];
    return ScoreParts{of.work() - base.work(), of.headroom() - base.headroom(),
                      of.tail() - base.tail(), of.share() - base.share()};
}

/// NaN without any that is known.
ScoreParts mean_gained(std::span<const CaseOutcome> outcomes) {
    ScoreParts sum;
    double known = 0;
    for (const CaseOutcome& outcome : outcomes) {
        if (!outcome.gained) continue;
        ++known;
        sum.work += outcome.gained->work;
        sum.headroom += outcome.gained->headroom;
        sum.tail += outcome.gained->tail;
        sum.share += outcome.gained->share;
    }
    for (double* part : {&sum.work, &sum.headroom, &sum.tail, &sum.share}) *part /= known;
    return sum;
}

} // namespace

CaseOutcome outcome_of(const Case& one, Option chosen, double confidence) {
    return {.of = &one,
            .chosen = chosen,
            .confidence = confidence,
            .right = one.best[index(chosen)],
            .regret = one.regret(chosen),
            .default_regret = one.regret(boot_option),
            .gained = gained(one, chosen)};
}

CaseOutcome judge(const Case& one, const Prediction& prediction) {
    return outcome_of(one, prediction.best, prediction.probability[index(prediction.best)]);
}

std::vector<CaseOutcome> judge_repeats(const Case& one) {
    std::vector<CaseOutcome> outcomes;
    if (one.repeats.size() < 2) return outcomes;
    for (const auto& judge : one.repeats) {
        std::array<double, option_count> others{};
        for (const auto& repeat : one.repeats)
            for (std::size_t l = 0; l < option_count; ++l)
                if (&repeat != &judge) others[l] += repeat[l];
        const auto chosen = static_cast<std::size_t>(
            std::max_element(others.begin(), others.end()) - others.begin());
        CaseOutcome outcome = outcome_of(one, all_options[chosen], 1);
        outcome.regret = -std::expm1(judge[chosen]);
        outcome.default_regret = -std::expm1(judge[index(boot_option)]);
        outcome.gained.reset(); // the sample has the parts of all repeats only
        outcomes.push_back(outcome);
    }
    return outcomes;
}

bool under_default(const Case& one) { return one.equivalent(one.current, boot_option); }

namespace {

/// Standard error of the mean regret. Windows and intents of one scenario are no independent
/// evidence, so it is of the scenarios' sums (cluster-robust, as of a mean of unequal clusters).
double error_over_scenarios(std::span<const CaseOutcome> outcomes, double mean) {
    std::map<std::string_view, double> sums;
    for (const CaseOutcome& one : outcomes) sums[one.of->sample->scenario()] += one.regret - mean;
    const auto scenarios = static_cast<double>(sums.size());
    if (scenarios < 2) return NAN;
    double squares = 0;
    for (const auto& [scenario, sum] : sums) squares += sum * sum;
    return std::sqrt(squares * scenarios / (scenarios - 1)) / static_cast<double>(outcomes.size());
}

} // namespace

Evaluation summarise(std::span<const CaseOutcome> outcomes) {
    Evaluation all;
    if (outcomes.empty()) return all;
    const auto n = static_cast<double>(outcomes.size());
    all.cases = outcomes.size();
    std::vector<double> regrets;
    for (const CaseOutcome& outcome : outcomes) {
        regrets.push_back(outcome.regret);
        all.accuracy += outcome.right / n;
        all.regret.mean += outcome.regret / n;
        all.default_regret += outcome.default_regret / n;
        // Both regrets are shares of the best score; harm is a share of the default's.
        all.harm += (1 - outcome.regret < (1 - outcome.default_regret) * (1 - harm_threshold)) / n;
        const double tenth = std::clamp(std::floor(outcome.confidence * 10), 0.0, 9.0);
        auto& bin = all.calibration[static_cast<std::size_t>(tenth)];
        ++bin.cases;
        bin.confidence += outcome.confidence;
        bin.accuracy += outcome.right;
        const auto best = static_cast<std::size_t>(
            std::find(outcome.of->best.begin(), outcome.of->best.end(), true) -
            outcome.of->best.begin());
        ++all.confusion[best][index(outcome.of->classes[index(outcome.chosen)])];
    }
    all.gained = mean_gained(outcomes);
    std::sort(regrets.begin(), regrets.end());
    all.regret.median = quantile(regrets, 0.5);
    all.regret.p95 = quantile(regrets, 0.95);
    all.regret.max = regrets.back();
    all.captured = all.default_regret > 0 ? 1 - all.regret.mean / all.default_regret : NAN;
    all.regret_error = error_over_scenarios(outcomes, all.regret.mean);
    for (auto& bin : all.calibration) {
        if (bin.cases == 0) continue;
        const auto cases = static_cast<double>(bin.cases);
        bin.confidence /= cases;
        bin.accuracy /= cases;
        all.calibration_error += std::fabs(bin.confidence - bin.accuracy) * cases / n;
    }
    return all;
}

} // namespace intellisched
