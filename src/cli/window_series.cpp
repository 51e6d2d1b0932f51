// SPDX-License-Identifier: MIT
#include "src/cli/window_series.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched::cli {

void Summary::add(double value) {
    constexpr double absurd = 1e9; // a journal may be anybody's
    if (!(std::abs(value) < absurd)) return;
    add({value, value, value, 1});
}

void Summary::add(const Summary& other) {
    if (other.count == 0) return;
    low = count > 0 ? std::min(low, other.low) : other.low;
    high = count > 0 ? std::max(high, other.high) : other.high;
    sum += other.sum;
    count += other.count;
}

void Stretch::add(const service::Window& window) {
    of[score].add(std::exp(window.utility));
    of[coverage].add(window.coverage);
    if (window.rate_limit_us) of[rate_limit].add(*window.rate_limit_us);
    ++in_force[index(window.in_force.layout)];
    if (!window.prediction) return;
    const Prediction& said = *window.prediction;
    of[gain].add(said.expected_gain[index(said.best)]);
    of[probability].add(said.probability[index(said.best)]);
    of[novelty].add(said.outside_training);
    ++favourite[index(said.best)];
}

void Stretch::add(const Stretch& later) {
    for (std::size_t i = 0; i < whats; ++i) of[i].add(later.of[i]);
    for (std::size_t i = 0; i < layout_count; ++i) {
        in_force[i] += later.in_force[i];
        favourite[i] += later.favourite[i];
    }
}

void WindowSeries::add(const service::Window& window) {
    const double length =
        std::clamp(static_cast<double>(window.length) / 1e9, 0.0, 86400.0); // as one may be
    if (windows_++ == 0) newest_ = window, oldest_ = window.begin, length_ = length;
    longest_ = std::max(longest_, length);
    oldest_ = std::min(oldest_, window.begin);
    // A hostile journal's times are anywhere, but in order.
    const std::uint64_t before =
        static_cast<std::uint64_t>(newest_.begin) - static_cast<std::uint64_t>(oldest_);
    while (before / width_ >= most) {
        width_ *= 2;
        for (std::size_t i = 0; i < stretches_.size(); ++i) {
            if (i % 2 != 0)
                stretches_[i / 2].add(stretches_[i]);
            else if (i != 0)
                stretches_[i / 2] = stretches_[i];
        }
        stretches_.resize((stretches_.size() + 1) / 2);
    }
    const std::size_t at = before / width_;
    if (at >= stretches_.size()) stretches_.resize(at + 1);
    stretches_[at].add(window);
}

} // namespace intellisched::cli
