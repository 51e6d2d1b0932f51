// SPDX-License-Identifier: GPL-2.0-only
// What a guest counts of itself: requests, their response times, deadlines.
#pragma once

#include "bench/simulator/guest.hpp"
#include "src/proto/truth.pb.h"

#include <cstdint>
#include <vector>

namespace sim {

/// Durations in buckets a 64th of an octave wide: quantiles within 0.8% from 30 kB.
class Durations {
  public:
    void add(Nanoseconds duration);
    [[nodiscard]] intellisched::proto::Quantiles quantiles() const;

  private:
    [[nodiscard]] double quantile_us(double part) const;

    std::vector<std::uint64_t> buckets_; ///< as long as the longest needs
    std::uint64_t count_ = 0;
    double sum_ns_ = 0;
    Nanoseconds max_ = 0;
};

struct Results {
    std::uint64_t requests = 0;
    Durations response; ///< of those
    std::uint64_t deadlines = 0;
    std::uint64_t misses = 0;

    void done(Nanoseconds took) {
        ++requests;
        response.add(took);
    }
    void deadline(bool missed) {
        ++deadlines;
        if (missed) ++misses;
    }
    /// Sets the fields of a GuestTruth that these are.
    void put(intellisched::proto::GuestTruth& truth) const;
};

} // namespace sim
