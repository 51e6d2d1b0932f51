// SPDX-License-Identifier: GPL-2.0-only
// What others ask of the engine between events: guests' workloads, the machine, and Xen's code.
#include "bench/simulator/machine_engine.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace sim {

namespace {

constexpr Nanoseconds relax_time = 100; // of one turn of a loop that waits within Xen

} // namespace

Engine* Engine::current = nullptr;

// --- Platform

Domain* Engine::domain_of(std::uint32_t guest) {
    return guest < guests_.size() ? guests_[guest] : nullptr;
}

EngineVcpu* Engine::vcpu_of(VcpuId id) {
    Domain* domain = domain_of(id.guest);
    return domain != nullptr && id.vcpu < domain->vcpus.size() ? domain->vcpus[id.vcpu].get()
                                                               : nullptr;
}

void Engine::queue_device(EngineVcpu& vcpu, xen_work work, std::uint64_t value) {
    // A device's interrupts follow the vCPU that they are for.
    EngineCpu& cpu = cpus_[xen_vcpu_processor(vcpu.xen)];
    cpu.devices.push_back({now_, {work, vcpu.xen, value}});
    reschedule(cpu);
}

void Engine::notify(VcpuId to) {
    EngineVcpu* vcpu = vcpu_of(to);
    if (vcpu == nullptr) return;
    if (stepping_ != nullptr)
        stepping_->calls.push_back({XEN_WORK_NOTIFY, vcpu->xen, 0});
    else
        queue_device(*vcpu, XEN_WORK_DEVICE, 0);
}

void Engine::set_timer(VcpuId id, Nanoseconds at) {
    EngineVcpu* vcpu = vcpu_of(id);
    if (vcpu == nullptr) return;
    if (stepping_ != nullptr)
        stepping_->calls.push_back({XEN_WORK_SET_TIMER, vcpu->xen, at});
    else
        queue_device(*vcpu, XEN_WORK_SET_TIMER, at);
}

Nanoseconds Engine::waiting_since(VcpuId id) {
    const EngineVcpu* vcpu = vcpu_of(id);
    if (vcpu == nullptr) return 0;
    if (vcpu->woken != never) return vcpu->woken;
    return vcpu->at == EngineVcpu::At::blocked ? 0 : vcpu->left;
}

void Engine::call_outside(std::uint32_t guest, Nanoseconds at, std::uint64_t token) {
    if (const Domain* domain = domain_of(guest); domain != nullptr)
        outside_.push({std::max(at, now_), outside_order_++, guest, domain->domid, token});
}

// --- domains

Domain& Engine::add_domain(std::unique_ptr<Domain> domain, double working_set_kb,
                           double memory_share, const std::vector<bool>& nodes) {
    const double remote = 1 / costs_.numa_remote_speed;
    const auto count = static_cast<double>(std::count(nodes.begin(), nodes.end(), true));
    for (unsigned at = 0; at < nodes.size(); ++at) {
        double slowness = 1;
        for (unsigned of = 0; of < nodes.size(); ++of) {
            if (!nodes[of] || of == at) continue;
            const bool same_socket = of / socket_nodes_ == at / socket_nodes_;
            slowness += memory_share * ((same_socket ? near(1, remote) : remote) - 1) / count;
        }
        domain->speed.push_back(1 / slowness);
    }
    domain->l2_kb = std::min(working_set_kb, costs_.l2_kb);
    domain->llc_kb = std::min(working_set_kb, llc_kb_);
    if (guests_.size() <= domain->guest) guests_.resize(domain->guest + 1);
    guests_[domain->guest] = domain.get();
    domains_.push_back(std::move(domain));
    return *domains_.back();
}

void Engine::forget(Domain& domain) {
    for (EngineCpu& cpu : cpus_) {
        std::erase_if(cpu.devices, [&](const auto& device) {
            return std::any_of(domain.vcpus.begin(), domain.vcpus.end(),
                               [&](const auto& vcpu) { return vcpu->xen == device.second.vcpu; });
        });
        reschedule(cpu);
    }
    for (const auto& vcpu : domain.vcpus) {
        Cache::drop(vcpu->l2);
        Cache::drop(vcpu->llc);
    }
    domain.alive = false;
    guests_[domain.guest] = nullptr;
}

