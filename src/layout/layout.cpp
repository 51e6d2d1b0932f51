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

std::string to_string(const Arrangement& arrangement) {
    if (arrangement.max_cpus == no_cap) return std::string(to_string(arrangement.layout));
    return fmt::format("{} capped at {}", to_string(arrangement.layout), arrangement.max_cpus);
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

} // namespace

Arrangement boot_arrangement(std::string_view command_line) {
    Arrangement boot;
    while (!command_line.empty()) {
        const std::size_t end = std::min(command_line.find(' '), command_line.size());
        const std::string_view word = command_line.substr(0, end);
        command_line.remove_prefix(std::min(end + 1, command_line.size()));

        const std::size_t equals = word.find('=');
        if (equals == std::string_view::npos) continue;
        const std::string_view value = word.substr(equals + 1);
        if (word.substr(0, equals) == "credit2_runqueue") {
            if (const auto layout = layout_from_string(value)) boot.layout = *layout;
        } else if (word.substr(0, equals) == "sched_credit2_max_cpus_runqueue") {
            if (const auto max_cpus = number_from(value)) boot.max_cpus = *max_cpus;
        }
    }
    return boot;
}

} // namespace intellisched
