// SPDX-License-Identifier: MIT
// How unlike the training a window is. Each number of a host may be ordinary while their
// combination is not: many wake-ups and no switches, or four NUMA nodes in one socket. So each
// feature is foretold from all the others, by what goes with what in the training, and what counts
// is how far it is from that.
//
// Features are taken as ln(1 + 30 value), for most are rates and times, and products (CPUs are
// sockets times cores times threads) become sums; so do those of fractions above a few percent.
// With P the inverse of the training's covariance matrix and z a window less the training's mean,
// (P z)_i / sqrt(P_ii) is how far feature i is from what the others foretell (in standard
// deviations of such errors). Each of these is divided by what one in 200 windows of the training
// is above; novelty is the sum of the squares, of which none counts for more than 9: one oddity
// alone makes no host unlike all others.
#pragma once

#include "src/base/result.hpp"
#include "src/proto/model.pb.h"

#include <span>
#include <utility>
#include <vector>

namespace intellisched {

/// What fitting (bench/training/fit_novelty.hpp) shares with judging.
namespace novelty {

using Row = std::vector<double>;
using Matrix = std::vector<Row>; // square

/// The least sum of squares that is called a novelty of 1.
inline constexpr double least_threshold = 1;

/// ln(1 + 30 value), with the value's sign; NaN of NaN.
[[nodiscard]] double in_logs(float value);
[[nodiscard]] double from_logs(double log); ///< the value of that

[[nodiscard]] double product(const Row& a, const Row& b);

/// Gives each missing value (NaN) of `z` what the others foretell of it.
void fill_missing(const Matrix& weights, Row& z);

/// Of one window; a missing value adds nothing.
[[nodiscard]] double sum_of_squared_errors(const Matrix& weights, const Row& center,
                                           const Row& logs);

} // namespace novelty

/// The largest novelty that there is.
inline constexpr double most_novel = 1000;

class Novelty {
  public:
    /// From `weights` by which the errors are weights (logs - center), and the sum of their squares
    /// that has a novelty of 1.
    Novelty(novelty::Row center, novelty::Matrix weights, double threshold)
        : center_(std::move(center)), weights_(std::move(weights)), threshold_(threshold) {}

    /// From a bundle. Errors: not of every feature; a number that no training gives.
    [[nodiscard]] static Result<Novelty> load(const proto::Novelty& stored);
    [[nodiscard]] proto::Novelty stored() const;

    /// What was ordinary in the training: the value of the mean log.
    [[nodiscard]] double usual(std::size_t feature) const {
        return novelty::from_logs(center_[feature]);
    }

    /// From 0 to most_novel; above 1 a window is novel. `features` are as many as the schema has.
    /// Missing ones (NaN) are taken to be what the others foretell, and so add nothing.
    [[nodiscard]] double of(std::span<const float> features) const;

  private:
    novelty::Row center_; // of the logs, by feature
    novelty::Matrix weights_;
    double threshold_;
};

} // namespace intellisched
