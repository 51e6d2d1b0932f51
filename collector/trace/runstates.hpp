// SPDX-License-Identifier: MIT
// Follows every vCPU through its runstates. What it reports, and what it refuses to report after a
// loss, agrees with xenalyze (tests/integration holds the two against each other):
//  - a vCPU is known from the moment it is seen to start running;
//  - while records are being lost on some CPU, a vCPU that is not running elsewhere may be running
//    there, so it is unknown from the first lost record on; one that stops running becomes unknown;
//  - nothing is bridged: an interval that a loss cuts ends where the loss begins.
#pragma once

#include "collector/trace/event.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace intellisched::trace {

inline constexpr std::uint16_t no_cpu = 0xffff;

/// A vCPU as far as the trace has told.
struct VcpuState {
    VcpuRef ref;
    Runstate state = Runstate::unknown;
    std::uint16_t cpu = no_cpu;   ///< runs or last ran there; no_cpu after a loss
    std::uint64_t since = 0;      ///< TSC at which it entered `state`
    std::uint32_t known_slot = 0; ///< where it stands in the list of known vCPUs
    bool moved = false;           ///< Xen chose another runqueue for it as it ran; not run since

    /// Whether it wants no CPU in state `s`, its own or its next one: it is blocked, paused, or
    /// waits for its device model. A running vCPU that is moved to another runqueue also becomes
    /// offline until it is there, but wants to go on: it is not asleep.
    [[nodiscard]] bool asleep_in(Runstate s) const {
        return s == Runstate::blocked || (s == Runstate::offline && !moved);
    }
    [[nodiscard]] bool asleep() const { return asleep_in(state); }
};

/// `Observer` is told of each change as it happens, and sees the vCPU as it was before:
///     void on_change(std::uint32_t vcpu, const VcpuState& before, Runstate to, std::uint16_t cpu,
///                    std::uint64_t tsc);    // before.state has lasted from before.since to tsc
/// `vcpu` numbers vCPUs densely from 0 in the order of their first appearance; numbers of forgotten
/// vCPUs are used again. `cpu` is where the record was written: with `to` running, where it runs;
/// with a wake-up, where it was woken from.
class RunstateTracker {
  public:
    /// The most vCPUs that are followed at a time. Records of others are counted (untracked()).
    static constexpr std::size_t max_vcpus = std::size_t{1} << 16;
    /// vCPU numbers from this one on are not followed either: no domain of Xen has as many
    /// (MAX_VIRT_CPUS).
    static constexpr std::uint16_t max_vcpu_number = 8192;

    /// `takes_up`: after a loss a vCPU is known again from its next change of any kind, which is
    /// earlier than in xenalyze.
    explicit RunstateTracker(bool takes_up = false) : takes_up_(takes_up) {}

    template<class Observer> void on(const Record& r, const RunstateChange& change, Observer& o) {
        change_state(r, change.vcpu, change.from, change.to, o);
    }
    template<class Observer> void on(const Record& r, const ContinueRunning& c, Observer& o) {
        const std::uint32_t i = find(c.vcpu);
        if (i == none || vcpus_[i].state != Runstate::unknown) return;
        if (ever_known_[i]) start_running(r.cpu, i, r.tsc, o); // after a loss: here it is
        // Nobody else was put on this CPU since the trace began, so it has been here since then.
        else if (!at(r.cpu).scheduled)
            start_running(r.cpu, i, at(r.cpu).first, o);
    }
    template<class Observer> void on(const Record&, const Migrate& e, Observer&) {
        const std::uint32_t i = find(e.unit);
        if (i != none && vcpus_[i].state == Runstate::running) vcpus_[i].moved = true;
    }
    template<class Observer> void on(const Record& r, const LossBegin&, Observer& o) {
        Pcpu& pcpu = at(r.cpu);
        if (pcpu.current != none) stop_running(r.cpu, pcpu.current, Runstate::unknown, r.tsc, o);
        if (!pcpu.lossy) ++lossy_cpus_;
        pcpu.lossy = pcpu.scheduled = true;
        before_loss_ = vcpus_.size();
        for (std::size_t k = 0; k < known_.size();) {
            const std::uint32_t i = known_[k];
            if (vcpus_[i].state == Runstate::running)
                ++k;
            else
                set(i, Runstate::unknown, no_cpu, r.cpu, r.tsc, o); // leaves the list
        }
    }
    template<class Observer> void on(const Record& r, const TimeRestart&, Observer& o) {
        while (!known_.empty()) {
            const std::uint32_t i = known_.back();
            set(i, Runstate::unknown, no_cpu, vcpus_[i].cpu, r.tsc, o); // leaves the list
        }
        for (Pcpu& pcpu : pcpus_) pcpu = {.scheduled = true};
        lossy_cpus_ = 0;
    }
    template<class Observer> void on(const Record& r, const LossEnd& loss, Observer& o) {
        Pcpu& pcpu = at(r.cpu);
        if (pcpu.lossy) --lossy_cpus_;
        pcpu.lossy = false;
        if (loss.count == 0) return; // not Xen's: it does not say who is running
        const std::uint32_t i = find(loss.current);
        if (i != none) start_running(r.cpu, i, r.tsc, o);
    }
    template<class Observer, class Event> void on(const Record&, const Event&, Observer&) {}

