// SPDX-License-Identifier: MIT
#include "src/service/config_keys.hpp"

#include <algorithm>

namespace intellisched {
namespace {

constexpr std::string_view digits = "0123456789";
constexpr std::string_view number = "0123456789abcdefx";
constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view identifier = "abcdefghijklmnopqrstuvwxyz0123456789._";

/// Where the string that begins with the quote at `at` has ended.
std::size_t end_of_string(std::string_view text, std::size_t at) {
    const char quote = text[at++];
    while (at < text.size() && text[at] != quote && text[at] != '\n')
        at += text[at] == '\\' ? 2 : 1;
    return at + 1;
}

} // namespace

std::vector<ConfigKey> config_keys(std::string_view text) {
    std::vector<ConfigKey> keys;
    unsigned line = 1;
    std::size_t depth = 0; // of lists
    const auto entry = [&] {
        if (depth == 1 && !keys.empty()) keys.back().entries.push_back(line);
    };
    const auto after = [&](std::size_t at, std::string_view set) {
        return std::min(text.find_first_not_of(set, at), text.size());
    };
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (c == '#') {
            at = std::min(text.find('\n', at), text.size());
        } else if (c == '"' || c == '\'') {
            entry();
            at = end_of_string(text, at);
        } else if (digits.find(c) != digits.npos) {
            entry();
            at = after(at, number);
        } else if (letters.find(c) != letters.npos) {
            const std::size_t end = after(at, identifier);
            const std::string_view rest = text.substr(after(end, " \t"));
            if (depth == 0)
                keys.push_back({text.substr(at, end - at), line, rest.starts_with("+="), {}, line});
            at = end;
        } else {
            if (c == '\n') ++line;
            if (c == '[') {
                entry();
                ++depth;
            }
            if (c == ']' && depth > 0 && --depth == 0 && !keys.empty()) keys.back().end = line;
            ++at;
        }
    }
    if (depth > 0 && !keys.empty()) keys.back().end = line;
    return keys;
}

} // namespace intellisched
