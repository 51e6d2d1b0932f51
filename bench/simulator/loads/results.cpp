// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/loads/results.hpp"

#include "src/base/log_buckets.hpp"

#include <algorithm>
#include <cmath>

namespace sim {

using Buckets = intellisched::LogBuckets<6>;

void Durations::add(Nanoseconds duration) {
    const std::size_t bucket = Buckets::of(duration);
    if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
    ++buckets_[bucket];
    ++count_;
    sum_ns_ += static_cast<double>(duration);
    max_ = std::max(max_, duration);
}

double Durations::quantile_us(double part) const {
    auto left = static_cast<std::uint64_t>(part * static_cast<double>(count_ - 1));
    std::size_t bucket = 0;
    for (; left >= buckets_[bucket]; ++bucket) left -= buckets_[bucket];
    return std::min(Buckets::middle(bucket), static_cast<double>(max_)) / 1e3;
}

intellisched::proto::Quantiles Durations::quantiles() const {
    intellisched::proto::Quantiles result;
    if (count_ == 0) return result;
    result.set_count(count_);
    result.set_mean_us(sum_ns_ / static_cast<double>(count_) / 1e3);
    result.set_p50_us(quantile_us(0.50));
    result.set_p95_us(quantile_us(0.95));
    result.set_p99_us(quantile_us(0.99));
    result.set_max_us(static_cast<double>(max_) / 1e3);
    return result;
}

void Results::put(intellisched::proto::GuestTruth& truth) const {
    truth.set_requests(requests);
    *truth.mutable_response() = response.quantiles();
    truth.set_deadlines(deadlines);
    truth.set_misses(misses);
}

} // namespace sim
