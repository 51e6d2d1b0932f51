// SPDX-License-Identifier: MIT
#include "src/model/novelty.hpp"

#include "collector/window/schema.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace intellisched {

using novelty::Matrix, novelty::Row;

namespace {

// Of a squared error, at most: a host may have one oddity or two.
constexpr double most_of_one = 9;

// Well below the inverse of that, a value is as good as 0; above, ratios count.
constexpr double log_scale = 30;
constexpr double largest_log = 100; // above that of any float but infinity
constexpr float largest_weight = 1e6F;
constexpr int sweeps = 10; // over missing values

} // namespace

namespace novelty {

double in_logs(float value) {
    if (std::isnan(value)) return NAN;
    const double log = std::log1p(log_scale * std::fabs(static_cast<double>(value)));
    return std::copysign(std::min(log, largest_log), static_cast<double>(value));
}

double from_logs(double log) { return std::copysign(std::expm1(std::fabs(log)) / log_scale, log); }

double product(const Row& a, const Row& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// Where its own error is 0 (Gauss-Seidel).
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

} // namespace novelty

Result<Novelty> Novelty::load(const proto::Novelty& stored) {
    const std::size_t n = feature_schema().size();
    if (static_cast<std::size_t>(stored.center_size()) != n ||
        static_cast<std::size_t>(stored.weights_size()) != n * n)
        return fail("what it knows unlike windows by is not of every feature");
    const auto possible = [](float value) { return std::fabs(value) <= largest_weight; }; // no NaN
    if (!std::all_of(stored.center().begin(), stored.center().end(), possible) ||
        !std::all_of(stored.weights().begin(), stored.weights().end(), possible))
        return fail("an impossible number in what it knows unlike windows by");
    if (!(stored.threshold() >= novelty::least_threshold && stored.threshold() <= largest_weight))
        return fail("a threshold of {} for unlike windows", stored.threshold());
    Row center(stored.center().begin(), stored.center().end());
    Matrix weights;
    for (auto at = stored.weights().begin(); at != stored.weights().end();
         at += static_cast<int>(n))
        weights.emplace_back(at, at + static_cast<int>(n));
    return Novelty(std::move(center), std::move(weights), stored.threshold());
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
    for (const float value : features) logs.push_back(novelty::in_logs(value));
    const double times = novelty::sum_of_squared_errors(weights_, center_, logs) / threshold_;
    return times <= most_novel ? times : most_novel; // NaN as well: of weights that diverge
}

} // namespace intellisched
