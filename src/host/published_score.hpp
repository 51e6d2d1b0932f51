// SPDX-License-Identifier: MIT
// What a guest publishes of how well it fares: a number in its own part of xenstore, in a unit of
// its own. It may be anything that the guest's owner likes, and is believed no further than
// src/pool/guest_scores.hpp says.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace intellisched {

/// Below /local/domain/<id>; guests may write below their own `data`.
inline constexpr const char* score_node = "data/intellisched/score";

/// The longest text that is looked at, in bytes.
inline constexpr std::size_t max_score_bytes = 32;

/// Whether a score may be that; everything else counts as none. There is a logarithm of what may
/// be, and of the ratio of any two.
[[nodiscard]] constexpr bool possible_score(double score) {
    return score >= 1e-9 && score <= 1e12; // not so of NaN
}

/// The number that the bytes of the node are: decimal, with nothing but blanks, ends of lines and
/// zero bytes around it.
[[nodiscard]] std::optional<double> parse_score(std::string_view bytes);

} // namespace intellisched
