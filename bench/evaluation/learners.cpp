// SPDX-License-Identifier: MIT
#include "bench/evaluation/learners.hpp"

#include "bench/evaluation/standardise.hpp"
#include "bench/training/targets.hpp"
#include "bench/training/train.hpp"
#include "collector/window/schema.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <queue>

namespace intellisched {

namespace {

/// A prediction that is sure of one option and promises nothing.
Prediction certain(const Case& one, Option option) {
    Prediction prediction;
    prediction.best = option;
    for (const Option other : all_options)
        if (one.equivalent(option, other)) prediction.probability[index(other)] = 1;
    return prediction;
}

/// Every case by a rule of its own.
template<class Rule> Result<std::vector<Prediction>> by_rule(Chosen test, Rule rule) {
    std::vector<Prediction> predictions;
    for (const Case* one : test) predictions.push_back(certain(*one, rule(*one)));
    return predictions;
}

double feature(const Case& one, std::string_view name) {
    const auto at = feature_index(name);
    return at ? static_cast<double>(one.sample->features(static_cast<int>(*at))) : NAN;
}

// Comparisons with a missing value are false, so it matches no rule.
Option limit_rule(const Case& one) {
    // Nobody answers a client: fewer switches are all there is to gain.
    if (feature(one, "load.hogs") > 0.9) return all_options.back();
    // Servers beside work that never stops: let them in at once.
    if (one.intent == Intent::latency && feature(one, "load.hogs") > 0.2) return nearest_limit(300);
    return boot_option;
}

Option rule_of(const Case& one) {
    if (knob_of(*one.sample) == Knob::rate_limit) return limit_rule(one);
    const double largest = feature(one, "topology.cpus") / feature(one, "runqueues.all");
    const double burst_us = feature(one, "burst.mean");
    // Every CPU takes its turn at one lock: runqueues of many CPUs do not suit short bursts.
    if (largest > 32 && burst_us < 300) return option_of(Layout::core);
    // With vCPUs waiting everywhere CPUs never idle, and moving costs caches: stay local.
    if (feature(one, "load.saturated") > 0.9 && burst_us < 1000) return option_of(Layout::core);
    // vCPUs that wake each other want one runqueue, long bursts pay for their moves.
    if (feature(one, "events.sibling_wakeups") > 0.5 || burst_us > 1000)
        return option_of(Layout::all);
    return boot_option;
}

constexpr std::size_t neighbours = 5;
constexpr unsigned linear_rounds = 60;

Result<std::vector<Prediction>> learn_linear(Chosen training, Chosen test) {
    const Standardiser standard(training);
    const std::size_t columns = model_feature_count();
    const auto matrix = TRY(Matrix::create(standard.rows(training), training.size(), columns));
    auto booster = TRY(Booster::create(matrix, {{"booster", "gblinear"},
                                                {"objective", "multi:softprob"},
                                                {"num_class", std::to_string(option_count)},
                                                {"base_score", "0"},
                                                {"updater", "coord_descent"},
                                                {"lambda", "0.001"},
                                                {"eta", "0.5"}}));
    std::vector<float> gradient(training.size() * option_count), hessian(gradient.size());
    for (unsigned round = 0; round < linear_rounds; ++round) {
        const auto margins = TRY(booster.margins(matrix));
        for (std::size_t i = 0; i < training.size(); ++i) {
            const auto at = i * option_count;
            const auto p = softmax(std::span(margins).subspan(at, option_count), 1);
            const Targets targets = targets_of(*training[i]);
            for (std::size_t l = 0; l < option_count; ++l) {
                gradient[at + l] = static_cast<float>(p[l] - targets.probability[l]);
                hessian[at + l] = static_cast<float>(std::max(2 * p[l] * (1 - p[l]), 1e-6));
            }
        }
        TRY(booster.boost(matrix, gradient, hessian));
    }
    const auto unseen = TRY(Matrix::create(standard.rows(test), test.size(), columns));
    const auto margins = TRY(booster.margins(unseen));
    std::vector<Prediction> predictions;
    for (std::size_t i = 0; i < test.size(); ++i) {
        Prediction one;
        one.probability =
            merge_equivalent(softmax(std::span(margins).subspan(i * option_count, option_count), 1),
                             test[i]->classes);
        one.best = choose(one.probability, test[i]->classes, test[i]->current);
        predictions.push_back(one);
    }
    return predictions;
}

/// Squared, or something larger than `enough`: most rows are far off after a few columns.
float distance(std::span<const float> a, std::span<const float> b, float enough) {
    constexpr std::size_t block = 16;
    float sum = 0;
    for (std::size_t i = 0; i < a.size() && sum <= enough;)
        for (const std::size_t end = std::min(i + block, a.size()); i < end; ++i)
            sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

/// Of the training cases at these places, the mean utilities of those that are nearest to the row.
std::array<double, option_count> nearest(std::span<const float> row, std::span<const float> rows,
                                         const std::vector<std::size_t>& places, Chosen training) {
    std::priority_queue<std::pair<float, std::size_t>> closest; // the farthest of them on top
    for (const std::size_t place : places) {
        const float enough = closest.size() < neighbours ? INFINITY : closest.top().first;
        const float off = distance(row, rows.subspan(place * row.size(), row.size()), enough);
        if (off < enough) closest.emplace(off, place);
        if (closest.size() > neighbours) closest.pop();
    }
    std::array<double, option_count> sum{};
    for (; !closest.empty(); closest.pop()) {
        const Targets targets = targets_of(*training[closest.top().second]);
        for (std::size_t l = 0; l < option_count; ++l) sum[l] += targets.utility[l];
    }
    return sum;
}

Result<std::vector<Prediction>> learn_neighbours(Chosen training, Chosen test) {
    const Standardiser standard(training);
    const auto rows = standard.rows(training);
    const auto asked = standard.rows(test);
    const std::size_t columns = model_feature_count();
    std::map<std::pair<Intent, Option>, std::vector<std::size_t>> places;
    for (std::size_t i = 0; i < training.size(); ++i)
        places[{training[i]->intent, training[i]->current}].push_back(i);
    std::vector<Prediction> predictions;
    for (std::size_t i = 0; i < test.size(); ++i) {
        const Case& one = *test[i];
        const auto found = places.find({one.intent, one.current});
        if (found == places.end()) {
            predictions.push_back(certain(one, one.current));
            continue;
        }
        const auto own = std::span(asked).subspan(i * columns, columns);
        const auto sum = nearest(own, rows, found->second, training);
        std::array<double, option_count> merged{}; // neighbours may have other classes
        for (const Option option : all_options)
            for (const Option other : all_options)
                if (one.equivalent(option, other))
                    merged[index(option)] += sum[index(other)] / one.members(option);
        predictions.push_back(certain(one, choose(merged, one.classes, one.current)));
    }
    return predictions;
}

} // namespace

Learner model_learner(std::string name, const Learning& learning) {
    return {std::move(name),
            [learning](Chosen training, Chosen test) -> Result<std::vector<Prediction>> {
                const auto fitted = TRY(fit_calibrated(training, learning, 1));
                const auto margins = TRY(margins_of(fitted.ensembles, test, learning.inputs));
                return predictions_of(margins, fitted.temperature, test);
            }};
}

Learner boot_default() {
    return {"boot default", [](Chosen, Chosen test) {
                return by_rule(test, [](const Case&) { return boot_option; });
            }};
}

Learner best_static() {
    return {"best static option", [](Chosen training, Chosen test) {
                std::array<double, option_count> regret{};
                for (const Case* one : training)
                    for (const Option option : all_options)
                        regret[index(option)] += one->regret(option);
                const Option best = all_options[static_cast<std::size_t>(
                    std::min_element(regret.begin(), regret.end()) - regret.begin())];
                return by_rule(test, [best](const Case&) { return best; });
            }};
}

Learner hand_written_rules() {
    return {"hand-written rules", [](Chosen, Chosen test) { return by_rule(test, rule_of); }};
}

Learner logistic_regression() { return {"logistic regression", learn_linear}; }

Learner nearest_neighbours() { return {"5 nearest neighbours", learn_neighbours}; }

} // namespace intellisched
