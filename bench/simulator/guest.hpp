// SPDX-License-Identifier: GPL-2.0-only
// Where the simulated machine and what runs on it meet. The machine (machine.hpp) has CPUs, Xen's
// scheduler and the costs; a Workload has the state machines of one guest's vCPUs and knows no Xen.
// All times are nanoseconds of virtual time; work is nanoseconds of an undisturbed CPU.
#pragma once

#include <cstdint>

namespace sim {

using Nanoseconds = std::uint64_t;

/// A vCPU of the scenario: which guest (index in the scenario, Domain-0 included) and which vCPU.
struct VcpuId {
    std::uint32_t guest = 0;
    std::uint32_t vcpu = 0;
    friend bool operator==(const VcpuId&, const VcpuId&) = default;
};

/// What a vCPU does next.
struct Step {
    enum class Kind : std::uint8_t {
        compute, ///< `work` of work, however long that takes; then next() is asked again
        spin,    ///< the same, but nothing is done by it
        yield,   ///< the CPU to others that want it; then next() is asked again
        block,   ///< nothing until an event comes; returns at once when one is pending
    };
    Kind kind = Kind::block;
    Nanoseconds work = 0;
};

/// What a workload can ask of the machine.
class Platform {
  public:
    virtual ~Platform() = default;

    [[nodiscard]] virtual Nanoseconds now() const = 0;

    /// An event for a vCPU, as through an event channel: wakes it when it is blocked, else stays
    /// pending so that its next block returns at once. Inside next() the sender's CPU pays for the
    /// hypercall; from outside() the event comes from a device.
    virtual void notify(VcpuId to) = 0;

    /// Arms the vCPU's single-shot timer (as VCPUOP_set_singleshot_timer): an event for it at `at`.
    /// A later call replaces it; 0 disarms. Only from next() of that vCPU or outside().
    virtual void set_timer(VcpuId vcpu, Nanoseconds at) = 0;

    /// Since when the vCPU has been ready to run and has not; 0: it runs, or wants to do nothing.
    /// What other vCPUs of its guest feel of it.
    [[nodiscard]] virtual Nanoseconds waiting_since(VcpuId vcpu) const = 0;

    /// Has the world outside (network, disk) call outside(token) of the workload of `guest` at
    /// `at`, which must not be earlier than now().
    virtual void call_outside(std::uint32_t guest, Nanoseconds at, std::uint64_t token) = 0;
};

/// What one guest does. The machine calls next() whenever the vCPU runs and has nothing to do: when
/// it first runs, when its work is done, and when it runs again after a block. An event does not
/// interrupt work. Never returns an endless run of compute steps of no work.
class Workload {
  public:
    virtual ~Workload() = default;

    /// The guest has started, or its next phase begins: calls set up what comes from outside.
    virtual void start(Platform& platform) = 0;
    virtual Step next(std::uint32_t vcpu, Platform& platform) = 0;
    virtual void outside(std::uint64_t token, Platform& platform) = 0;
};

} // namespace sim
