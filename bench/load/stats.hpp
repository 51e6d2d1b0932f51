// SPDX-License-Identifier: MIT
// What one worker counts. Lives in memory shared with forked jobs, is written by
// workers and emptied once a second by the reporter, without locks.
#pragma once

#include "src/base/log_buckets.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

// Latencies in buckets of at most 1/16 relative width.
class Histogram {
  public:
    using Buckets = intellisched::LogBuckets<4>;
    using Counts = std::array<std::uint64_t, Buckets::count>;

    // `value` in nanoseconds; a negative one (a clock that stepped) counts as 0.
    void add(std::int64_t value) {
        const auto v = static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0));
        buckets_[Buckets::of(v)].fetch_add(1, std::memory_order_relaxed);
        std::uint64_t seen = max_.load(std::memory_order_relaxed);
        while (v > seen && !max_.compare_exchange_weak(seen, v, std::memory_order_relaxed)) {
        }
    }

    // Moves everything counted so far into `counts`; returns the maximum in ns.
    std::uint64_t drain(Counts& counts) {
        for (std::size_t i = 0; i < Buckets::count; ++i)
            counts[i] += buckets_[i].exchange(0, std::memory_order_relaxed);
        return max_.exchange(0, std::memory_order_relaxed);
    }

  private:
    std::array<std::atomic<std::uint32_t>, Buckets::count> buckets_{};
    std::atomic<std::uint64_t> max_{0};
};

struct alignas(64) Stats {
    std::atomic<std::uint64_t> work{0};      // work units, see work.hpp
    std::atomic<std::uint32_t> wrong{0};     // stretches of work with a wrong result
    std::atomic<std::uint32_t> deadlines{0}; // jobs whose deadline has come
    std::atomic<std::uint32_t> misses{0};    // of these, jobs that were late
    Histogram wakes;                         // wake latencies
};
