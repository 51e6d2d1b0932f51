// SPDX-License-Identifier: GPL-2.0-only
// How fast guests get on: SMT, memory, and the working set that a vCPU has to fetch anew.
//
// A vCPU that starts on a CPU first refills its caches. How much of its working set is gone: all of
// it on another core; on the core that it last ran on, what others' guests have displaced there
// since then, half of what is left with every cache_decay_us of their run time. Refilling all takes
// refill_{core,socket,remote}_us by the distance from where it last ran, or less for a working set
// smaller than the reference. After that it works at the product of three speeds: the core's own;
// smt_speed while the sibling thread runs a guest; and 1 / (1 - m + m / numa_remote_speed) away
// from the node of its memory, m being the part of its work that waits for memory. Another node of
// the same socket is between the two, near_node_part of the way from the same node to another
// socket: for refills, for the time that memory takes (1 / numa_remote_speed), and for locks.
#include "bench/simulator/machine_engine.hpp"

#include <cmath>

namespace sim {

void Engine::progress(EngineCpu& cpu, Nanoseconds to) {
    if (!cpu.executing || to <= cpu.since) return;
    EngineVcpu& vcpu = *cpu.running;
    auto time = static_cast<double>(to - cpu.since);
    cpu.since = to;
    core_ran_[cpu.core] += time;
    PoolTruth& pool = pool_truth_[vcpu.domain->pool];
    const double refilled = std::min(vcpu.refill, time);
    vcpu.refill -= refilled;
    pool.refill_ns += refilled;
    time -= refilled;
    const double work = std::min(time * cpu.speed, vcpu.work);
    vcpu.work -= work;
    vcpu.domain->truth.work_ns += work;
    pool.slow_ns += time * (1 - cpu.full_speed);
    pool.smt_ns += time * (cpu.full_speed - cpu.smt);
    pool.numa_ns += time * (cpu.smt - cpu.speed);
}

void Engine::set_speed(EngineCpu& cpu) {
    const EngineVcpu& vcpu = *cpu.running;
    cpu.smt = cpu.full_speed;
    if (cpu.sibling != nullptr && cpu.sibling->running != nullptr) cpu.smt *= costs_.smt_speed;
    cpu.speed = cpu.smt;
    if (vcpu.home != cpu.node) {
        const double memory = vcpu.domain->memory_share;
        const double remote = memory / costs_.numa_remote_speed;
        const bool same_socket = vcpu.home / socket_nodes_ == cpu.node / socket_nodes_;
        cpu.speed /= 1 - memory + (same_socket ? near(memory, remote) : remote);
    }
}

void Engine::set_step_end(EngineCpu& cpu) {
    const EngineVcpu& vcpu = *cpu.running;
    cpu.step_end = cpu.since;
    if (vcpu.at == EngineVcpu::At::computing)
        cpu.step_end += static_cast<Nanoseconds>(std::ceil(vcpu.refill + vcpu.work / cpu.speed));
}

void Engine::start_guest(EngineCpu& cpu, Nanoseconds at) {
    cpu.executing = true;
    cpu.since = at;
    set_speed(cpu);
    set_step_end(cpu);
}

// The sibling's speed changes when this CPU's guest comes or goes, taken as the time at which this
// CPU entered Xen for that: a few hundred nanoseconds too early.
void Engine::sibling_changed(EngineCpu& cpu, Nanoseconds at) {
    if (cpu.sibling == nullptr || cpu.busy == (cpu.running != nullptr)) return;
    cpu.busy = !cpu.busy;
    EngineCpu& sibling = *cpu.sibling;
    if (!sibling.executing) return; // looks here itself when it starts
    progress(sibling, at);
    set_speed(sibling);
    set_step_end(sibling);
    reschedule(sibling);
}

void Engine::depart(EngineCpu& cpu, EngineVcpu& vcpu) {
    if (cpu.sibling != nullptr) progress(*cpu.sibling, now_);
    vcpu.cpu = cpu.id;
    vcpu.core_ran = core_ran_[cpu.core];
    vcpu.domain->truth.run_ns += xen_clock_now() - vcpu.running_since;
}

void Engine::arrive(EngineCpu& cpu, EngineVcpu& vcpu) {
    const Nanoseconds now = xen_clock_now();
    vcpu.running_since = now;
    if (vcpu.woken != never) {
        const Nanoseconds waited = now > vcpu.woken ? now - vcpu.woken : 0;
        vcpu.domain->truth.wake_to_run.add(waited);
        vcpu.domain->truth.longest_wait_ns = std::max(vcpu.domain->truth.longest_wait_ns, waited);
        vcpu.woken = never;
    }
    if (vcpu.home == XEN_ANY_NODE) vcpu.home = cpu.node;

    PoolTruth& pool = pool_truth_[vcpu.domain->pool];
    ++pool.context_switches;
    double lost = 1;
    double refill_us = costs_.refill_remote_us;
    if (vcpu.cpu != UINT32_MAX) {
        const EngineCpu& before = cpus_[vcpu.cpu];
        const bool moved = before.id != cpu.id;
        if (before.core == cpu.core) {
            if (cpu.sibling != nullptr) progress(*cpu.sibling, now_);
            const double others = core_ran_[cpu.core] - vcpu.core_ran;
            const double missing = vcpu.refill_whole > 0 ? vcpu.refill / vcpu.refill_whole : 0;
            refill_us = costs_.refill_core_us;
            lost = 1 - (1 - missing) * std::exp2(-others / (costs_.cache_decay_us * 1000));
            pool.migrations_core += moved;
        } else if (before.socket == cpu.socket) {
            refill_us = before.node == cpu.node
                            ? costs_.refill_socket_us
                            : near(costs_.refill_socket_us, costs_.refill_remote_us);
            ++pool.migrations_socket;
        } else {
            ++pool.migrations_remote;
        }
        if (moved && before.online && xen_runqueue_of(before.id) != xen_runqueue_of(cpu.id))
            ++pool.runqueue_migrations;
    }
    vcpu.refill_whole =
        refill_us * 1000 * std::min(1.0, vcpu.domain->working_set_kb / costs_.refill_reference_kb);
    vcpu.refill = vcpu.refill_whole * lost;
}

void Engine::xen_switch(unsigned id, EngineVcpu* next) {
    EngineCpu& cpu = cpus_[id];
    if (cpu.running != nullptr) depart(cpu, *cpu.running);
    cpu.running = next;
    if (next != nullptr) arrive(cpu, *next);
}

void Engine::xen_woken(EngineVcpu& vcpu) {
    vcpu.woken = xen_clock_now();
    ++pool_truth_[vcpu.domain->pool].wakeups;
}

void Engine::settle() {
    for (EngineCpu& cpu : cpus_) {
        progress(cpu, now_);
        if (cpu.running == nullptr || now_ <= cpu.running->running_since) continue;
        cpu.running->domain->truth.run_ns += now_ - cpu.running->running_since;
        cpu.running->running_since = now_;
    }
}

void Engine::reset_truth() {
    settle();
    std::erase_if(domains_, [](const auto& domain) { return !domain->alive; });
    for (auto& domain : domains_) {
        domain->truth = {};
        std::uint64_t times[4];
        for (const auto& vcpu : domain->vcpus) {
            xen_vcpu_times(vcpu->xen, now_, times);
            domain->truth.runnable_before_ns += times[1];
        }
    }
    for (PoolTruth& pool : pool_truth_) pool = {};
    events_ = 0;
}

} // namespace sim
