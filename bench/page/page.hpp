// SPDX-License-Identifier: MIT
// What reports as pages share: plain HTML and inline SVG, nothing fetched from anywhere.
#pragma once

#include <string>
#include <string_view>

namespace intellisched::page {

/// `text` for HTML: what could be markup is none.
[[nodiscard]] std::string escaped(std::string_view text);

/// From the doctype to the page's heading; `style` is added to the style that all pages have.
[[nodiscard]] std::string begin(std::string_view title, std::string_view style);
[[nodiscard]] std::string end();

/// A drawing of so many pixels, around its parts.
[[nodiscard]] std::string drawing(double width, double height, std::string_view parts);

/// A line of an SVG drawing, in pixels; `kind` is its class.
[[nodiscard]] std::string line(std::string_view kind, double x1, double y1, double x2, double y2);

/// Words in a drawing; `anchor` is start, middle or end.
[[nodiscard]] std::string words(std::string_view kind, double x, double y, std::string_view anchor,
                                std::string_view text);

[[nodiscard]] std::string circle(std::string_view kind, double x, double y, double radius);

} // namespace intellisched::page
