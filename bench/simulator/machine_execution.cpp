// SPDX-License-Identifier: GPL-2.0-only
// How fast guests get on: SMT, memory, and the working set that a vCPU has to fetch anew.
//
// A vCPU that runs touches its working set, touch_kb_per_us of it in a microsecond of work, and
// what is not in the caches has to be fetched. There are two levels: a core's own (l2_kb) and the
// last level (llc_kb), which some cores of a socket share. Of a working set each holds as much as
// it has room for. What a vCPU finds of it when it starts:
//  - on the core that it last ran on, what others have left of it in the core's cache (cache.hpp);
//  - under the same last-level cache, what others have left of it there;
//  - under another one, nothing.
// To fetch refill_reference_kb takes refill_core_us from the last level on the core that it last
// ran on, refill_socket_us from another core under the same one, refill_memory_us from memory or
// from under another last-level cache of the socket, refill_remote_us from another socket. What is
// missing is touched first, so that a short stretch of work fetches only a part, and does so at the
// speed 1 / (1 / speed + touch_kb_per_us * cost of a kB). After that a vCPU works at the product of
// three speeds: the core's own; smt_speed while the sibling thread runs a guest; and 1 / (1 - m + m
// / numa_remote_speed) away from the node of its memory, m being the part of its work that waits
// for memory. Another node of the same socket is between the two, near_node_part of the way from
// the same node to another socket: for refills, for the time that memory takes (1 /
// numa_remote_speed), and for locks.
#include "bench/simulator/machine_engine.hpp"

#include <cmath>

