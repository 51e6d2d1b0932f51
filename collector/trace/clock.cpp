// SPDX-License-Identifier: MIT
#include "collector/trace/clock.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched::trace {

// Shorter stretches are dominated by the time between Xen's clock reading and the record's; longer
// ones come near to the 4.29 s at which the nanoseconds wrap.
static constexpr std::uint32_t shortest_ns = 200'000;
static constexpr std::uint32_t longest_ns = 3'000'000'000;

void TscCalibrator::operator()(const Record& record) {
    visit(record,
          Visitor{[&](const RunstateChange& change) {
                      if (change.to == Runstate::running)
                          running_.insert_or_assign(record.cpu, std::pair{change.vcpu, record.tsc});
                  },
                  [&](const LossBegin&) { running_.erase(record.cpu); },
                  [&](const TimeRestart&) { running_.clear(); },
                  [&](const SwitchInfPrev& previous) {
                      const auto it = running_.find(record.cpu);
                      if (it == running_.end() || it->second.first != previous.previous ||
                          previous.ran_ns < shortest_ns || previous.ran_ns > longest_ns || enough())
                          return;
                      ratios_.push_back(static_cast<double>(record.tsc - it->second.second) /
                                        previous.ran_ns);
                      running_.erase(it);
                  },
                  [](const auto&) {}});
}

std::optional<std::uint64_t> TscCalibrator::khz() const {
    if (ratios_.size() < 16) return std::nullopt;
    std::vector<double> sorted = ratios_;
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
    std::nth_element(sorted.begin(), middle, sorted.end());
    const double khz = *middle * 1e6;
    // 1 MHz to 100 GHz: anything else is not a trace of a machine.
    if (!(khz >= 1e3 && khz <= 1e8)) return std::nullopt;
    return static_cast<std::uint64_t>(std::llround(khz));
}

} // namespace intellisched::trace
