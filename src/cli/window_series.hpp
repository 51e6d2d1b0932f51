// SPDX-License-Identifier: MIT
// The windows of a pool over any length of time, in few figures.
#pragma once

#include "src/service/journal_reader.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace intellisched::cli {

/// Of a value of windows.
struct Summary {
    double sum = 0, low = 0, high = 0;
    std::uint64_t count = 0;

    void add(double value); ///< NaN and what cannot be are left out
    void add(const Summary& other);
    [[nodiscard]] double mean() const { return sum / static_cast<double>(count); }
};

/// What is known of some windows in a row.
struct Stretch {
    enum What : std::uint8_t { score, gain, probability, coverage, rate_limit, novelty, whats };
    std::array<Summary, whats> of{}; ///< score: 1 is the most; the next three as parts of 1; us
    /// Windows with that layout in force, and with that favourite of the model.
    std::array<unsigned, layout_count> in_force{}, favourite{};

    void add(const service::Window& window);
    void add(const Stretch& later);
};

class WindowSeries {
  public:
    static constexpr std::size_t most = 400; ///< stretches

    /// The newest window first, as the journal gives them.
    void add(const service::Window& window);

    [[nodiscard]] std::uint64_t windows() const { return windows_; }
    /// From the begin of the first window to the end of the last, in seconds of the Unix epoch.
    [[nodiscard]] double from() const { return seconds(oldest_); }
    [[nodiscard]] double to() const { return seconds(newest_.begin) + length_; }
    /// The newest window; none if there is no window.
    [[nodiscard]] const service::Window& newest() const { return newest_; }
    /// How long a stretch is, and how far apart two are between which windows are missing.
    [[nodiscard]] double stretch() const { return static_cast<double>(width_) / 1e9; }
    [[nodiscard]] double gap() const { return 2.5 * std::max(stretch(), longest_); }
    /// The newest first; one without a window is empty. The first ends at to().
    [[nodiscard]] const std::vector<Stretch>& stretches() const { return stretches_; }

  private:
    static double seconds(service::UnixTime time) { return static_cast<double>(time) / 1e9; }

    std::vector<Stretch> stretches_;
    service::Window newest_;
    service::UnixTime oldest_ = 0;
    std::uint64_t windows_ = 0, width_ = second;
    double length_ = 0, longest_ = 0; ///< of the newest window, and of any
};

} // namespace intellisched::cli
