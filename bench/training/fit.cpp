// SPDX-License-Identifier: MIT
#include "bench/training/fit.hpp"

#include "bench/training/targets.hpp"
#include "src/base/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace intellisched {

namespace {

constexpr double blanked = 0.3; // of the rows: without the machine's costs

// Of ln score. Residuals above it count by their size instead of their square: an option that
// collapses is bad, however bad it is, and what most cases of a leaf have is what counts.
constexpr double huber_delta = 0.01;

constexpr float least_hessian = 1e-6F;

struct Derivatives {
    std::vector<float> gradient, hessian;
    explicit Derivatives(std::size_t size) : gradient(size), hessian(size) {}
};

using Row = std::array<double, option_count>;

/// Given that it is one of those that were measured: nothing is learnt of the others.
void among_measured(Row& p, const Targets& targets) {
    if (targets.complete) return;
    double sum = 0;
    for (std::size_t l = 0; l < option_count; ++l) sum += p[l] *= targets.part[l] > 0 ? 1 : 0;
    for (double& one : p) one /= std::max(sum, std::numeric_limits<double>::min());
}

/// Cross-entropy: p - q, and its second derivative p (1 - p), doubled as XGBoost's own objective
/// has it (a bound for the whole softmax).
void classifier_step(const std::vector<Targets>& targets, std::span<const float> margins,
                     Derivatives& out) {
    double mean = 0;
    for (const Targets& one : targets) mean += one.weight / static_cast<double>(targets.size());
    for (std::size_t i = 0; i < targets.size(); ++i) {
        Row p = softmax(margins.subspan(i * option_count, option_count), 1);
        among_measured(p, targets[i]);
        const double weight = targets[i].trust * targets[i].weight / mean;
        for (std::size_t l = 0; l < option_count; ++l) {
            const std::size_t at = i * option_count + l;
            out.gradient[at] = static_cast<float>(weight * (p[l] - targets[i].probability[l]));
            out.hessian[at] =
                std::max(static_cast<float>(2 * weight * p[l] * (1 - p[l])), least_hessian);
        }
    }
}

/// What the targets' utilities are against, in the margins' terms: 0 where they are against the
/// mean of all options. Of a case that is not complete it is known how far its options are apart,
/// not how far they are from the others.
double origin(std::span<const float> margins, const Targets& targets) {
    if (targets.complete) return 0;
    double sum = 0, parts = 0;
    for (std::size_t l = 0; l < option_count; ++l) {
        sum += targets.part[l] * static_cast<double>(margins[l]);
        parts += targets.part[l];
    }
    return sum / parts;
}

/// Pseudo-Huber; the second derivative is that of the parabola that bounds it (1 / root), for the
/// true one vanishes where residuals are large and steps would grow without bound.
void gains_step(const std::vector<Targets>& targets, std::span<const float> margins,
                Derivatives& out) {
    for (std::size_t i = 0; i < targets.size(); ++i) {
        const Targets& target = targets[i];
        const double zero = origin(margins.subspan(i * option_count, option_count), target);
        for (std::size_t l = 0; l < option_count; ++l) {
            const std::size_t at = i * option_count + l;
            const double residual = static_cast<double>(margins[at]) - zero - target.utility[l];
            const double root = std::hypot(1, residual / huber_delta);
            const double weight = target.part[l] > 0 ? target.trust : 0;
            out.gradient[at] = static_cast<float>(weight * residual / root);
            out.hessian[at] = std::max(static_cast<float>(weight / root), least_hessian);
        }
    }
}

Result<Matrix> matrix_of(Chosen cases, const InputMask& inputs, double blank, std::uint64_t seed) {
    const std::size_t columns = model_feature_count();
    std::vector<float> values(cases.size() * columns);
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const Case& one = *cases[i];
        const bool unknown = static_cast<double>(splitmix64(seed) >> 11) * 0x1p-53 < blank;
        const std::span<const float> costs(one.sample->costs().data(),
                                           static_cast<std::size_t>(one.sample->costs_size()));
        fill_inputs(
            std::span(values).subspan(i * columns, columns),
            {one.sample->features().data(), static_cast<std::size_t>(one.sample->features_size())},
            unknown ? std::span<const float>() : costs, one.intent, inputs);
    }
    return Matrix::create(values, cases.size(), columns);
}

