// SPDX-License-Identifier: MIT
// What reports as pages share: plain HTML and inline SVG, nothing fetched from anywhere.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace intellisched::page {

/// `text` for HTML, at most `limit` bytes of it: what could be markup is none.
[[nodiscard]] std::string escaped(std::string_view text, std::size_t limit = 512);

/// What a page is about, told before all else in it.
struct About {
    std::string subject;     ///< the host, plan or samples
    std::string date;        ///< today()
    std::string origin = {}; ///< of the hosts: "simulated" or "measured", or some of both; empty:
                             ///< it goes without saying
    std::string costs = {};  ///< the cost model of simulated hosts; empty: there is none
};

/// The date of UTC, as 2026-11-21.
[[nodiscard]] std::string today();

/// From the doctype to the page's heading, what it is about, and its result in words, a sentence an
/// item. `style` is added to the style that all pages have: a page is read at 500 pixels, too, on
/// paper, and light or dark as its reader's screen is. So colours are the variables that it has:
/// --ink, --paper, --dim, --rule, --blue, --pale, --red.
[[nodiscard]] std::string begin(std::string_view title, const About& about,
                                std::span<const std::string> summary, std::string_view style);
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