namespace sim {

void Engine::progress(EngineCpu& cpu, Nanoseconds to) {
    if (!cpu.executing || to <= cpu.since) return;
    EngineVcpu& vcpu = *cpu.running;
    auto time = static_cast<double>(to - cpu.since);
    cpu.since = to;
    PoolTruth& pool = pool_truth_[vcpu.domain->pool];
    double work = 0;
    if (vcpu.missing > 0) {
        work = std::min(time / cpu.refilling, vcpu.work);
        double fetched = work * touch_;
        if (fetched >= vcpu.missing) {
            fetched = vcpu.missing;
            work = fetched / touch_;
        }
        vcpu.missing -= fetched;
        if (vcpu.l2_gain > 0) l2s_[cpu.core].fetch(vcpu.l2, fetched * vcpu.l2_gain);
        if (vcpu.llc_gain > 0) llcs_[cpu.llc].fetch(vcpu.llc, fetched * vcpu.llc_gain);
        pool.refill_ns += fetched * vcpu.fetch_ns;
        vcpu.work -= work;
        time = std::max(time - work * cpu.refilling, 0.0);
    }
    const double more = std::min(time * cpu.speed, vcpu.work);
    vcpu.work -= more;
    if (!vcpu.spins) vcpu.domain->truth.work_ns += work + more;
    time += work * cpu.slowness;
    pool.slow_ns += time * (1 - cpu.full_speed);
    pool.smt_ns += time * (cpu.full_speed - cpu.smt);
    pool.numa_ns += time * (cpu.smt - cpu.speed);
}

void Engine::set_speed(EngineCpu& cpu) {
    const EngineVcpu& vcpu = *cpu.running;
    cpu.smt = cpu.full_speed;
    if (cpu.sibling != nullptr && cpu.sibling->running != nullptr) cpu.smt *= costs_.smt_speed;
    cpu.speed = cpu.smt * vcpu.domain->speed[cpu.node];
    cpu.slowness = 1 / cpu.speed;
    cpu.refilling = cpu.slowness + touch_ * vcpu.fetch_ns;
}

void Engine::set_step_end(EngineCpu& cpu) {
    const EngineVcpu& vcpu = *cpu.running;
    cpu.step_end = cpu.since;
    if (vcpu.at != EngineVcpu::At::computing) return;
    double time = vcpu.work * cpu.slowness;
    if (vcpu.missing > 0) time += std::min(vcpu.work * touch_, vcpu.missing) * vcpu.fetch_ns;
    cpu.step_end += static_cast<Nanoseconds>(std::ceil(time));
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
    vcpu.cpu = cpu.id;
    vcpu.left = xen_clock_now();
    l2s_[cpu.core].leave(vcpu.l2);
    llcs_[cpu.llc].leave(vcpu.llc);
    vcpu.domain->truth.run_ns += xen_clock_now() - vcpu.running_since;
}

void Engine::arrive(EngineCpu& cpu, EngineVcpu& vcpu) {
    const Nanoseconds now = xen_clock_now();
    vcpu.running_since = now;
    vcpu.left = 0;
    if (vcpu.woken != never) {
        const Nanoseconds waited = now > vcpu.woken ? now - vcpu.woken : 0;
        vcpu.domain->truth.wake_to_run.add(waited);
        vcpu.domain->truth.longest_wait_ns = std::max(vcpu.domain->truth.longest_wait_ns, waited);
        vcpu.woken = never;
    }

    PoolTruth& pool = pool_truth_[vcpu.domain->pool];
    ++pool.context_switches;
    if (vcpu.cpu != UINT32_MAX) {
        const EngineCpu& before = cpus_[vcpu.cpu];
        const bool moved = before.id != cpu.id;
        if (before.core == cpu.core) {
            pool.migrations_core += moved;
        } else if (before.socket == cpu.socket) {
            ++pool.migrations_socket;
            pool.migrations_llc += before.llc != cpu.llc;
        } else {
            ++pool.migrations_remote;
        }
        if (moved && before.online && xen_runqueue_of(before.id) != xen_runqueue_of(cpu.id))
            ++pool.runqueue_migrations;
    }
    refill(cpu, vcpu);
}

void Engine::refill(const EngineCpu& cpu, EngineVcpu& vcpu) {
    l2s_[cpu.core].enter(vcpu.l2);
    llcs_[cpu.llc].enter(vcpu.llc);
    // What the core's cache has need not be in the last level. Of the rest the same part is there,
    // whether or not the core's cache has room for it.
    const Domain& domain = *vcpu.domain;
    const double l2 = vcpu.l2.kb(), llc = vcpu.llc.kb();
    const double to_l2 = std::max(domain.l2_kb - l2, 0.0);
    const double from_far = std::max(domain.llc_kb - std::max(llc, l2), 0.0);
    vcpu.missing = 0;
    if (to_l2 <= 0 && from_far <= 0) return;
    const double rest = domain.llc_kb - l2;
    const double from_near = from_far > 0 ? to_l2 * (1 - from_far / rest) : to_l2;

    double near_us = 0;
    double far_us = costs_.refill_memory_us;
    if (vcpu.cpu != UINT32_MAX) {
        const EngineCpu& before = cpus_[vcpu.cpu];
        near_us = before.core == cpu.core ? costs_.refill_core_us : costs_.refill_socket_us;
        if (before.socket != cpu.socket) {
            far_us = costs_.refill_remote_us;
        } else if (before.node != cpu.node) {
            near_us = near(near_us, costs_.refill_remote_us);
            far_us = near(far_us, costs_.refill_remote_us);
        }
    }
    vcpu.missing = from_far + from_near;
    const double one = 1 / vcpu.missing;
    vcpu.l2_gain = to_l2 * one;
    vcpu.llc_gain = std::max(domain.llc_kb - llc, 0.0) * one;
    vcpu.fetch_ns = (from_far * far_us + from_near * near_us) * one * ns_of_reference_;
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
        for (const auto& vcpu : domain->vcpus)
            xen_vcpu_times(vcpu->xen, now_, vcpu->times_before.data());
    }
    for (PoolTruth& pool : pool_truth_) pool = {};
    events_ = 0;
}

} // namespace sim
