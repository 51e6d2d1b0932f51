// SPDX-License-Identifier: MIT
#include "src/service/config_keys.hpp"

#include <algorithm>

namespace intellisched {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool in_number(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || c == 'x'; }
bool in_identifier(char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '_'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }

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
    const auto after = [&](std::size_t at, bool (*passes)(char)) {
        return static_cast<std::size_t>(
            std::find_if_not(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), passes) -
            text.begin());
    };
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (c == '#') {
            at = std::min(text.find('\n', at), text.size());
        } else if (c == '"' || c == '\'') {
            entry();
            at = end_of_string(text, at);
        } else if (is_digit(c)) {
            entry();
            at = after(at, in_number);
        } else if (is_letter(c)) {
            const std::size_t end = after(at, in_identifier);
            const std::string_view rest = text.substr(after(end, is_blank));
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
