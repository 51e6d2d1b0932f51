// SPDX-License-Identifier: MIT
// The TSC's frequency, which a trace does not state.
#pragma once

#include "collector/trace/event.hpp"

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace intellisched::trace {

/// Recovers the TSC frequency from a trace: SWITCH_INFPREV says how many nanoseconds a unit ran,
/// and its distance from the record that set it running says how many cycles that took. The median
/// over many switches is used, which a few odd pairs cannot move.
class TscCalibrator {
  public:
    void operator()(const Record& record);

    /// True when more records would not make the estimate better.
    [[nodiscard]] bool enough() const { return ratios_.size() >= enough_ratios; }

    /// In kHz; nothing before at least 16 usable switches were seen.
    [[nodiscard]] std::optional<std::uint64_t> khz() const;

  private:
    static constexpr std::size_t enough_ratios = 4096;
    std::unordered_map<std::uint16_t, std::pair<VcpuRef, std::uint64_t>> running_; ///< by CPU
    std::vector<double> ratios_; ///< cycles a nanosecond
};

} // namespace intellisched::trace