    /// Call it with every record, before on().
    void saw(const Record& r) {
        Pcpu& pcpu = at(r.cpu);
        if (pcpu.first == 0) pcpu.first = r.tsc;
        pcpu.last = r.tsc;
    }

    /// The end of the trace: a vCPU that runs is reported to have run until its CPU's last record.
    template<class Observer> void finish(Observer& o) {
        for (std::size_t cpu = 0; cpu < pcpus_.size(); ++cpu)
            if (pcpus_[cpu].current != none)
                stop_running(static_cast<std::uint16_t>(cpu), pcpus_[cpu].current,
                             Runstate::unknown, pcpus_[cpu].last, o);
    }

    /// By number. A number that is not in use has an idle vCPU.
    [[nodiscard]] const std::vector<VcpuState>& vcpus() const { return vcpus_; }
    /// The vCPU that runs on a CPU, or `none`.
    [[nodiscard]] std::uint32_t current(std::uint16_t cpu) const {
        return cpu < pcpus_.size() ? pcpus_[cpu].current : none;
    }
    /// Records whose old state was not the state that the vCPU was in, as when the CPUs' clocks
    /// differ.
    [[nodiscard]] std::uint64_t mismatches() const { return mismatches_; }
    /// Whether records are being lost on some CPU.
    [[nodiscard]] bool lossy() const { return lossy_cpus_ > 0; }
    /// Records of vCPUs that are not followed.
    [[nodiscard]] std::uint64_t untracked() const { return untracked_; }

    /// The number of that vCPU; a new one gets a number. `none` when there are too many.
    std::uint32_t find(VcpuRef ref) {
        const std::uint32_t i = known(ref);
        return i != none ? i : enter(ref);
    }
    /// The number of that vCPU, or `none` if it has none.
    [[nodiscard]] std::uint32_t known(VcpuRef ref) const {
        const auto& page = domains_[ref.domain / page_domains];
        if (!page) [[unlikely]]
            return none;
        const Vcpus& slots = (*page)[ref.domain % page_domains];
        return ref.vcpu < slots.size() ? slots[ref.vcpu] : none;
    }

    /// Forgets the vCPUs of a domain that is gone. None of them may run. `forgets` is called with
    /// the number of each, which will be used again.
    template<class Forgets> void forget(std::uint16_t domain, Forgets forgets) {
        const auto& page = domains_[domain / page_domains];
        if (!page) return;
        Vcpus slots = std::exchange((*page)[domain % page_domains], {});
        slots_ -= slots.size();
        for (const std::uint32_t i : slots) {
            if (i == none) continue;
            forgets(i);
            free_number(i);
        }
    }

    static constexpr std::uint32_t none = UINT32_MAX;

  private:
    struct Pcpu {
        std::uint32_t current = none;
        bool lossy = false;
        bool scheduled = false;            ///< a change of who runs here has been seen
        std::uint64_t first = 0, last = 0; ///< TSC of records
    };

