// SPDX-License-Identifier: MIT
#include "src/model/novelty.hpp"

#include "collector/window/schema.hpp"
#include "src/model/cases.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace intellisched {

namespace {

using Row = std::vector<double>;
using Matrix = std::vector<Row>; // square

// Of the training's windows, held out by scenario: above a novelty of 1.
constexpr double novel_part = 0.03;
constexpr unsigned held_out_folds = 5;

// Of a feature's errors: of ordinary size.
constexpr double ordinary_part = 0.995;
// In standard deviations. A feature that always follows from others has next to no errors.
constexpr double least_error = 0.3;

// Of a squared error, at most: a host may have one oddity or two.
constexpr double most_of_one = 9;

// Added to each feature's variance, which is 1: what follows exactly from other features in the
// training, CPUs from cores and threads, need not elsewhere.
constexpr double ridge = 0.01;

// Of a feature's logarithm, at least; below it is a constant.
constexpr double least_deviation = 1e-4;

// Well below the inverse of that, a value is as good as 0; above, ratios count.
constexpr double log_scale = 30;
constexpr double largest_log = 100; // above that of any float but infinity
constexpr float largest_weight = 1e6F;
constexpr double least_threshold = 1;
constexpr int sweeps = 10; // over missing values

double in_logs(float value) {
    if (std::isnan(value)) return NAN;
    const double log = std::log1p(log_scale * std::fabs(static_cast<double>(value)));
    return std::copysign(std::min(log, largest_log), static_cast<double>(value));
}

double product(const Row& a, const Row& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// Gives each missing value what the others foretell of it: where its own error is 0 (Gauss-Seidel).
void fill_missing(const Matrix& weights, Row& z) {
    std::vector<std::size_t> missing;
    for (std::size_t i = 0; i < z.size(); ++i)
        if (std::isnan(z[i])) {
            z[i] = 0;
            if (weights[i][i] > 0) missing.push_back(i);
        }
    for (int sweep = 0; sweep < sweeps; ++sweep)
        for (const std::size_t i : missing) z[i] -= product(weights[i], z) / weights[i][i];
}

double sum_of_squared_errors(const Matrix& weights, const Row& center, const Row& logs) {
    Row z(logs.size());
    for (std::size_t i = 0; i < z.size(); ++i) z[i] = logs[i] - center[i];
    fill_missing(weights, z);
    double sum = 0;
    for (const Row& row : weights) {
        const double error = product(row, z);
        sum += std::min(error * error, most_of_one);
    }
    return sum;
}

// Of a symmetric matrix whose eigenvalues are at least `ridge`, so that no pivot is smaller
// (Gauss-Jordan).
Matrix inverse(Matrix a) {
    for (std::size_t k = 0; k < a.size(); ++k) {
        const double pivot = std::exchange(a[k][k], 1);
        for (double& value : a[k]) value /= pivot;
        for (std::size_t i = 0; i < a.size(); ++i) {
            if (i == k) continue;
            const double factor = std::exchange(a[i][k], 0);
            for (std::size_t j = 0; j < a.size(); ++j) a[i][j] -= factor * a[k][j];
        }
    }
    return a;
}

Matrix covariance(const std::vector<Row>& rows) {
    const std::size_t n = rows.front().size();
    Matrix sum(n, Row(n));
    for (const Row& row : rows)
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j <= i; ++j) sum[i][j] += row[i] * row[j];
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j <= i; ++j)
            sum[j][i] = sum[i][j] /= static_cast<double>(rows.size());
    for (std::size_t i = 0; i < n; ++i) sum[i][i] += ridge;
    return sum;
}

