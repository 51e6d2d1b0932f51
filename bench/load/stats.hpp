// SPDX-License-Identifier: MIT
// What one worker counts. Lives in memory shared with forked jobs, is written by
// workers and emptied once a second by the reporter, without locks.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

// Latencies in buckets of at most 1/16 relative width.
class Histogram {
  public:
    static constexpr unsigned kSubBits = 4;
    static constexpr std::size_t kBuckets = (64 - kSubBits) << kSubBits;
    using Counts = std::array<std::uint64_t, kBuckets>;

    // `value` in nanoseconds; a negative one (a clock that stepped) counts as 0.
    void add(std::int64_t value) {
        const auto v = static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0));
        buckets_[bucket_of(v)].fetch_add(1, std::memory_order_relaxed);
        std::uint64_t seen = max_.load(std::memory_order_relaxed);
        while (v > seen && !max_.compare_exchange_weak(seen, v, std::memory_order_relaxed)) {
        }
    }

    // Moves everything counted so far into `counts`; returns the maximum in ns.
    std::uint64_t drain(Counts& counts) {
        for (std::size_t i = 0; i < kBuckets; ++i)
            counts[i] += buckets_[i].exchange(0, std::memory_order_relaxed);
        return max_.exchange(0, std::memory_order_relaxed);
    }

    // The largest value that falls into the bucket, in ns.
    static std::uint64_t upper_bound(std::size_t bucket) {
        const std::size_t group = bucket >> kSubBits;
        const std::uint64_t sub = bucket & ((1u << kSubBits) - 1);
        if (group == 0) return sub;
        return (((1u << kSubBits) + sub + 1) << (group - 1)) - 1;
    }

  private:
    static std::size_t bucket_of(std::uint64_t v) {
        const unsigned width = static_cast<unsigned>(std::bit_width(v));
        if (width <= kSubBits) return v;
        const unsigned group = width - kSubBits;
        return (static_cast<std::size_t>(group) << kSubBits) +
               ((v >> (group - 1)) & ((1u << kSubBits) - 1));
    }

    std::array<std::atomic<std::uint32_t>, kBuckets> buckets_{};
    std::atomic<std::uint64_t> max_{0};
};

struct alignas(64) Stats {
    std::atomic<std::uint64_t> work{0};      // work units, see work.hpp
    std::atomic<std::uint32_t> wrong{0};     // stretches of work with a wrong result
    std::atomic<std::uint32_t> deadlines{0}; // jobs whose deadline has come
    std::atomic<std::uint32_t> misses{0};    // of these, jobs that were late
    Histogram wakes;                         // wake latencies
};
