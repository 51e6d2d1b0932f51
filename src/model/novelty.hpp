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
#include "src/model/inputs.hpp"
#include "src/proto/model.pb.h"

#include <cstdint>
#include <span>
#include <vector>

namespace intellisched {

/// The largest novelty that there is.
inline constexpr double most_novel = 1000;

class Novelty {
  public:
    /// From windows that are ordinary: those of the samples, which check_sample() has passed. 3% of
    /// them, each judged without its scenario, are above 1. What does not count: features that
    /// `inputs` hides, and those that are missing or the same in all samples. `seed` chooses which
    /// scenarios are judged together. Errors: samples of one scenario only.
    [[nodiscard]] static Result<Novelty> fit(std::span<const proto::Sample> samples,
                                             const InputMask& inputs, std::uint64_t seed);

    /// From a bundle. Errors: not of every feature; a number that no training gives.
    [[nodiscard]] static Result<Novelty> load(const proto::Novelty& stored);
    [[nodiscard]] proto::Novelty stored() const;

    /// From 0 to most_novel; above 1 a window is novel. `features` are as many as the schema has.
    /// Missing ones (NaN) are taken to be what the others foretell, and so add nothing.
    [[nodiscard]] double of(std::span<const float> features) const;

  private:
    std::vector<double> center_;               // of the logs, by feature
    std::vector<std::vector<double>> weights_; // the errors are weights (logs - center)
    double threshold_ = 1;                     // of the sum of squares
};

} // namespace intellisched
