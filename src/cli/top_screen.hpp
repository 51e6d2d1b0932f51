// SPDX-License-Identifier: MIT
// The screen of `top`: what the service says of itself, as lines of text. Pure.
#pragma once

#include "src/proto/control.pb.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace intellisched::cli {

struct ScreenLine {
    enum class Style : std::uint8_t { plain, strong, marked, alarm };
    std::string text; ///< printable ASCII, a column a character
    Style style = Style::plain;
};

struct TopView {
    std::size_t width = 80;
    std::size_t height = SIZE_MAX;
    /// The pool, by name, that is marked and whose details are shown; if there is none of that
    /// name, the first. Nothing: the details of all (a screen without keys).
    std::optional<std::string> selected = {};
    std::string problem = {}; ///< shown as such, below the heading
};

/// At most `height` lines of at most `width` columns; never fails, whatever is in the message.
[[nodiscard]] std::vector<ScreenLine> top_screen(const proto::ServiceStatus& status,
                                                 const TopView& view);

/// The pool that is `places` after (below 0: before) the one of that name, or at the end of the
/// list.
[[nodiscard]] std::string neighbour(const proto::ServiceStatus& status, const std::string& name,
                                    int places);

} // namespace intellisched::cli
