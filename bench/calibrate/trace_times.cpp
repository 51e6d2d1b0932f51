// SPDX-License-Identifier: MIT
#include "bench/calibrate/trace_times.hpp"

#include <algorithm>
#include <span>

namespace intellisched::calibrate {

namespace {

// A CPU that has been left alone for as long, some microseconds at any frequency, idles or runs its
// guest, and is not within Xen.
constexpr std::uint64_t quiet_cycles = 20'000;
// Longer is no cost of the machine, and no 32 bits either.
constexpr std::uint64_t most_cycles = UINT32_MAX;
// More say no more.
constexpr std::size_t most_times = std::size_t{1} << 20;

// A lock that has been left alone for as long is free: longer than from a CPU's last record under
// it to its end.
constexpr std::uint64_t free_cycles = 5'000;
constexpr std::size_t most_vcpus = std::size_t{1} << 16; // a damaged trace can name more

constexpr std::uint32_t block_event = 0x28006;

// What Xen 4.17 writes between SCHEDULE and SWITCH_INFPREV in the two cases.
constexpr std::array<std::uint32_t, 2> warm_steps{0x22217, 0x22214};
constexpr std::array<std::uint32_t, 4> cold_steps{0x22203, 0x22214, 0x22209, 0x2220c};

void take(std::vector<std::uint32_t>& times, std::uint64_t from, std::uint64_t to) {
    if (to >= from && to - from <= most_cycles && times.size() < most_times)
        times.push_back(static_cast<std::uint32_t>(to - from));
}

constexpr std::size_t index(Distance distance) { return static_cast<std::size_t>(distance); }

Distance between(const Cpu& a, const Cpu& b) {
    return a.id == b.id           ? Distance::same
           : same_core(a, b)      ? Distance::core
           : a.socket == b.socket ? Distance::socket
                                  : Distance::remote;
}

} // namespace

void TraceTimer::set_cpus(const Topology& topology, const std::vector<unsigned>& cpus) {
    for (Pcpu& cpu : cpus_) cpu.wanted = false;
    times_.cpus = lossy_ = 0;
    for (const unsigned id : cpus) {
        const Cpu* where = topology.find(id);
        if (where == nullptr) continue;
        if (cpus_.size() <= id) cpus_.resize(std::size_t{id} + 1);
        cpus_[id].wanted = true;
        ++times_.cpus;
        if (cpus_[id].lossy) ++lossy_;
        cpus_[id].where = *where;
    }
}

/// The vCPU has become runnable, in the record after WAKE if `cpu.wakes` is not 0.
void TraceTimer::woken(Pcpu& cpu, const trace::Record& record, trace::VcpuRef vcpu) {
    const auto known = vcpus_.find(vcpu.key());
    cpu.locked = known == vcpus_.end() ? none : known->second.runqueue;
    if (cpu.locked == none || cpu.wakes == 0 || !cpu.idle || cpu.locked >= locks_.size()) return;
    if (lossy_ > 0) return; // somebody may have had it unseen
    const Lock& lock = locks_[cpu.locked];
    if (lock.last == 0 || lock.last + free_cycles > cpu.wakes) return;
    const Distance distance = between(cpu.where, cpus_[lock.cpu].where);
    take(times_.lock[*cpu.idle ? 0 : 1][index(distance)], cpu.wakes, record.tsc);
}

void TraceTimer::answered(Pcpu& cpu, const trace::Record& record, const trace::Schedule& schedule) {
    // Whoever had the runqueue's lock since then, the tickling CPU itself with its next decision,
    // may have let this one wait for it: the longer, the more records it wrote.
    const bool waited =
        schedule.runqueue < locks_.size() && locks_[schedule.runqueue].last > cpu.tickled;
    if (cpu.tickled != 0 && schedule.tickled && !schedule.tasklet && !waited)
        take((schedule.idle ? times_.tickle_idle : times_.tickle_busy)[index(cpu.tickled_from)],
             cpu.tickled, record.tsc);
    cpu.decides = schedule.tasklet ? 0 : record.tsc;
    cpu.decides_idle = schedule.idle;
    cpu.decides_block = cpu.blocked;
    cpu.step_count = 0;
}

void TraceTimer::decided(Pcpu& cpu, std::uint64_t tsc) {
    if (cpu.decides == 0) return;
    const std::span<const std::uint32_t> steps(cpu.steps.data(), cpu.step_count);
    if (cpu.decides_idle && std::ranges::equal(steps, warm_steps)) {
        take(times_.path_warm, cpu.decides, tsc);
        cpu.writes = &times_.records_warm;
    }
    if (cpu.decides_block && std::ranges::equal(steps, cold_steps)) {
        take(times_.path_cold, cpu.decides, tsc);
        cpu.writes = &times_.records_cold;
    }
    cpu.writes_since = tsc;
    cpu.decides = 0;
}

void TraceTimer::add(const trace::Record& record) {
    if (record.cpu >= cpus_.size() || !cpus_[record.cpu].wanted) return;
    Pcpu& cpu = cpus_[record.cpu];
    // Who was moved meanwhile, and took which lock, is not known.
    const auto forget_others = [&] {
        cpu.decides = 0;
        cpu.switches = nullptr;
        vcpus_.clear();
        locks_.clear();
    };
    const auto forget = [&](bool lossy) {
        forget_others();
        cpu.idle.reset();
        cpu.locked = none;
        if (lossy && !cpu.lossy) ++lossy_;
        if (!lossy && cpu.lossy) --lossy_;
        cpu.lossy = lossy;
    };
    const auto belongs = [&](trace::VcpuRef vcpu, std::uint32_t runqueue, std::uint16_t on) {
        if (vcpus_.size() < most_vcpus || vcpus_.contains(vcpu.key()))
            vcpus_[vcpu.key()] = {runqueue, on};
    };
    const auto here = [&](trace::VcpuRef vcpu) {
        const auto known = vcpus_.find(vcpu.key());
        return known != vcpus_.end() && known->second.cpu == record.cpu;
    };
    ++times_.records;
    if (last_ != 0 && record.tsc > last_)
        times_.traced += static_cast<double>(record.tsc - last_) * (times_.cpus - lossy_);
    last_ = record.tsc;
    bool step = true; // of a decision
    bool unlocked = false;
    std::uint64_t wakes = 0;
    auto* const writes = std::exchange(cpu.writes, nullptr);
    trace::visit(record, trace::Visitor{
                             [&](const trace::Schedule& e) {
                                 cpu.switches = nullptr;
                                 answered(cpu, record, e);
                                 cpu.runqueue = cpu.locked = e.runqueue;
                                 step = false;
                             },
                             [&](const trace::SwitchInfPrev&) { decided(cpu, record.tsc); },
                             [&](const trace::Switch& e) {
                                 if (writes != nullptr) take(*writes, cpu.writes_since, record.tsc);
                                 cpu.idle = e.next.idle();
                                 cpu.switches = e.previous.idle() || !cpu.decides_block ? nullptr
                                                : e.next.idle() ? &times_.switch_idle
                                                : here(e.next)  ? &times_.switch_guest
                                                                : nullptr;
                             },
                             [&](const trace::RunstateChange& e) {
                                 if (e.to == trace::Runstate::running && !e.vcpu.idle())
                                     belongs(e.vcpu, cpu.runqueue, record.cpu);
                                 if (e.to == trace::Runstate::runnable &&
                                     e.from != trace::Runstate::running)
                                     woken(cpu, record, e.vcpu);
                                 // Who was preempted goes back to the runqueue, which is another
                                 // path.
                                 if (e.from == trace::Runstate::running &&
                                     e.to != trace::Runstate::blocked && !e.vcpu.idle())
                                     cpu.switches = nullptr;
                             },
                             [&](const trace::SwitchInfNext&) { cpu.writes = writes; },
                             [&](const trace::RunqAssign& e) {
                                 cpu.switches = nullptr;
                                 belongs(e.unit, e.runqueue, nowhere);
                             },
                             [&](const trace::Migrate& e) {
                                 cpu.switches = nullptr;
                                 belongs(e.unit, e.to, nowhere);
                             },
                             [&](const trace::Wake&) {
                                 cpu.switches = nullptr;
                                 unlocked = true;
                                 // First thing in Xen, so that the path is as cold as always.
                                 if (record.tsc >= cpu.last + quiet_cycles) wakes = record.tsc;
                             },
                             [&](const trace::Block&) {
                                 cpu.switches = nullptr;
                                 unlocked = true;
                             },
                             [&](const trace::UpdateLoad&) {
                                 if (cpu.switches != nullptr)
                                     take(*cpu.switches, cpu.last, record.tsc);
                                 cpu.switches = nullptr;
                             },
                             [&](const trace::Tickle& e) {
                                 cpu.switches = nullptr;
                                 if (e.cpu == record.cpu || e.cpu >= cpus_.size()) return;
                                 Pcpu& target = cpus_[e.cpu];
                                 if (!target.wanted || target.last == 0 ||
                                     record.tsc < target.last + quiet_cycles)
                                     return;
                                 target.tickled = record.tsc;
                                 target.tickled_from = between(cpu.where, target.where);
                             },
                             [&](const trace::Rearrange&) { forget_others(); },
                             [&](const trace::TimeRestart&) {
                                 forget_others();
                                 for (Pcpu& each : cpus_)
                                     each = {.wanted = each.wanted, .where = each.where};
                                 lossy_ = 0;
                             },
                             [&](const trace::LossBegin&) { forget(true); },
                             [&](const trace::LossEnd&) { forget(false); },
                             [&](const auto&) { cpu.switches = nullptr; },
                         });
    if (step && cpu.decides != 0) {
        if (cpu.step_count < cpu.steps.size())
            cpu.steps[cpu.step_count++] = record.event;
        else
            cpu.decides = 0;
    }
    if (unlocked) cpu.locked = none;
    if (cpu.locked != none) {
        if (locks_.size() <= cpu.locked) locks_.resize(std::size_t{cpu.locked} + 1);
        locks_[cpu.locked] = {record.tsc, record.cpu};
    }
    cpu.wakes = wakes;
    cpu.tickled = 0; // answered, or something else came first
    cpu.blocked = record.event == block_event && record.tsc >= cpu.last + quiet_cycles;
    cpu.last = record.tsc;
}

} // namespace intellisched::calibrate
