// SPDX-License-Identifier: MIT
// Inputs as methods need them that measure distances or sum up.
#pragma once

#include "bench/training/fit.hpp"

#include <vector>

namespace intellisched {

/// Shifts and scales every input to mean 0 and deviation 1 over the cases it is made from. Times,
/// counts and rates are taken as ln(1 + x) first: they span orders of magnitude.
class Standardiser {
  public:
    explicit Standardiser(Chosen cases);
    /// One row a case, row by row; a missing value is the mean, 0.
    [[nodiscard]] std::vector<float> rows(Chosen cases) const;

  private:
    std::vector<double> mean_, deviation_;
};

} // namespace intellisched
