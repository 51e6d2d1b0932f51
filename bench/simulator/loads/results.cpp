// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/loads/results.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sim {

namespace {

constexpr unsigned sub_bits = 6;                               // 64 buckets an octave
constexpr std::uint64_t linear = std::uint64_t{2} << sub_bits; // exact below

std::size_t bucket_of(Nanoseconds value) {
    if (value < linear) return value;
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - sub_bits - 1;
    return (std::size_t{shift} << sub_bits) + (value >> shift);
}

double middle_of(std::size_t bucket) {
    if (bucket < linear) return static_cast<double>(bucket);
    const std::size_t shift = (bucket >> sub_bits) - 1;
    const std::uint64_t low = ((bucket & 63) + 64) << shift;
    return static_cast<double>(low) + static_cast<double>(std::uint64_t{1} << shift) / 2;
}

} // namespace

void Durations::add(Nanoseconds duration) {
    const std::size_t bucket = bucket_of(duration);
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
    return std::min(middle_of(bucket), static_cast<double>(max_)) / 1e3;
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
