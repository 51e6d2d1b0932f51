// SPDX-License-Identifier: MIT
// What the vCPUs of a trace wanted: when each was woken, and how long it computed until it slept.
#pragma once

#include "collector/trace/runstates.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace intellisched::replay {

/// From a wake-up until the vCPU sleeps again: blocks, is paused, or waits for its device model. In
/// cycles of the TSC. Preemptions, yields and moves between runqueues are inside.
struct Stretch {
    std::uint64_t woken = 0;   ///< TSC; of a vCPU's first: when it was first seen running
    std::uint64_t ran = 0;     ///< on CPUs
    std::uint64_t blocked = 0; ///< TSC at which it fell asleep, or the end of the trace
};

/// Takes the records of a trace in their order and cuts each vCPU's time into stretches. Like the
/// tracker, it knows nothing of a vCPU until it has seen it start to run, and bridges no loss:
/// `losses()` says whether there was one, and then what was wanted in the trace is not known.
class StretchCollector {
  public:
    StretchCollector() : tracker_(std::make_unique<trace::RunstateTracker>()) {}

    void add(const trace::Record& record);
    /// The trace is over: whoever runs has run up to here.
    void finish();

    /// By vCPU (VcpuRef::key()); the idle domain's are left out.
    [[nodiscard]] const std::map<std::uint32_t, std::vector<Stretch>>& stretches() const {
        return stretches_;
    }
    [[nodiscard]] std::uint64_t begin() const { return begin_; } ///< TSC of the first record
    [[nodiscard]] std::uint64_t end() const { return end_; }     ///< TSC of the last one
    /// How often records were lost, tracing paused, or the stream damaged.
    [[nodiscard]] std::uint64_t losses() const { return losses_; }
    /// Times that a pool's runqueues were formed anew.
    [[nodiscard]] std::uint64_t rearrangements() const { return rearrangements_; }
    /// Records that did not fit the state before them, as where clocks differ by CPU: a wake-up
    /// that is dated after the start that it led to is taken to be at that start.
    [[nodiscard]] std::uint64_t mismatches() const { return tracker_->mismatches(); }

    // The tracker's observer.
    void on_change(std::uint32_t vcpu, const trace::VcpuState& before, trace::Runstate to,
                   std::uint16_t cpu, std::uint64_t tsc);

  private:
    std::unique_ptr<trace::RunstateTracker> tracker_; ///< large
    std::map<std::uint32_t, std::vector<Stretch>> stretches_;
    std::vector<bool> open_; ///< by the tracker's number: its last stretch goes on
    std::uint64_t begin_ = 0;
    std::uint64_t end_ = 0;
    std::uint64_t losses_ = 0;
    std::uint64_t rearrangements_ = 0;
};

} // namespace intellisched::replay
