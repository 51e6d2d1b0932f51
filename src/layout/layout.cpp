// SPDX-License-Identifier: MIT
#include "src/layout/layout.hpp"

#include <algorithm>
#include <charconv>

namespace intellisched {

static constexpr std::array<std::string_view, layout_count> names{"cpu", "core", "socket", "node",
                                                                  "all"};

std::string_view to_string(Layout layout) { return names[index(layout)]; }

std::optional<Layout> layout_from_string(std::string_view name) {
    for (Layout layout : all_layouts)
        if (name == to_string(layout)) return layout;
    return std::nullopt;
}

const Cpu* Topology::find(unsigned id) const {
    const auto it =
        std::lower_bound(cpus.begin(), cpus.end(), id,
                         [](const Cpu& cpu, unsigned wanted) { return cpu.id < wanted; });
    return it != cpus.end() && it->id == id ? &*it : nullptr;
}

BootLayout boot_layout(std::string_view command_line) {
    BootLayout boot;
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
            unsigned cap = 0;
            const auto parsed = std::from_chars(value.data(), value.data() + value.size(), cap);
            if (parsed.ec == std::errc{}) boot.max_cpus_runqueue = cap;
        }
    }
    return boot;
}

} // namespace intellisched
