// SPDX-License-Identifier: MIT
#include "bench/training/fit_novelty.hpp"

#include "bench/training/cases.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

namespace intellisched {

using namespace novelty;

namespace {

// Of the training's windows, held out by scenario: above a novelty of 1.
constexpr double novel_part = 0.03;
constexpr unsigned held_out_folds = 5;

// Of a feature's errors: of ordinary size.
constexpr double ordinary_part = 0.995;
// In standard deviations. A feature that always follows from others has next to no errors.
constexpr double least_error = 0.3;

// Added to each feature's variance, which is 1: what follows exactly from other features in the
// training, CPUs from cores and threads, need not elsewhere.
constexpr double ridge = 0.01;

// Of a feature's logarithm, at least; below it is a constant.
constexpr double least_deviation = 1e-4;

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

Result<Novelty> fit_novelty(std::span<const proto::Sample> samples, const InputMask& inputs,
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
    return Novelty(std::move(fitted.center), std::move(fitted.weights),
                   std::max(threshold, least_threshold));
}

} // namespace intellisched
