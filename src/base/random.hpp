// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace intellisched {

/// The next number of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
/// generators, OOPSLA 2014). Unlike the standard library's distributions, what is made of it is the
/// same on every machine. Seeds such as 1, 2, 3 give streams that have nothing in common.
inline std::uint64_t splitmix64(std::uint64_t& state) {
    std::uint64_t z = state += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

} // namespace intellisched
