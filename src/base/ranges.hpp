// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>
#include <iterator>
#include <string>

namespace intellisched {

/// Ascending ids as "0-3,8".
template<class Ids> std::string ranges_text(const Ids& ids) {
    std::string text;
    for (auto first = ids.begin(); first != ids.end();) {
        auto last = first;
        while (std::next(last) != ids.end() && *std::next(last) == *last + 1) ++last;
        text += fmt::format("{}{}", text.empty() ? "" : ",", *first);
        if (last != first) text += fmt::format("-{}", *last);
        first = std::next(last);
    }
    return text;
}

} // namespace intellisched
