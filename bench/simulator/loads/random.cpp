// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/loads/random.hpp"

#include "src/base/random.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sim {

using intellisched::proto::Times;

Random Random::stream(std::initializer_list<std::uint64_t> key) {
    Random random(0);
    for (const std::uint64_t part : key) random.state_ = random.next() ^ part;
    random.state_ = random.next(); // so that keys that differ by one start far apart
    return random;
}

std::uint64_t Random::next() { return intellisched::splitmix64(state_); }

double Random::uniform() { return (static_cast<double>(next() >> 11) + 1.0) * 0x1p-53; }

std::uint64_t Random::below(std::uint64_t count) {
    const auto drawn = static_cast<std::uint64_t>(uniform() * static_cast<double>(count));
    return std::min(drawn, count - 1); // uniform() can be 1
}

double Random::exponential(double mean) { return -std::log(uniform()) * mean; }

std::uint64_t Random::geometric(double mean) {
    if (mean <= 1) return 1;
    const double more = std::floor(std::log(uniform()) / std::log1p(-1 / mean));
    return 1 + static_cast<std::uint64_t>(more);
}

double Random::normal() {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
}

Nanoseconds Random::draw(const Times& times) {
    constexpr double longest_ns = 3600e9;
    const double mean = times.mean_us() * 1e3;
    double ns = mean;
    switch (times.shape()) {
    case Times::EXPONENTIAL:
        ns = exponential(mean);
        break;
    case Times::PARETO: {
        const double alpha = times.alpha() > 0 ? times.alpha() : 1.5;
        ns = mean * (alpha - 1) / alpha * std::pow(uniform(), -1 / alpha);
        break;
    }
    case Times::LOGNORMAL: {
        const double sigma = times.sigma() > 0 ? times.sigma() : 1.0;
        ns = mean * std::exp(sigma * normal() - sigma * sigma / 2);
        break;
    }
    default:
        break; // FIXED
    }
    return static_cast<Nanoseconds>(std::clamp(std::round(ns), 1.0, longest_ns));
}

} // namespace sim
