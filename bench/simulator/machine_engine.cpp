// SPDX-License-Identifier: GPL-2.0-only
// Time: events, the guests' steps and Xen's code between them, and a tool's hypercalls.
#include "bench/simulator/machine_engine.hpp"

#include <algorithm>
#include <cmath>

namespace sim {

using intellisched::fail;
using intellisched::Result;

namespace {

constexpr Nanoseconds boot_time = 1'000'000;       // a TSC of 0 is none to most readers of traces
constexpr Nanoseconds stuck_time = 10'000'000'000; // nobody waits that long within Xen
constexpr std::uint64_t cold_blocks = 256;         // see block_cold_factor
constexpr unsigned idle_steps = 1'000'000;         // compute steps of no work in a row: a bug

std::uint64_t whole(double ns) { return static_cast<std::uint64_t>(std::llround(ns)); }

} // namespace

Worker::Worker()
    : coroutine(
          [](void* argument) {
              Worker& self = *static_cast<Worker*>(argument);
              for (;;) {
                  xen_run(self.cpu->calls.data(), static_cast<unsigned>(self.cpu->calls.size()));
                  self.cpu = nullptr;
                  self.coroutine.suspend();
              }
          },
          this) {}

Engine::Engine(const xen_topology& topology, double slow_speed, const Costs& costs)
    : costs_(costs), socket_nodes_(std::max(1U, topology.nodes / topology.sockets)),
      cpus_(topology.sockets * xen_socket_cpus(&topology)),
      llc_kb_(std::max(costs.l2_kb, costs.llc_core_kb * topology.cores / topology.llcs)),
      touch_(costs.touch_kb_per_us / 1000), ns_of_reference_(1000 / costs.refill_reference_kb),
      l2s_(topology.sockets * topology.cores, Cache(costs.l2_kb)),
      llcs_(topology.sockets * topology.llcs, Cache(llc_kb_)), queue_(cpus_.size()),
      trace_(cpus_.size()), pool_truth_(1), now_(boot_time) {
    current = this;
    for (unsigned id = 0; id < cpus_.size(); ++id) {
        EngineCpu& cpu = cpus_[id];
        cpu.id = id;
        const xen_place place = xen_place_of(&topology, id);
        cpu.core = place.socket * topology.cores + place.core;
        cpu.llc = place.llc;
        cpu.socket = place.socket;
        cpu.node = place.node;
        if (place.slow) cpu.full_speed = slow_speed;
        if (id == 0 || cpus_[id - 1].core != cpu.core) continue;
        cpu.sibling = &cpus_[id - 1];
        cpus_[id - 1].sibling = &cpu;
    }
    tool_ = std::make_unique<Coroutine>(
        [](void* argument) {
            Engine& self = *static_cast<Engine*>(argument);
            for (;;) {
                self.tool_result_ = (*self.tool_function_)();
                self.tool_done_ = true;
                self.tool_->suspend();
            }
        },
        this);
    xen_clock = {};
    xen_costs = {};
}

Engine::~Engine() { current = nullptr; }

void Engine::use_costs() {
    xen_clock.block_cost = whole(costs_.block_ns * (1 << 20));
    xen_clock.cold_cost = whole(costs_.block_ns * (costs_.block_cold_factor - 1) * (1 << 20));
    xen_costs.transfer_core = whole(costs_.lock_transfer_core_ns);
    xen_costs.transfer_socket = whole(costs_.lock_transfer_socket_ns);
    xen_costs.transfer_llc = whole(costs_.lock_transfer_llc_ns);
    xen_costs.near_node_part = whole(costs_.near_node_part * (1 << 20));
    xen_costs.transfer_remote = whole(costs_.lock_transfer_remote_ns);
    xen_costs.context_switch = whole(costs_.context_switch_us * 1000);
    ipi_ = whole(costs_.ipi_us * 1000);
    idle_exit_ = whole(costs_.idle_exit_us * 1000);
    xen_costs.hypercall = whole(costs_.hypercall_us * 1000);
    xen_costs.trace_record = whole(costs_.trace_record_ns);
}

// --- a tool's hypercall

Result<int> Engine::call_xen(const XenCall& function) {
    if (!failure_.empty()) return fail("{}", failure_);
    tool_function_ = &function;
    tool_done_ = false;
    xen_context context;
    xen_tool_context(&context);
    // A tool's calls are one after the other, though events may not have come as far.
    tool_resume_ = std::max(now_, tool_time_);
    const Nanoseconds stuck = tool_resume_ + stuck_time;
    for (;;) {
        xen_enter(&context);
        xen_clock.base = tool_resume_;
        xen_clock.cold_blocks = 0;
        xen_blocks = 0;
        xen_clock.others = holding_ ? never : next_at();
        within_ = nullptr;
        tool_->resume();
        if (!failure_.empty()) return fail("{}", failure_);
        xen_leave(&context);
        tool_time_ = xen_clock_end();
        if (xen_softirq_pending(0) != 0) xen_ipi(0, tool_time_);
        if (tool_done_) return tool_result_;
        while (next_at() < tool_resume_ && next_at() < stuck && failure_.empty()) one_event();
        if (failure_.empty() && tool_resume_ >= stuck)
            failure_ = "a tool's hypercall does not come to an end";
        if (!failure_.empty()) return fail("{}", failure_);
    }
}

void Engine::end_grace_period() {
    if (cpus_busy() || xen_rcu_pending() == 0) return;
    (void)call_xen([] {
        xen_end_grace_period();
        return 0;
    });
}

// --- events

Result<void> Engine::advance(Nanoseconds until) {
    while (failure_.empty() && next_at() <= until) {
        one_event();
        end_grace_period();
    }
    if (failure_.empty()) {
        now_ = std::max(now_, until);
        check_waiting();
    }
    if (!failure_.empty()) return fail("{}", failure_);
    return {};
}

// Of the outside world's and a CPU's at the same time, the former comes first.
void Engine::one_event() {
    const Nanoseconds at = queue_.first_at();
    if (!outside_.empty() && outside_.top().at <= at) return call_workload();
    now_ = std::max(now_, at);
    EngineCpu& cpu = cpus_[queue_.first()];
    if (cpu.worker != nullptr)
        resume_xen(cpu, at);
    else if (holding_ && relaxing_ == 0) // who relaxes may wait for this CPU
        cpu.busy_until = at + tool_relax_time;
    else
        cpu_event(cpu, at);
    reschedule(cpu);
}

void Engine::call_workload() {
    const Outside call = outside_.top();
    outside_.pop();
    now_ = std::max(now_, call.at);
    ++events_;
    // The guest may have gone since, and another have its number.
    Domain* domain = domain_of(call.guest);
    if (domain != nullptr && domain->domid == call.domid)
        domain->workload->outside(call.token, *platform_);
}

// A CPU that waits for a lock has no event by which it would be found.
void Engine::check_waiting() {
    for (const EngineCpu& cpu : cpus_)
        if (cpu.worker != nullptr && cpu.resume == never && now_ > cpu.left + stuck_time)
            failure_ = fmt::format("CPU {} waits for a lock without end", cpu.id);
}

void Engine::cpu_event(EngineCpu& cpu, Nanoseconds at) {
    ++events_;
    cpu.calls.clear();
    if (cpu.ipi <= at) {
        cpu.ipi = never;
        cpu.calls.push_back({XEN_WORK_IPI, nullptr, 0});
    }
    if (cpu.timer <= at) {
        cpu.timer = never;
        cpu.calls.push_back({XEN_WORK_TIMER, nullptr, 0});
    }
    while (!cpu.devices.empty() && cpu.devices.front().first <= at) {
        cpu.calls.push_back(cpu.devices.front().second);
        cpu.devices.erase(cpu.devices.begin());
    }
    if (cpu.calls.empty())
        return end_step(cpu, at); // an interrupt comes before the guest's next step
    progress(cpu, at);
    enter_xen(cpu, at);
}

void Engine::end_step(EngineCpu& cpu, Nanoseconds at) {
    EngineVcpu& vcpu = *cpu.running;
    progress(cpu, at);
    vcpu.work = 0;
    vcpu.at = EngineVcpu::At::next;
    stepping_ = &cpu;
    Step step;
    for (unsigned i = 0; i < idle_steps; ++i) {
        step = vcpu.domain->workload->next(vcpu.id, *platform_);
        if (step.kind == Step::Kind::block || step.kind == Step::Kind::yield || step.work > 0)
            break;
    }
    stepping_ = nullptr;
    if (step.kind == Step::Kind::yield) {
        cpu.calls.push_back({XEN_WORK_YIELD, vcpu.xen, 0});
    } else if (step.kind != Step::Kind::block) {
        if (step.work == 0) {
            failure_ = fmt::format("guest {}: its workload computes nothing, and without end",
                                   vcpu.domain->guest);
            return;
        }
        vcpu.at = EngineVcpu::At::computing;
        vcpu.work = static_cast<double>(step.work);
        vcpu.spins = step.kind == Step::Kind::spin;
    } else {
        vcpu.at = EngineVcpu::At::blocked;
        cpu.calls.push_back({XEN_WORK_BLOCK, vcpu.xen, 0});
    }
    if (cpu.calls.empty())
        set_step_end(cpu);
    else
        enter_xen(cpu, at);
}

// --- Xen's code on a CPU

void Engine::enter_xen(EngineCpu& cpu, Nanoseconds at) {
    cpu.cold = cpu.running != nullptr ? cold_blocks : 0;
    if (cpu.running == nullptr && at > cpu.busy_until) {
        if (cpu.pool != EngineCpu::no_pool)
            pool_truth_[cpu.pool].idle_exit_ns += static_cast<double>(idle_exit_);
        at += idle_exit_;
    }
    cpu.executing = false;
    cpu.step_end = never;
    cpu.entered = at;
    if (idle_workers_.empty()) {
        workers_.push_back(std::make_unique<Worker>());
        idle_workers_.push_back(workers_.back().get());
    }
    cpu.worker = idle_workers_.back();
    cpu.worker->cpu = &cpu;
    idle_workers_.pop_back();
    xen_cpu_context(cpu.id, &cpu.context);
    const Nanoseconds others = others_at(cpu);
    if (others < at) { // while it woke up
        cpu.resume = cpu.left = at;
        ++within_xen_;
    } else {
        run_xen(cpu, at, others);
    }
}

void Engine::resume_xen(EngineCpu& cpu, Nanoseconds at) {
    cpu.resume = never;
    --within_xen_;
    relaxing_ -= cpu.relaxes;
    cpu.relaxes = false;
    if (cpu.pool != EngineCpu::no_pool)
        pool_truth_[cpu.pool].lock_wait_ns += static_cast<double>(at - cpu.left);
    run_xen(cpu, at, others_at(cpu));
}

void Engine::run_xen(EngineCpu& cpu, Nanoseconds at, Nanoseconds others) {
    xen_enter(&cpu.context);
    xen_clock.base = at;
    xen_clock.switching = 0;
    xen_clock.cold_blocks = cpu.cold;
    xen_clock.others = others;
    xen_blocks = 0;
    within_ = &cpu;
    cpu.worker->coroutine.resume();
    within_ = nullptr;
    if (!failure_.empty()) return;
    const Nanoseconds end = xen_clock_end();
    if (cpu.pool != EngineCpu::no_pool) {
        PoolTruth& truth = pool_truth_[cpu.pool];
        truth.switch_ns += static_cast<double>(xen_clock.switching);
        truth.path_ns += static_cast<double>(end - at - xen_clock.switching);
    }
    if (cpu.worker->cpu == nullptr) { // has come to its end
        idle_workers_.push_back(cpu.worker);
        cpu.worker = nullptr;
        leave_xen(cpu, end);
        return;
    }
    xen_leave(&cpu.context);
    cpu.cold -= std::min(cpu.cold, xen_blocks);
    cpu.left = end;
    ++within_xen_;
    relaxing_ += cpu.relaxes;
    if (cpu.relaxes && end > cpu.entered + stuck_time)
        failure_ = fmt::format("CPU {} waits within Xen without end", cpu.id);
}

void Engine::leave_xen(EngineCpu& cpu, Nanoseconds at) {
    cpu.busy_until = at;
    sibling_changed(cpu, now_);
    if (cpu.running == nullptr) return;
    if (cpu.running->at == EngineVcpu::At::blocked) {
        xen_vcpu_take_event(cpu.running->xen);
        cpu.running->at = EngineVcpu::At::next;
    }
    start_guest(cpu, at);
}

} // namespace sim
