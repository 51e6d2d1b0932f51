// SPDX-License-Identifier: MIT
// Times that CPUs take, measured on them: what SMT, other cores' caches and remote memory cost.
// Knows Linux's CPUs and nothing of Xen: where these are is up to the caller. Each call takes well
// below a second, runs in threads of its own, and fails only where these cannot be put on a CPU.
#pragma once

#include "src/base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace intellisched::calibrate {

/// The speed of `cpu` while `sibling` computes too, 1 being that alone: the two kinds of slices
/// take turns, and the median of each counts.
[[nodiscard]] Result<double> smt_speed(unsigned cpu, unsigned sibling);

/// A working set. It is read in an order that no prefetcher guesses, but line after line need not
/// wait for each other: neither the best nor the worst of what programs do.
class WorkingSet {
  public:
    explicit WorkingSet(std::size_t bytes);

    /// Written and read warm on `from`: the microseconds by which its first reading on `to` takes
    /// longer than the second.
    [[nodiscard]] Result<double> refill_us(unsigned from, unsigned to);
    /// The same on one CPU, after `bytes` of other data have gone through its caches.
    [[nodiscard]] Result<double> refill_after_us(unsigned cpu, std::size_t bytes);

  private:
    void warm();
    [[nodiscard]] double read_us() const;

    std::vector<std::uint64_t> data_;
    std::vector<std::uint32_t> order_; ///< of its lines
    std::vector<std::uint64_t> others_;
};

/// Of work that waits for memory, the speed away from its node, at most 1: every stretch of a block
/// of `bytes` is walked through from `first` and from `second`, CPUs of two nodes, out of no cache.
/// One of the two is nearer to it; the median of near to far.
[[nodiscard]] Result<double> remote_speed(unsigned first, unsigned second, std::size_t bytes);

/// Bytes of the caches that a core has for itself.
[[nodiscard]] std::size_t core_cache_bytes();
/// Bytes of the last-level cache that it shares.
[[nodiscard]] std::size_t last_cache_bytes();

} // namespace intellisched::calibrate
