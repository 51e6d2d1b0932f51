// SPDX-License-Identifier: MIT
#include "src/host/duty_cycle.hpp"

#include <algorithm>

namespace intellisched {
namespace {

constexpr std::chrono::milliseconds period{1000};
constexpr unsigned always = 1000;
// What is so dense tells enough in that time, and turning the trace on and off costs little yet.
constexpr unsigned least_ms = 10;

} // namespace

DutyCycle::DutyCycle(Clock::time_point now, unsigned duty_ms, double most)
    : most_ms_(duty_ms), duty_ms_(duty_ms), most_(most), begin_(now) {}

DutyCycle::Turn DutyCycle::turn(Clock::time_point now) {
    if (const auto seconds = (now - begin_) / period; seconds > 0) {
        adapt(bytes_ / static_cast<double>(seconds)); // after a long wait it is of all of them
        bytes_ = 0;
        begin_ += seconds * period; // and not `now`, so that it does not drift
    }
    const bool wanted = duty_ms_ == always || now < begin_ + std::chrono::milliseconds(duty_ms_);
    if (wanted == on_) return Turn::none;
    on_ = wanted;
    return on_ ? Turn::on : Turn::off;
}

DutyCycle::Clock::time_point DutyCycle::due() const {
    return on_ && duty_ms_ != always ? begin_ + std::chrono::milliseconds(duty_ms_)
                                     : begin_ + period;
}

/// Less as soon as it is too much; more again only where twice as much would still be allowed, so
/// that a load that stays has one duty.
void DutyCycle::adapt(double bytes) {
    if (most_ <= 0) return;
    if (bytes > most_) {
        too_many_ = bytes;
        duty_ms_ = std::max(std::min(least_ms, most_ms_),
                            static_cast<unsigned>(duty_ms_ * (most_ / bytes)));
    } else if (bytes < most_ / 2) {
        duty_ms_ = std::min(most_ms_, 2 * duty_ms_);
    }
}

} // namespace intellisched
