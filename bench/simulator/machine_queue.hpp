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
        : leaves_(std::bit_ceil(std::max<std::size_t>(cpus, 2))), at_(leaves_, UINT64_MAX),
          winner_(2 * leaves_) {
        for (std::size_t i = 0; i < leaves_; ++i) winner_[leaves_ + i] = static_cast<unsigned>(i);
        for (std::size_t node = leaves_; node-- > 1;) winner_[node] = winner_[2 * node];
    }

    void set(unsigned cpu, Nanoseconds at) {
        if (at_[cpu] == at) return;
        at_[cpu] = at;
        for (std::size_t node = (leaves_ + cpu) / 2; node > 0; node /= 2) {
            const unsigned a = winner_[2 * node];
            const unsigned b = winner_[2 * node + 1];
            const unsigned winner = at_[b] < at_[a] ? b : a;
            // Nothing above changes when another CPU has won before and does again.
            if (winner == winner_[node] && winner != cpu) return;
            winner_[node] = winner;
        }
    }
    /// The earliest of all CPUs but one.
    [[nodiscard]] Nanoseconds first_at_without(unsigned cpu) const {
        Nanoseconds at = UINT64_MAX;
        for (std::size_t node = leaves_ + cpu; node > 1; node /= 2)
            at = std::min(at, at_[winner_[node ^ 1]]);
        return at;
    }
    [[nodiscard]] unsigned first() const { return winner_[1]; }
    [[nodiscard]] Nanoseconds first_at() const { return at_[winner_[1]]; }

  private:
    std::size_t leaves_;
    std::vector<Nanoseconds> at_;
    std::vector<unsigned> winner_; ///< of each node; the leaves are CPUs
};

} // namespace sim
