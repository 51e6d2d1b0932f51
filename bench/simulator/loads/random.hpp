// SPDX-License-Identifier: GPL-2.0-only
// Random numbers that are the same on every machine: an own generator and own distributions,
// because the C++ standard leaves open what its distributions make of a generator's output.
#pragma once

#include "bench/simulator/guest.hpp"
#include "src/proto/scenario.pb.h"

#include <cstdint>
#include <initializer_list>

namespace sim {

/// Of splitmix64().
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    /// A stream of its own for every key, such as {seed, guest, load, client}. A stream a client
    /// (and not one for all) makes what a client does independent of the order in which the
    /// scheduler lets clients run: runs under different layouts see the same load.
    [[nodiscard]] static Random stream(std::initializer_list<std::uint64_t> key);

    std::uint64_t next();
    /// In (0, 1].
    double uniform();
    /// Of 0 to `count` - 1; `count` is at least 1 and far below 2^53.
    std::uint64_t below(std::uint64_t count);
    /// Exponentially distributed.
    double exponential(double mean);
    /// At least 1, geometrically distributed with that mean (at least 1).
    std::uint64_t geometric(double mean);
    /// Of the standard normal distribution (Box and Muller).
    double normal();
    /// At least 1 ns, at most an hour: a heavy tail must not overflow the clock.
    Nanoseconds draw(const intellisched::proto::Times& times);

  private:
    std::uint64_t state_;
};

} // namespace sim
