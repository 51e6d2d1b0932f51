// SPDX-License-Identifier: MIT
// A small deterministic random number generator: the same seed gives the same
// load on every machine and with every C++ library.
#pragma once

#include "src/base/random.hpp"

#include <cmath>
#include <cstdint>

class Rng {
  public:
    explicit Rng(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() { return intellisched::splitmix64(state_); }

    // Exponentially distributed with the given mean, in the mean's unit. Cut off at
    // ten means, so that a one-second report is never a single draw.
    std::int64_t exponential(std::int64_t mean) {
        const double uniform = (static_cast<double>(next() >> 11) + 1.0) * 0x1p-53; // (0, 1]
        return static_cast<std::int64_t>(std::fmin(-std::log(uniform), 10.0) *
                                         static_cast<double>(mean));
    }

  private:
    std::uint64_t state_;
};
