// SPDX-License-Identifier: MIT
// Writes xentrace byte streams for tests, record by record.
#pragma once

#include "collector/trace/event.hpp"

#include <cstddef>
#include <initializer_list>
#include <span>
#include <vector>

namespace intellisched::test {

using Words = std::vector<std::uint32_t>;

inline void append_record(Words& out, std::uint32_t event, std::uint64_t tsc,
                          std::initializer_list<std::uint32_t> payload) {
    out.push_back(trace::header(event, static_cast<unsigned>(payload.size()), true));
    out.push_back(static_cast<std::uint32_t>(tsc));
    out.push_back(static_cast<std::uint32_t>(tsc >> 32));
    out.insert(out.end(), payload);
}

inline std::uint32_t word(std::uint16_t domain, std::uint16_t vcpu) {
    return trace::VcpuRef{domain, vcpu}.key();
}

/// One CPU's records between two rounds.
struct Window {
    explicit Window(std::uint32_t c) : cpu(c) {}
    std::uint32_t cpu;
    Words words{};

    Window& record(std::uint32_t event, std::uint64_t tsc,
                   std::initializer_list<std::uint32_t> payload = {}) {
        append_record(words, event, tsc, payload);
        return *this;
    }
    Window& runstate(std::uint64_t tsc, std::uint16_t domain, std::uint16_t vcpu,
                     trace::Runstate from, trace::Runstate to) {
        return record(0x21001 | static_cast<std::uint32_t>(from) << 8 |
                          static_cast<std::uint32_t>(to) << 4,
                      tsc, {word(domain, vcpu)});
    }
    /// Xen lost `count` records from `first` on and writes so at `tsc`, with that vCPU running.
    Window& lost(std::uint64_t first, std::uint64_t tsc, std::uint32_t count, std::uint16_t domain,
                 std::uint16_t vcpu) {
        return record(trace::lost_records, tsc,
                      {count, std::uint32_t{vcpu} << 16 | domain, static_cast<std::uint32_t>(first),
                       static_cast<std::uint32_t>(first >> 32)});
    }
};

inline std::vector<std::byte> bytes_of(const std::vector<Window>& windows) {
    Words all;
    for (const Window& window : windows) {
        all.insert(all.end(), {trace::header(trace::cpu_change, 2, false), window.cpu,
                               static_cast<std::uint32_t>(window.words.size() * 4)});
        all.insert(all.end(), window.words.begin(), window.words.end());
    }
    const auto bytes = std::as_bytes(std::span(all));
    return {bytes.begin(), bytes.end()};
}

} // namespace intellisched::test
