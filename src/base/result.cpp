// SPDX-License-Identifier: MIT
#include "src/base/result.hpp"

#include <algorithm>
#include <array>
#include <boost/locale/utf.hpp>

namespace intellisched {
namespace {

struct Range {
    char32_t first, last;
};
/// What a terminal acts on, or does not show: U+009B is a control sequence's beginning on some.
/// Bidirectional controls show other characters in another order than they have.
constexpr std::array unseen{Range{0x00, 0x1f},     Range{0x7f, 0x9f},     Range{0xad, 0xad},
                            Range{0x34f, 0x34f},   Range{0x61c, 0x61c},   Range{0x115f, 0x1160},
                            Range{0x180b, 0x180f}, Range{0x200b, 0x200f}, Range{0x2028, 0x202e},
                            Range{0x2060, 0x206f}, Range{0x3164, 0x3164}, Range{0xfe00, 0xfe0f},
                            Range{0xfeff, 0xfeff}, Range{0xfff0, 0xfffb}, Range{0xe0000, 0xe0fff}};

bool seen(char32_t c) {
    if (c >= 0x20 && c < 0x7f) return true; // nearly all of them
    return std::none_of(unseen.begin(), unseen.end(),
                        [c](const Range& range) { return c >= range.first && c <= range.last; });
}

} // namespace

std::string printable(std::string_view text, std::size_t limit) {
    namespace utf = boost::locale::utf;
    std::string out;
    const char* const end = text.data() + text.size();
    for (const char* at = text.data(); at != end;) {
        const char* next = at;
        const auto character = utf::utf_traits<char>::decode(next, end);
        const bool valid = utf::is_valid_codepoint(character);
        if (!valid) next = at + 1;
        const std::string_view piece =
            valid && seen(character) ? std::string_view(at, static_cast<std::size_t>(next - at))
                                     : "?";
        if (out.size() + piece.size() > limit) break;
        out += piece;
        at = next;
    }
    return out;
}

} // namespace intellisched
