// SPDX-License-Identifier: MIT
// The guests of a pool, and what is wrong with it, as a person reads it.
#pragma once

#include "src/proto/guests.pb.h"

#include <string>

namespace intellisched::cli {

/// A row a guest, and below a sentence of each that something would help.
[[nodiscard]] std::string guests_text(const proto::Guests& guests);

[[nodiscard]] std::string diagnosis_text(const proto::Diagnosis& diagnosis);

} // namespace intellisched::cli