// The smallest value that all but 1 - `part` of them are at or below. Changes their order.
double quantile(Row& values, double part) {
    const auto at =
        values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

struct Fitted {
    Row center;
    Matrix weights;
};

// `rows` are in logs; missing values are NaN.
Fitted fit_rows(const std::vector<const Row*>& rows) {
    const std::size_t n = rows.front()->size();
    Row center(n), deviation(n); // a deviation of 0: does not count
    std::vector<Row> standard(rows.size(), Row(n));
    for (std::size_t i = 0; i < n; ++i) {
        Row values;
        for (const Row* row : rows)
            if (!std::isnan((*row)[i])) values.push_back((*row)[i]);
        if (values.empty()) continue;
        const auto count = static_cast<double>(values.size());
        center[i] = std::accumulate(values.begin(), values.end(), 0.0) / count;
        for (double& value : values) value -= center[i];
        deviation[i] = std::sqrt(product(values, values) / count);
        if (deviation[i] < least_deviation) deviation[i] = 0;
        for (std::size_t r = 0; r < rows.size() && deviation[i] > 0; ++r)
            standard[r][i] = ((*rows[r])[i] - center[i]) / deviation[i];
    }
    // What is missing is the mean at first, then what the others foretell by that.
    std::vector<Row> filled = standard;
    for (Row& row : filled)
        for (double& value : row)
            if (std::isnan(value)) value = 0;
    const Matrix first = inverse(covariance(filled));
    filled = standard;
    for (Row& row : filled) fill_missing(first, row);
    const Matrix precision = inverse(covariance(filled));

    Matrix weights(n, Row(n));
    Row errors(rows.size());
    for (std::size_t i = 0; i < n; ++i) {
        if (deviation[i] == 0) continue;
        const double own = std::sqrt(precision[i][i]);
        for (std::size_t r = 0; r < rows.size(); ++r)
            errors[r] = std::fabs(product(precision[i], filled[r])) / own;
        const double unit = own * std::max(quantile(errors, ordinary_part), least_error);
        for (std::size_t j = 0; j < n; ++j)
            if (deviation[j] > 0) weights[i][j] = precision[i][j] / unit / deviation[j];
    }
    return {std::move(center), std::move(weights)};
}

// What novel_part of the rows are above, each judged by a fit without its scenario.
Result<double> held_out_threshold(const std::vector<Row>& rows,
                                  std::span<const proto::Sample> samples, std::uint64_t seed) {
    std::vector<Case> cases(samples.size());
    for (std::size_t i = 0; i < cases.size(); ++i) cases[i].sample = &samples[i];
    const auto folds = TRY(make_folds(cases, Group::scenario, seed, held_out_folds));
    Row distances;
    for (unsigned fold = 0; fold < folds.count; ++fold) {
        std::vector<const Row*> seen, unseen;
        for (std::size_t i = 0; i < rows.size(); ++i)
            (folds.fold[i] == fold ? unseen : seen).push_back(&rows[i]);
        const Fitted fitted = fit_rows(seen);
        for (const Row* row : unseen)
            distances.push_back(sum_of_squared_errors(fitted.weights, fitted.center, *row));
    }
    return quantile(distances, 1 - novel_part);
}

} // namespace

Result<Novelty> Novelty::fit(std::span<const proto::Sample> samples, const InputMask& inputs,
                             std::uint64_t seed) {
    std::vector<Row> rows;
    for (const auto& sample : samples) {
        Row& row = rows.emplace_back();
        for (int i = 0; i < sample.features_size(); ++i)
            row.push_back(inputs[static_cast<std::size_t>(i)] ? in_logs(sample.features(i)) : NAN);
    }
    const auto threshold = TRY(held_out_threshold(rows, samples, seed));
    std::vector<const Row*> all;
    for (const Row& row : rows) all.push_back(&row);
    Fitted fitted = fit_rows(all);
    Novelty novelty;
    novelty.center_ = std::move(fitted.center);
    novelty.weights_ = std::move(fitted.weights);
    novelty.threshold_ = std::max(threshold, least_threshold);
    return novelty;
}

Result<Novelty> Novelty::load(const proto::Novelty& stored) {
    const std::size_t n = feature_schema().size();
    if (static_cast<std::size_t>(stored.center_size()) != n ||
        static_cast<std::size_t>(stored.weights_size()) != n * n)
        return fail("what it knows unlike windows by is not of every feature");
    const auto possible = [](float value) { return std::fabs(value) <= largest_weight; }; // no NaN
    if (!std::all_of(stored.center().begin(), stored.center().end(), possible) ||
        !std::all_of(stored.weights().begin(), stored.weights().end(), possible))
        return fail("an impossible number in what it knows unlike windows by");
    if (!(stored.threshold() >= least_threshold && stored.threshold() <= largest_weight))
        return fail("a threshold of {} for unlike windows", stored.threshold());
    Novelty novelty;
    novelty.threshold_ = stored.threshold();
    novelty.center_.assign(stored.center().begin(), stored.center().end());
    for (auto at = stored.weights().begin(); at != stored.weights().end();
         at += static_cast<int>(n))
        novelty.weights_.emplace_back(at, at + static_cast<int>(n));
    return novelty;
}

proto::Novelty Novelty::stored() const {
    proto::Novelty message;
    for (const double value : center_) message.add_center(static_cast<float>(value));
    for (const Row& row : weights_)
        for (const double weight : row) message.add_weights(static_cast<float>(weight));
    message.set_threshold(threshold_);
    return message;
}

double Novelty::of(std::span<const float> features) const {
    Row logs;
    for (const float value : features) logs.push_back(in_logs(value));
    const double novelty = sum_of_squared_errors(weights_, center_, logs) / threshold_;
    return novelty <= most_novel ? novelty : most_novel; // NaN as well: of weights that diverge
}

} // namespace intellisched
