// SPDX-License-Identifier: MIT
// What stands in a cell of a table of figures: few characters, whatever the value. "-" is what is
// not known, or cannot be.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace intellisched::cli {

/// A column a character: what is not ASCII is a '?', for nobody knows how wide a terminal shows it.
/// At most `limit` of them.
[[nodiscard]] std::string ascii(std::string_view text, std::size_t limit = 512);

/// "950", "1.2k", "13M".
[[nodiscard]] std::string count(double value);

/// "4.2us", "13ms", "4.9s".
[[nodiscard]] std::string microseconds(double value);

/// "12%".
[[nodiscard]] std::string percent(double part);

} // namespace intellisched::cli
