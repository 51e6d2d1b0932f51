// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace intellisched {

/// The buckets of a histogram of whole numbers: 2^sub_bits an octave, so that one is 2^-sub_bits of
/// its numbers wide. Numbers below 2^(sub_bits + 1) have a bucket each.
template<unsigned sub_bits> struct LogBuckets {
    static constexpr std::size_t count = (64 - sub_bits + 1) << sub_bits;

    static std::size_t of(std::uint64_t value) {
        if (value < linear) return value;
        const auto shift = static_cast<unsigned>(std::bit_width(value)) - sub_bits - 1;
        return (std::size_t{shift} << sub_bits) + (value >> shift);
    }
    static double middle(std::size_t bucket) {
        if (bucket < linear) return static_cast<double>(bucket);
        return static_cast<double>(low(bucket)) + static_cast<double>(width(bucket)) / 2;
    }
    /// The largest number in the bucket.
    static std::uint64_t most(std::size_t bucket) { return low(bucket) + (width(bucket) - 1); }

  private:
    static constexpr std::uint64_t linear = std::uint64_t{2} << sub_bits;

    static std::uint64_t width(std::size_t bucket) {
        return bucket < linear ? 1 : std::uint64_t{1} << ((bucket >> sub_bits) - 1);
    }
    static std::uint64_t low(std::size_t bucket) {
        if (bucket < linear) return bucket;
        constexpr std::uint64_t octave = std::uint64_t{1} << sub_bits;
        return (bucket % octave + octave) * width(bucket);
    }
};

} // namespace intellisched
