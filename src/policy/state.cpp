// SPDX-License-Identifier: MIT
#include "src/policy/state.hpp"

#include <algorithm>

namespace intellisched {
namespace {

constexpr std::array<std::string_view, 4> modes{"off", "observe", "recommend", "auto"};

constexpr std::array<std::string_view, 18> endings{
    "kept-better",        "kept-unclear",      "kept-predicted",    "went-back",
    "reverted-harm",      "reverted-worse",    "reverted-unclear",  "reverted-changed",
    "reverted-predicted", "reverted-untested", "voided-mode",       "voided-intent",
    "voided-topology",    "voided-foreign",    "voided-rate-limit", "voided-reboot",
    "voided-gone",        "not-applied",
};

template<class Enum, std::size_t count> std::optional<Enum>
from_name(const std::array<std::string_view, count>& names, std::string_view name) {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) return std::nullopt;
    return static_cast<Enum>(at - names.begin());
}

} // namespace

std::string_view to_string(Mode mode) { return modes.at(static_cast<std::size_t>(mode)); }

std::optional<Mode> mode_from_string(std::string_view name) { return from_name<Mode>(modes, name); }

std::string_view to_string(Ending ending) { return endings.at(static_cast<std::size_t>(ending)); }

std::optional<Ending> ending_from_string(std::string_view name) {
    return from_name<Ending>(endings, name);
}

} // namespace intellisched