Booster::Parameters parameters(const Learning& learning) {
    return {{"objective", "multi:softprob"},
            {"num_class", std::to_string(option_count)},
            {"base_score", "0"},
            {"tree_method", "hist"},
            {"max_bin", "64"}, // a third of the time of the default 256, choices as good
            {"max_depth", std::to_string(learning.max_depth)},
            {"eta", fmt::format("{}", learning.learning_rate)},
            // A scenario gives about twenty rows, so a leaf of few rows is a leaf of one scenario.
            {"min_child_weight", fmt::format("{}", learning.leaf)},
            // Trees that each see a part agree less by accident on few scenarios.
            {"subsample", "0.7"},
            {"colsample_bynode", "0.3"},
            // XGBoost seeds its generator with 32 bits of a signed number.
            {"seed", std::to_string(learning.seed % 2147483647)}};
}

template<class Step> Result<Booster> fit_one(const Matrix& matrix,
                                             const std::vector<Targets>& targets,
                                             const Learning& learning, Step step) {
    auto booster = Booster::create(matrix, parameters(learning));
    if (!booster) return booster;
    Derivatives derivatives(targets.size() * option_count);
    for (unsigned round = 0; round < learning.rounds; ++round) {
        if (learning.stop != nullptr && learning.stop->load())
            return fail("training stopped; nothing was written");
        const auto margins = TRY(booster->margins(matrix));
        step(targets, margins, derivatives);
        TRY(booster->boost(matrix, derivatives.gradient, derivatives.hessian));
        if (learning.round_done) learning.round_done();
    }
    return booster;
}

} // namespace

Result<Ensembles> fit(Chosen cases, const Learning& learning) {
    if (cases.empty()) return fail("no samples to learn from; make more (intellisched bench)");
    const auto matrix = TRY(matrix_of(cases, learning.inputs, blanked, learning.seed));
    std::vector<Targets> targets;
    for (const Case* one : cases) targets.push_back(targets_of(*one));
    auto classifier = TRY(fit_one(matrix, targets, learning, classifier_step));
    auto gains = TRY(fit_one(matrix, targets, learning, gains_step));
    return Ensembles{std::move(classifier), std::move(gains)};
}

Result<CaseMargins> margins_of(const Ensembles& ensembles, Chosen cases, const InputMask& inputs) {
    if (cases.empty()) return CaseMargins{};
    const auto matrix = TRY(matrix_of(cases, inputs, 0, 0));
    auto classifier = TRY(ensembles.classifier.margins(matrix));
    auto gains = TRY(ensembles.gains.margins(matrix));
    return CaseMargins{std::move(classifier), std::move(gains)};
}

double fit_temperature(std::span<const float> margins, Chosen cases) {
    const auto loss = [&](double log_temperature) {
        double sum = 0;
        for (std::size_t i = 0; i < cases.size(); ++i) {
            const Row p =
                softmax(margins.subspan(i * option_count, option_count), std::exp(log_temperature));
            double best = 0;
            for (std::size_t l = 0; l < option_count; ++l)
                if (cases[i]->best[l]) best += p[l];
            sum -= std::log(std::max(best, 1e-12));
        }
        return sum;
    };
    if (cases.empty()) return 1;
    // Golden-section search; the loss is convex in 1/T and so has one minimum over ln T.
    const double golden = (std::sqrt(5.0) - 1) / 2;
    double low = std::log(0.2), high = std::log(5.0);
    while (high - low > 1e-4) {
        const double a = high - golden * (high - low);
        const double b = low + golden * (high - low);
        if (loss(a) < loss(b))
            high = b;
        else
            low = a;
    }
    return std::exp((low + high) / 2);
}

std::vector<Prediction> predictions_of(const CaseMargins& margins, double temperature,
                                       Chosen cases) {
    std::vector<Prediction> predictions;
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const auto of = [&](const std::vector<float>& all) {
            return std::span(all).subspan(i * option_count, option_count);
        };
        predictions.push_back(make_prediction(of(margins.classifier), of(margins.gains),
                                              temperature, cases[i]->classes, cases[i]->current));
    }
    return predictions;
}

} // namespace intellisched