    Pcpu& at(std::uint16_t cpu) {
        if (pcpus_.size() <= cpu) pcpus_.resize(std::size_t{cpu} + 1);
        return pcpus_[cpu];
    }
    std::uint32_t enter(VcpuRef ref);
    void free_number(std::uint32_t i);
    void list_known(std::uint32_t i, bool known);

    template<class Observer>
    void change_state(const Record& r, VcpuRef ref, Runstate from, Runstate to, Observer& o) {
        const std::uint32_t i = find(ref);
        if (i == none) return;
        const VcpuState& vcpu = vcpus_[i];
        if (vcpu.state == Runstate::unknown) {
            if (to == Runstate::running) {
                start_running(r.cpu, i, r.tsc, o);
                return;
            }
            if (from == Runstate::running) at(r.cpu).scheduled = true;
            if (takes_up_ && ever_known_[i] && lossy_cpus_ == 0)
                set(i, to, no_cpu, r.cpu, r.tsc, o);
            return;
        }
        if (vcpu.state != from) [[unlikely]] {
            ++mismatches_;
            if (vcpu.state == Runstate::running) return;
        }
        if (to == Runstate::running)
            start_running(r.cpu, i, r.tsc, o);
        else if (vcpu.state == Runstate::running)
            stop_running(r.cpu, i, to, r.tsc, o);
        else
            set(i, to, vcpu.cpu, r.cpu, r.tsc, o);
    }

    template<class Observer>
    void start_running(std::uint16_t cpu, std::uint32_t i, std::uint64_t tsc, Observer& o) {
        // If another vCPU is still thought to run here, the record of its leaving was lost.
        const std::uint32_t displaced = at(cpu).current;
        if (displaced != none && displaced != i)
            stop_running(cpu, displaced, Runstate::unknown, tsc, o);
        if (vcpus_[i].state == Runstate::running && vcpus_[i].cpu != cpu)
            at(vcpus_[i].cpu).current = none;
        set(i, Runstate::running, cpu, cpu, tsc, o);
        at(cpu).current = i;
        at(cpu).scheduled = true;
    }

    template<class Observer> void stop_running(std::uint16_t cpu, std::uint32_t i, Runstate to,
                                               std::uint64_t tsc, Observer& o) {
        at(vcpus_[i].cpu).current = none;
        if (lossy_cpus_ > 0 && !vcpus_[i].ref.idle()) to = Runstate::unknown;
        set(i, to, vcpus_[i].cpu, cpu, tsc, o);
    }

    template<class Observer> void set(std::uint32_t i, Runstate to, std::uint16_t vcpu_cpu,
                                      std::uint16_t record_cpu, std::uint64_t tsc, Observer& o) {
        VcpuState& vcpu = vcpus_[i];
        o.on_change(i, vcpu, to, record_cpu, tsc);
        if ((vcpu.state == Runstate::unknown) != (to == Runstate::unknown))
            list_known(i, to != Runstate::unknown);
        vcpu.state = to;
        if (to != Runstate::offline) vcpu.moved = false;
        vcpu.cpu = to == Runstate::unknown ? no_cpu : vcpu_cpu;
        vcpu.since = tsc;
    }

    // vCPU numbers by domain and vCPU, in pages that are made when a domain of theirs appears. A
    // table of all domains would take 1.5 MB.
    using Vcpus = std::vector<std::uint32_t>;
    static constexpr std::size_t page_domains = 256;
    using Page = std::array<Vcpus, page_domains>;
    std::array<std::unique_ptr<Page>, (std::size_t{1} << 16) / page_domains> domains_;
    std::vector<VcpuState> vcpus_;
    std::vector<bool> ever_known_;
    std::vector<std::uint32_t> known_; ///< vCPUs whose state is not unknown
    std::vector<std::uint32_t> free_;  ///< numbers of vCPUs that were forgotten
    std::vector<Pcpu> pcpus_;
    std::size_t slots_ = 0;
    bool takes_up_;
    unsigned lossy_cpus_ = 0;
    std::size_t before_loss_ = 0; ///< vCPUs that had appeared when a loss last began
    std::uint64_t mismatches_ = 0;
    std::uint64_t untracked_ = 0;
};

} // namespace intellisched::trace
