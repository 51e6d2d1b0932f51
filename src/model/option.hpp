// SPDX-License-Identifier: MIT
// What there is to choose of a pool's configuration. A knob is what is turned, an option what it is
// turned to. Models, samples and their evaluation know options by number only, so that one code
// learns either knob.
#pragma once

#include "src/layout/layout.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace intellisched {

enum class Knob : std::uint8_t { layout, rate_limit };
inline constexpr std::array all_knobs{Knob::layout, Knob::rate_limit};
[[nodiscard]] constexpr std::size_t index(Knob knob) { return static_cast<std::size_t>(knob); }
/// "layout" or "rate-limit".
[[nodiscard]] std::string_view to_string(Knob knob);
[[nodiscard]] std::optional<Knob> knob_from_string(std::string_view name);

/// The number of one of a knob's five options: a layout in the order of all_layouts, or a rate
/// limit in that of rate_limits_us.
enum class Option : std::uint8_t {};
inline constexpr std::size_t option_count = 5;
static_assert(option_count == layout_count && option_count == rate_limits_us.size());
inline constexpr std::array<Option, option_count> all_options{Option{0}, Option{1}, Option{2},
                                                              Option{3}, Option{4}};
[[nodiscard]] constexpr std::size_t index(Option option) {
    return static_cast<std::size_t>(option);
}

/// Xen's defaults of both knobs: socket, and 1000 us.
inline constexpr Option boot_option{2};
static_assert(all_layouts[index(boot_option)] == Layout::socket);
static_assert(rate_limits_us[index(boot_option)] == default_rate_limit_us);

[[nodiscard]] constexpr Option option_of(Layout layout) { return all_options[index(layout)]; }
[[nodiscard]] constexpr Layout layout_of(Option option) { return all_layouts[index(option)]; }
[[nodiscard]] constexpr unsigned limit_of(Option option) { return rate_limits_us[index(option)]; }
/// The one of rate_limits_us that is nearest to this limit by ratio, that is, in its effect.
[[nodiscard]] Option nearest_limit(unsigned limit_us);

/// "core", or "3000us".
[[nodiscard]] std::string name_of(Knob knob, Option option);
[[nodiscard]] std::optional<Option> option_from_string(Knob knob, std::string_view name);
/// For people: "layout" or "rate limit"; "core", "3000 us" or "off".
[[nodiscard]] std::string_view words_of(Knob knob);
[[nodiscard]] std::string text_of(Knob knob, Option option);

/// By option, the first one that is the same on the pool (itself when none is): options are
/// equivalent exactly when their classes are equal.
using Classes = std::array<Option, option_count>;
/// Those of layouts.
[[nodiscard]] Classes classes_of(const Representatives& representatives);

} // namespace intellisched
