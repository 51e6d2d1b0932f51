// SPDX-License-Identifier: MIT
#include "src/base/result.hpp"

#include <algorithm>

namespace intellisched {

std::string printable(std::string_view text, std::size_t limit) {
    std::string out(text.substr(0, limit));
    std::replace_if(
        out.begin(), out.end(),
        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    return out;
}

} // namespace intellisched
