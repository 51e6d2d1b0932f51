// SPDX-License-Identifier: MIT
// What the vCPUs of a trace wanted: when each was woken, and how long it computed until it slept.
#pragma once

#include "collector/trace/runstates.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace intellisched::replay {

/// What made a wake-up, as far as the record's CPU tells: Xen writes it on the CPU that made it.
enum class Cause : std::uint8_t {
    timer,   ///< its own: on the CPU where it ran last, on which Xen keeps its timer
    outside, ///< an interrupt of a device: on another CPU, which was idle
    vcpu,    ///< another vCPU, which ran there
};

/// From a wake-up until the vCPU sleeps again: blocks, is paused, or waits for its device model. In
/// cycles of the TSC. Preemptions, yields and moves between runqueues are inside.
struct Stretch {
    std::uint64_t woken = 0;   ///< TSC; of a vCPU's first: when it was first seen running
    std::uint64_t ran = 0;     ///< on CPUs
    std::uint64_t blocked = 0; ///< TSC at which it fell asleep, or the end of the trace
    Cause cause = Cause::timer;
    std::uint32_t by = 0;     ///< of cause vcpu: the vCPU that woke it (VcpuRef::key()), ...
    std::uint64_t by_ran = 0; ///< ... and what that one had run in the trace by then
    bool ended = false;       ///< it fell asleep; else the trace was over
};

/// What vCPUs wanted for a while.
struct Stretches {
    std::map<std::uint32_t, std::vector<Stretch>>
        by_vcpu;                      ///< VcpuRef::key(); not the idle domain's
    std::uint64_t begin = 0, end = 0; ///< TSC
};

/// `count` parts of the same length, one after the other. A stretch that goes over an end is in
/// both parts, with as much of its running as of its time; in the second it begins by itself.
[[nodiscard]] std::vector<Stretches> cut(const Stretches& whole, unsigned count);

/// The same with the wake-ups of timers at the times at which they came, as those of devices are.
/// No trace tells whether a timer counts from when the vCPU fell asleep or runs on its own.
[[nodiscard]] Stretches timers_on_time(Stretches all);

/// Takes the records of a trace in their order and cuts each vCPU's time into stretches. Like the
/// tracker, it knows nothing of a vCPU until it has seen it start to run, and bridges no loss:
/// `losses()` says whether there was one, and then what was wanted in the trace is not known.
class StretchCollector {
  public:
    StretchCollector() : tracker_(std::make_unique<trace::RunstateTracker>()) {}

    void add(const trace::Record& record);
    /// The trace is over: whoever runs has run up to here.
    void finish();

    /// From the first record to the last one.
    [[nodiscard]] const Stretches& stretches() const { return stretches_; }
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
    Stretches stretches_;
    [[nodiscard]] Stretch begun(const trace::VcpuState& vcpu, trace::Runstate to, std::uint16_t cpu,
                                std::uint64_t tsc) const;

    std::vector<bool> open_;         ///< by the tracker's number: its last stretch goes on
    std::vector<std::uint64_t> ran_; ///< by the tracker's number, up to its last change
    std::uint64_t losses_ = 0;
    std::uint64_t rearrangements_ = 0;
};

} // namespace intellisched::replay
