// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/format.h>
#include <string>
#include <string_view>

namespace intellisched {

/// "1 window", "3 windows"; `many` where an s is not enough: counted(2, "switch", "switches").
template<class Number>
[[nodiscard]] std::string counted(Number number, std::string_view one, std::string_view many = {}) {
    if (number == 1) return fmt::format("{} {}", number, one);
    return many.empty() ? fmt::format("{} {}s", number, one) : fmt::format("{} {}", number, many);
}

} // namespace intellisched
