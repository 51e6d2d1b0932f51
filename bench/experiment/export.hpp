// SPDX-License-Identifier: MIT
// Samples for other engines.
#pragma once

#include "src/proto/model.pb.h"

#include <span>
#include <string>

namespace intellisched::bench {

/// A header, then a row a sample: scenario, family, topology, current option, features, costs, and
/// of each intent every option's score and spread. All samples are about one knob. Missing numbers
/// are empty. Names are quoted where CSV (RFC 4180) wants it. For samples that check_sample() has
/// passed.
[[nodiscard]] std::string csv(std::span<const proto::Sample> samples);

/// A row a sample and intent: the number of the best option (layouts: 0 cpu to 4 all; of equivalent
/// ones the first), then "number:value" for what is not missing: from 1 on the features, then the
/// costs, then a 1 for the intent. Scores of some layouts only (a trial's) have no best one: no
/// row.
[[nodiscard]] std::string libsvm(std::span<const proto::Sample> samples);

} // namespace intellisched::bench
