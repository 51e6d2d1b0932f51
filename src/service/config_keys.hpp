// SPDX-License-Identifier: MIT
// Which keys a configuration sets, and where: libxlutil looks keys up, but does not list them, and
// does not tell the lines of a list's entries.
#pragma once

#include <string_view>
#include <vector>

namespace intellisched {

/// `key = value` or `key += value`.
struct ConfigKey {
    std::string_view name;
    unsigned line = 0;
    bool addition = false;
    std::vector<unsigned> entries = {}; ///< the lines of a list's entries
    unsigned end =
        0; ///< the line of its last token that is known; of a list without end, the text's
};

/// The settings of a text, in order, by the tokens of libxlutil's lexer. Never fails: of a text
/// that libxlutil refuses, at least those before the first mistake.
[[nodiscard]] std::vector<ConfigKey> config_keys(std::string_view text);

} // namespace intellisched
