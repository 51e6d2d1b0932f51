// SPDX-License-Identifier: MIT
// From windows that are ordinary to what says how unlike them another is.
#pragma once

#include "src/base/result.hpp"
#include "src/model/inputs.hpp"
#include "src/model/novelty.hpp"
#include "src/proto/model.pb.h"

#include <cstdint>
#include <span>

namespace intellisched {

/// From the windows of the samples, which check_sample() has passed. 3% of them, each judged
/// without its scenario, are above 1. What does not count: features that `inputs` hides, and those
/// that are missing or the same in all samples. `seed` chooses which scenarios are judged together.
/// Errors: samples of one scenario only.
[[nodiscard]] Result<Novelty> fit_novelty(std::span<const proto::Sample> samples,
                                          const InputMask& inputs, std::uint64_t seed);

} // namespace intellisched
