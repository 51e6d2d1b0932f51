// SPDX-License-Identifier: MIT
// How well novelty (src/model/novelty.hpp) tells windows that are unlike the training from ordinary
// ones. Both are made from the same samples: ordinary are scenarios that were held out, unlike are
// topologies that were held out and windows whose numbers do not go together.
#pragma once

#include "bench/proto/evaluation.pb.h"
#include "src/base/result.hpp"
#include "src/model/inputs.hpp"
#include "src/proto/model.pb.h"

#include <cstdint>
#include <span>

namespace intellisched {

/// A row for the ordinary windows, then one for each kind of unlike ones. Errors: samples that
/// check_sample() refuses, or of too few scenarios or topologies to hold one out.
[[nodiscard]] Result<proto::NoveltySection>
study_novelty(std::span<const proto::Sample> samples, const InputMask& inputs, std::uint64_t seed);

} // namespace intellisched
