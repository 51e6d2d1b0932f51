// SPDX-License-Identifier: MIT
// The score that a guest publishes of itself: a number in its own part of xenstore, in a unit of
// its own. It may be anything that the guest's owner likes; src/pool/guest_scores.hpp says how
// far it is believed.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace intellisched {

/// Below /local/domain/<id>; guests may write below their own `data`.
inline constexpr const char* score_node = "data/intellisched/score";

/// The longest text that is looked at, in bytes.
inline constexpr std::size_t max_score_bytes = 32;

/// Whether a score is in the range that counts; anything else is no score. In it the logarithm of
/// each score, and of the ratio of any two, is finite.
[[nodiscard]] constexpr bool possible_score(double score) {
    return score >= 1e-9 && score <= 1e12; // not so of NaN
}

/// Parses the bytes of the node: a decimal number, with nothing but blanks, ends of lines and zero
/// bytes around it.
[[nodiscard]] std::optional<double> parse_score(std::string_view bytes);

} // namespace intellisched
