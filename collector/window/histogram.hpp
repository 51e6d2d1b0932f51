// SPDX-License-Identifier: MIT
// Durations of one window, counted in buckets that are a part of an octave wide: quantiles from a
// fixed size, whatever the number of values, and nothing allocated while counting.
#pragma once

#include "src/base/log_buckets.hpp"

#include <array>
#include <cstdint>
#include <limits>

namespace intellisched {

template<unsigned sub_bits> class LogHistogram {
  public:
    LogHistogram() = default;
    LogHistogram(const LogHistogram&) = default;
    ~LogHistogram() = default;
    /// Most windows leave some of their histograms empty, and they are large.
    LogHistogram& operator=(const LogHistogram& other) {
        if (other.count_ == 0) {
            clear();
        } else {
            buckets_ = other.buckets_;
            count_ = other.count_;
            sum_ = other.sum_;
        }
        return *this;
    }

    void add(std::uint64_t value) {
        ++buckets_[Buckets::of(value)];
        ++count_;
        sum_ += static_cast<double>(value);
    }
    void add(const LogHistogram& other) {
        for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
        count_ += other.count_;
        sum_ += other.sum_;
    }
    [[nodiscard]] std::uint64_t count() const { return count_; }
    /// NaN when there are no values.
    [[nodiscard]] double mean() const {
        return count_ > 0 ? sum_ / static_cast<double>(count_) : nan;
    }
    /// The value below which a part `q` (0 to 1) of all values lies; NaN when there are none.
    [[nodiscard]] double quantile(double q) const {
        if (count_ == 0) return nan;
        auto left = static_cast<std::uint64_t>(q * static_cast<double>(count_ - 1));
        for (std::size_t i = 0; i < buckets_.size(); ++i) {
            if (left < buckets_[i]) return Buckets::middle(i);
            left -= buckets_[i];
        }
        return Buckets::middle(buckets_.size() - 1);
    }
    void clear() {
        if (count_ == 0) return;
        buckets_.fill(0);
        count_ = 0;
        sum_ = 0;
    }

  private:
    static constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    using Buckets = LogBuckets<sub_bits>;

    std::array<std::uint32_t, Buckets::count> buckets_{};
    std::uint64_t count_ = 0;
    double sum_ = 0;
};

using Histogram = LogHistogram<5>;       ///< quantiles within 2% from 8 kB
using CoarseHistogram = LogHistogram<2>; ///< within 13% from 1 kB

} // namespace intellisched
