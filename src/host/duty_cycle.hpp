// SPDX-License-Identifier: MIT
// When the live trace is on: so many milliseconds of every second, and fewer while it is denser
// than it may be.
#pragma once

#include <chrono>
#include <cstddef>

namespace intellisched {

class DutyCycle {
  public:
    using Clock = std::chrono::steady_clock;
    enum class Turn { none, off, on };

    /// Tracing is on. `duty_ms`: of every second, 1 to 1000 (always). `most`: bytes that the trace
    /// may have in a second; 0: as many as it has.
    DutyCycle(Clock::time_point now, unsigned duty_ms, double most);

    /// What is to be done with tracing now.
    [[nodiscard]] Turn turn(Clock::time_point now);
    /// Counts what was read of the trace.
    void read(std::size_t bytes) { bytes_ += static_cast<double>(bytes); }

    /// When turn() may have something to say.
    [[nodiscard]] Clock::time_point due() const;
    [[nodiscard]] unsigned duty_ms() const { return duty_ms_; } ///< of this second
    /// Bytes of the last second that was too dense; 0: none was.
    [[nodiscard]] double too_many() const { return too_many_; }

  private:
    void adapt(double bytes);

    unsigned most_ms_, duty_ms_;
    double most_, bytes_ = 0, too_many_ = 0;
    Clock::time_point begin_; ///< of this second
    bool on_ = true;
};

} // namespace intellisched
