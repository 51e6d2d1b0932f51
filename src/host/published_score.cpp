// SPDX-License-Identifier: MIT
#include "src/host/published_score.hpp"

#include <charconv>

namespace intellisched {

std::optional<double> parse_score(std::string_view bytes) {
    constexpr std::string_view blank(" \t\r\n\0", 5);
    if (bytes.size() > max_score_bytes) return std::nullopt;
    const auto from = bytes.find_first_not_of(blank);
    if (from == bytes.npos) return std::nullopt;
    const std::string_view text = bytes.substr(from, bytes.find_last_not_of(blank) - from + 1);
    double score = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), score);
    if (error != std::errc() || end != text.data() + text.size() || !possible_score(score))
        return std::nullopt;
    return score;
}

} // namespace intellisched
