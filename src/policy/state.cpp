// SPDX-License-Identifier: MIT
#include "src/policy/state.hpp"

#include <algorithm>

namespace intellisched {
namespace {

constexpr std::array<std::string_view, 4> modes{"off", "observe", "recommend", "auto"};

constexpr std::array<std::string_view, 20> endings{
    "kept-better",        "kept-unclear",      "kept-predicted",    "went-back",
    "reverted-harm",      "reverted-worse",    "reverted-unclear",  "reverted-changed",
    "reverted-predicted", "reverted-untested", "voided-mode",       "voided-intent",
    "voided-topology",    "voided-foreign",    "voided-rate-limit", "voided-layout",
    "voided-reboot",      "voided-gone",       "voided-stop",       "not-applied",
};

template<class Enum, std::size_t count> std::optional<Enum>
from_name(const std::array<std::string_view, count>& names, std::string_view name) {
    const auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) return std::nullopt;
    return static_cast<Enum>(at - names.begin());
}

} // namespace

Change PoolSeen::now(const Change& change) const {
    Change out;
    if (change.arrangement) out.arrangement = in_force;
    if (change.rate_limit_us) out.rate_limit_us = rate_limit_us;
    return out;
}

Option PoolSeen::option(Knob knob) const {
    return knob == Knob::layout ? option_of(current)
                                : nearest_limit(rate_limit_us.value_or(default_rate_limit_us));
}

bool PoolSeen::exactly(Knob knob) const {
    return knob == Knob::layout ? exact : limit_of(option(knob)) == rate_limit_us;
}

Classes PoolSeen::classes(Knob knob) const {
    return knob == Knob::layout ? classes_of(same) : all_options;
}

Change turn(Knob knob, Option option) {
    if (knob == Knob::layout) return {.arrangement = Arrangement{layout_of(option), no_cap}};
    return {.rate_limit_us = limit_of(option)};
}

std::optional<Observation> WindowSeen::about(Knob knob) const {
    if (knob == Knob::layout) return observation;
    if (!of_rate_limit) return std::nullopt;
    Observation out = observation;
    out.prediction = *of_rate_limit;
    return out;
}

std::string_view to_string(Mode mode) { return modes.at(static_cast<std::size_t>(mode)); }

std::optional<Mode> mode_from_string(std::string_view name) { return from_name<Mode>(modes, name); }

std::string_view to_string(Ending ending) { return endings.at(static_cast<std::size_t>(ending)); }

std::optional<Ending> ending_from_string(std::string_view name) {
    return from_name<Ending>(endings, name);
}

std::string_view meaning(Ending ending) {
    switch (ending) {
    case Ending::kept_better:
        return "the new one is better";
    case Ending::kept_unclear:
        return "no more than chance or the load explains, and the prediction still favours the new "
               "one";
    case Ending::kept_predicted:
        return "the load or the guests changed, so nothing can be compared; the prediction favours "
               "the new one still, and it will be measured later";
    case Ending::went_back:
        return "the one before is back: nothing showed that the other one is better";
    case Ending::reverted_harm:
        return "the new one does much harm";
    case Ending::reverted_worse:
        return "the new one is worse";
    case Ending::reverted_unclear:
        return "no more than chance or the load explains, and nothing speaks for the new one any "
               "more";
    case Ending::reverted_changed:
        return "it is worse since, and the load or the guests changed, too: not held against it";
    case Ending::reverted_predicted:
        return "the load or the guests changed, so nothing can be compared; the prediction does "
               "not favour the new one any more";
    case Ending::reverted_untested:
        return "too few windows could be used to tell what the new one does";
    case Ending::voided_mode:
        return "the pool's mode is no longer auto";
    case Ending::voided_intent:
        return "the pool's intent is another one";
    case Ending::voided_topology:
        return "the pool is another one";
    case Ending::voided_foreign:
        return "somebody else changed it";
    case Ending::voided_rate_limit:
        return "somebody else changed the rate limit";
    case Ending::voided_layout:
        return "somebody else changed the layout";
    case Ending::voided_reboot:
        return "the host was booted anew; in journals of an older version also: the service was "
               "stopped, and was to give back what the host was booted with";
    case Ending::voided_gone:
        return "the pool is there no more, or under another name";
    case Ending::voided_stop:
        return "the service was stopped, and was to give back what the host was booted with";
    case Ending::not_applied:
        return "the new one never came into force";
    }
    return "";
}

} // namespace intellisched
