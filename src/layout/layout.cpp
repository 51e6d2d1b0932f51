// SPDX-License-Identifier: MIT
#include "src/layout/layout.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace intellisched {

static constexpr std::array<std::string_view, layout_count> names{"cpu", "core", "socket", "node",
                                                                  "all"};

std::string_view to_string(Layout layout) { return names[index(layout)]; }

std::optional<Layout> layout_from_string(std::string_view name) {
    for (Layout layout : all_layouts)
        if (name == to_string(layout)) return layout;
    return std::nullopt;
}

std::string to_string(const Change& change) {
    std::string text;
    if (change.arrangement) text = to_string(*change.arrangement);
    if (change.arrangement && change.rate_limit_us) text += " and ";
    if (change.rate_limit_us) text += "rate limit " + rate_limit_text(*change.rate_limit_us);
    return text;
}

std::string to_string(const Arrangement& arrangement) {
    if (arrangement.max_cpus == no_cap) return std::string(to_string(arrangement.layout));
    return fmt::format("{} capped at {}", to_string(arrangement.layout), arrangement.max_cpus);
}

std::string rate_limit_text(unsigned us) {
    return us == no_rate_limit_us ? "off" : fmt::format("{} us", us);
}

const Cpu* Topology::find(unsigned id) const {
    const auto it =
        std::lower_bound(cpus.begin(), cpus.end(), id,
                         [](const Cpu& cpu, unsigned wanted) { return cpu.id < wanted; });
    return it != cpus.end() && it->id == id ? &*it : nullptr;
}

namespace {

/// A number as Xen's integer parameters take it: decimal, or hexadecimal behind 0x.
std::optional<unsigned> number_from(std::string_view text) {
    const bool hexadecimal = text.starts_with("0x");
    if (hexadecimal) text.remove_prefix(2);
    unsigned number = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number, hexadecimal ? 16 : 10);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
    return number;
}

/// Calls it with the name and the value of each "name=value" of a command line.
template<class F> void each_option(std::string_view command_line, F&& option) {
    while (!command_line.empty()) {
        const std::size_t end = std::min(command_line.find(' '), command_line.size());
        const std::string_view word = command_line.substr(0, end);
        command_line.remove_prefix(std::min(end + 1, command_line.size()));
        const std::size_t equals = word.find('=');
        if (equals != std::string_view::npos)
            option(word.substr(0, equals), word.substr(equals + 1));
    }
}

} // namespace

Arrangement boot_arrangement(std::string_view command_line) {
    Arrangement boot;
    each_option(command_line, [&](std::string_view name, std::string_view value) {
        if (name == "credit2_runqueue") {
            if (const auto layout = layout_from_string(value)) boot.layout = *layout;
        } else if (name == "sched_credit2_max_cpus_runqueue") {
            if (const auto max_cpus = number_from(value)) boot.max_cpus = *max_cpus;
        }
    });
    return boot;
}

unsigned boot_rate_limit(std::string_view command_line) {
    unsigned boot = default_rate_limit_us;
    each_option(command_line, [&](std::string_view name, std::string_view value) {
        if (name == "sched_ratelimit_us") boot = number_from(value).value_or(boot);
    });
    return possible_rate_limit(boot) ? boot : default_rate_limit_us;
}

} // namespace intellisched
