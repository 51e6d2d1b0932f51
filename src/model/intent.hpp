// SPDX-License-Identifier: MIT
// What the pool's owner wants from it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace intellisched {

enum class Intent : std::uint8_t { throughput, latency, balanced };

inline constexpr std::array<Intent, 3> all_intents{Intent::throughput, Intent::latency,
                                                   Intent::balanced};

[[nodiscard]] constexpr std::size_t index(Intent intent) {
    return static_cast<std::size_t>(intent);
}

[[nodiscard]] constexpr std::string_view to_string(Intent intent) {
    constexpr std::array<std::string_view, 3> names{"throughput", "latency", "balanced"};
    return names[index(intent)];
}

[[nodiscard]] constexpr std::optional<Intent> intent_from_string(std::string_view name) {
    for (Intent intent : all_intents)
        if (name == to_string(intent)) return intent;
    return std::nullopt;
}

} // namespace intellisched
