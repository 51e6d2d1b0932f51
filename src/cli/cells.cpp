// SPDX-License-Identifier: MIT
#include "src/cli/cells.hpp"

#include "src/base/result.hpp"

#include <cmath>

namespace intellisched::cli {

std::string ascii(std::string_view text, std::size_t limit) {
    std::string out;
    for (const char c : printable(text, text.size())) {
        if (out.size() == limit) break;
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80)
            out += c;
        else if (byte >= 0xc0) // the others go on with a character of UTF-8
            out += '?';
    }
    return out;
}

std::string count(double value) {
    if (!(value >= 0 && value < 1e12)) return "-";
    for (const auto& [unit, name] : {std::pair{1.0, ""}, {1e3, "k"}, {1e6, "M"}, {1e9, "G"}}) {
        if (value >= 999.5 * unit) continue;
        return fmt::format("{:.{}f}{}", value / unit, *name && value < 99.95 * unit ? 1 : 0, name);
    }
    return "-";
}

std::string microseconds(double value) {
    if (!(value >= 0 && value < 1e12)) return "-";
    for (const auto& [unit, name] : {std::pair{1.0, "us"}, {1e3, "ms"}})
        if (value < 999.5 * unit)
            return fmt::format("{:.{}f}{}", value / unit, value < 99.95 * unit ? 1 : 0, name);
    return fmt::format("{:.1f}s", value / 1e6);
}

std::string percent(double part) {
    return std::abs(part) < 100 ? fmt::format("{:.0f}%", part * 100) : "-";
}

} // namespace intellisched::cli
