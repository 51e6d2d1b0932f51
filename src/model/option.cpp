// SPDX-License-Identifier: MIT
#include "src/model/option.hpp"

#include "src/base/result.hpp"

#include <cmath>

namespace intellisched {

std::string_view to_string(Knob knob) { return knob == Knob::layout ? "layout" : "rate-limit"; }

std::optional<Knob> knob_from_string(std::string_view name) {
    for (const Knob knob : all_knobs)
        if (name == to_string(knob)) return knob;
    return std::nullopt;
}

Option nearest_limit(unsigned limit_us) {
    if (limit_us == 0) return all_options.front();
    const auto away = [&](Option option) {
        return std::fabs(std::log(static_cast<double>(limit_us) / limit_of(option)));
    };
    Option nearest = boot_option;
    for (const Option option : all_options)
        if (limit_of(option) > 0 && away(option) < away(nearest)) nearest = option;
    return nearest;
}

std::string name_of(Knob knob, Option option) {
    return knob == Knob::layout ? std::string(to_string(layout_of(option)))
                                : fmt::format("{}us", limit_of(option));
}

std::string_view words_of(Knob knob) { return knob == Knob::layout ? "layout" : "rate limit"; }

std::string text_of(Knob knob, Option option) {
    return knob == Knob::layout ? name_of(knob, option) : rate_limit_text(limit_of(option));
}

std::optional<Option> option_from_string(Knob knob, std::string_view name) {
    for (const Option option : all_options)
        if (name == name_of(knob, option)) return option;
    return std::nullopt;
}

Classes classes_of(const Representatives& representatives) {
    Classes classes{};
    for (const Option option : all_options)
        classes[index(option)] = option_of(representatives[index(option)]);
    return classes;
}

} // namespace intellisched