Domain* Engine::find(std::uint32_t domid) {
    for (auto& domain : domains_)
        if (domain->alive && domain->domid == domid) return domain.get();
    return nullptr;
}

// --- from Xen

void Engine::hold(bool on) {
    holding_ = on;
    xen_clock.others = on ? never : next_at(); // who has all CPUs to itself has nobody to wait for
}

void Engine::wait(Nanoseconds until) {
    (within_ != nullptr ? within_->resume : tool_resume_) = until;
    (within_ != nullptr ? within_->worker->coroutine : *tool_).suspend();
}

void Engine::relax() {
    if (within_ != nullptr) within_->relaxes = true;
    wait(xen_clock_now() + (within_ != nullptr ? relax_time : tool_relax_time));
}

void Engine::wake(EngineCpu* cpu, Nanoseconds at) {
    if (cpu == nullptr) {
        tool_resume_ = at;
        return;
    }
    cpu->resume = std::max(at, cpu->left); // who waits for its own lock may have come out of turn
    reschedule(*cpu);
}

void Engine::fail_xen(const char* message) {
    failure_ = fmt::format("Xen: {}", message);
    for (;;) relax(); // the engine never comes back to it
}

void Engine::xen_timer(unsigned cpu, std::int64_t at) {
    // Xen runs the timers that have expired before now: at their very time it would find none.
    cpus_[cpu].timer = at == 0 ? never : static_cast<Nanoseconds>(at) + 1;
    if (&cpus_[cpu] != within_) reschedule(cpus_[cpu]);
}

void Engine::xen_ipi(unsigned id, Nanoseconds sent) {
    EngineCpu& cpu = cpus_[id];
    cpu.ipi = std::min(cpu.ipi, sent + ipi_);
    if (&cpu != within_) reschedule(cpu);
}

void Engine::xen_online(unsigned id, bool online) {
    EngineCpu& cpu = cpus_[id];
    cpu.online = online;
    cpu.timer = cpu.ipi = cpu.step_end = never;
    if (!online) { // its interrupts go elsewhere; CPU 0 stays
        auto& devices = cpus_[0].devices;
        for (const auto& device : std::exchange(cpu.devices, {})) devices.push_back(device);
        std::stable_sort(devices.begin(), devices.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; });
        reschedule(cpus_[0]);
    }
    reschedule(cpu);
}

void Engine::xen_trace(unsigned cpu, std::uint32_t event, bool cycles, unsigned bytes,
                       const void* data) {
    const EngineVcpu* vcpu = cpus_[cpu].running;
    const std::uint32_t running =
        vcpu != nullptr ? vcpu->domain->domid << 16 | vcpu->id : 0x7fffU << 16 | cpu;
    trace_.add(cpu, xen_clock_now(), event, cycles, bytes, data, running);
}

} // namespace sim

// --- what Xen's side calls

namespace {
sim::Engine& engine() { return *sim::Engine::current; }
} // namespace

void engine_relax() { engine().relax(); }
void* engine_self() { return engine().self(); }
void engine_wait(std::uint64_t until) { engine().wait(until); }
void engine_wake(void* who, std::uint64_t at) {
    engine().wake(static_cast<sim::EngineCpu*>(who), at);
}
void engine_hold(int on) { engine().hold(on != 0); }
void engine_failed(const char* message) { engine().fail_xen(message); }
void engine_timer(unsigned cpu, std::int64_t at) { engine().xen_timer(cpu, at); }
void engine_ipi(unsigned cpu) { engine().xen_ipi(cpu, xen_clock_now()); }
void engine_online(unsigned cpu, int online) { engine().xen_online(cpu, online != 0); }
void engine_switch(unsigned cpu, void* vcpu) {
    engine().xen_switch(cpu, static_cast<sim::EngineVcpu*>(vcpu));
}
void engine_woken(void* vcpu) { engine().xen_woken(*static_cast<sim::EngineVcpu*>(vcpu)); }
int engine_cpus_busy() { return engine().cpus_busy() ? 1 : 0; }
void engine_trace(unsigned cpu, std::uint32_t event, int cycles, unsigned bytes, const void* data) {
    engine().xen_trace(cpu, event, cycles != 0, bytes, data);
}
void engine_console(const char* line) {
    static const bool wanted = std::getenv("CREDIT2_SIM_CONSOLE") != nullptr;
    if (wanted) fmt::print(stderr, "(XEN) {}", line);
}
