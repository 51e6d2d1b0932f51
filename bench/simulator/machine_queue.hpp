// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include "bench/simulator/guest.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <vector>

namespace sim {

/// When each CPU has its next event: a tournament, so that a CPU's change costs a comparison a
/// level. Of CPUs at the same time the one of the lower number comes first.
class EventQueue {
  public:
    explicit EventQueue(std::size_t cpus)
        : leaves_(std::bit_ceil(std::max<std::size_t>(cpus, 2))), at_(2 * leaves_, UINT64_MAX),
          cpu_(2 * leaves_) {
        for (std::size_t i = 0; i < leaves_; ++i) cpu_[leaves_ + i] = static_cast<unsigned>(i);
        for (std::size_t node = leaves_; node-- > 1;) cpu_[node] = cpu_[2 * node];
    }

    void set(unsigned cpu, Nanoseconds at) {
        std::size_t node = leaves_ + cpu;
        if (at_[node] == at) return;
        at_[node] = at;
        // To the top without a branch that could be foreseen wrongly, which costs more than to stop
        // where nothing changes saves.
        for (; node > 1; node /= 2) {
            const Nanoseconds other = at_[node ^ 1];
            const std::uint64_t loses = (other < at) | ((other == at) & (node & 1));
            at ^= (at ^ other) & -loses;
            cpu ^= (cpu ^ cpu_[node ^ 1]) & static_cast<unsigned>(-loses);
            at_[node / 2] = at;
            cpu_[node / 2] = cpu;
        }
    }
    /// The earliest of all CPUs but one.
    [[nodiscard]] Nanoseconds first_at_without(unsigned cpu) const {
        Nanoseconds at = UINT64_MAX;
        for (std::size_t node = leaves_ + cpu; node > 1; node /= 2)
            at = std::min(at, at_[node ^ 1]);
        return at;
    }
    [[nodiscard]] unsigned first() const { return cpu_[1]; }
    [[nodiscard]] Nanoseconds first_at() const { return at_[1]; }

  private:
    std::size_t leaves_;
    // Of the earlier of the two below each node; the leaves are CPUs.
    std::vector<Nanoseconds> at_;
    std::vector<unsigned> cpu_;
};

} // namespace sim
