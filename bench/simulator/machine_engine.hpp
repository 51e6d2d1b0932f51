// SPDX-License-Identifier: GPL-2.0-only
// The engine under Machine: CPUs that run Xen's code and guests' work in the order of virtual time.
//
// The code of a CPU runs when its event comes: an interrupt, or the end of a guest's step. What it
// costs goes on that CPU's local time, up to which the CPU is then busy. Where it is
// to take a lock, it is left until all that happens earlier elsewhere has happened (xen/lock.c);
// between these points it runs in one go: only who looks without a lock can see effects a little
// before their causes.
#pragma once

#include "bench/simulator/cache.hpp"
#include "bench/simulator/costs.hpp"
#include "bench/simulator/guest.hpp"
#include "bench/simulator/machine_coroutine.hpp"
#include "bench/simulator/machine_queue.hpp"
#include "bench/simulator/machine_trace.hpp"
#include "bench/simulator/machine_truth.hpp"
#include "bench/simulator/xen/glue.h"
#include "src/base/result.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

namespace sim {

inline constexpr Nanoseconds never = UINT64_MAX;

struct Domain;
struct EngineCpu;

struct EngineVcpu {
    enum class At : std::uint8_t { next, computing, blocked };

    Domain* domain = nullptr;
    unsigned id = 0;
    ::vcpu* xen = nullptr;
    // Its program
    At at = At::next;
    double work = 0;    ///< left of the step, ns of an undisturbed CPU
    bool spins = false; ///< the step is no work
    // Its working set, in kB
    unsigned cpu = UINT32_MAX; ///< it last ran on, if any
    Cache::Part l2, llc;       ///< what the caches of that CPU have of it
    double missing = 0;        ///< still to fetch, ...
    double fetch_ns = 0;       ///< ... what a kB of that takes, ...
    double l2_gain = 0;        ///< ... and the part of it that is new to each cache
    double llc_gain = 0;
    // For truth
    Nanoseconds woken = never;
    Nanoseconds running_since = 0;
    Nanoseconds left = 0; ///< when it was last taken off a CPU, 0: it is on one
    std::array<std::uint64_t, 4> times_before{}; ///< Xen's account of it when counting began
};

struct Domain {
    std::uint32_t domid = 0;
    std::uint32_t guest = 0;
    std::string name;
    std::uint32_t pool = 0;
    double l2_kb = 0, llc_kb = 0; ///< of a vCPU's working set, what fits into each cache
    std::vector<double> speed;    ///< by node: of its work, for what of its memory is elsewhere
    Workload* workload = nullptr;
    bool alive = true;
    std::vector<std::unique_ptr<EngineVcpu>> vcpus;
    DomainTruth truth;
};

/// What a tool asks of Xen: a reference to a function object that returns 0 or a negative error
/// number. No std::function: its code may come from a unit that uses the register of glue.h.
class XenCall {
  public:
    template<class Function> XenCall(const Function& function) // NOLINT: meant to convert
        : object_(&function),
          call_([](const void* object) { return (*static_cast<const Function*>(object))(); }) {}
    int operator()() const { return call_(object_); }

  private:
    const void* object_;
    int (*call_)(const void*);
};

/// A thread of control for Xen's code on one CPU after the other: on a CPU of its own stack, each
/// would find its stack out of the real CPU's cache.
struct Worker {
    Worker();
    Coroutine coroutine;
    EngineCpu* cpu = nullptr; ///< that it runs for; null: it has come to the end
};

struct EngineCpu {
    unsigned id = 0, core = 0, llc = 0, socket = 0, node = 0; ///< counted over the host
    EngineCpu* sibling = nullptr;
    bool online = false;
    std::uint32_t pool = no_pool;
    // What comes
    Nanoseconds timer = never;
    Nanoseconds ipi = never;
    Nanoseconds step_end = never;
    /// Of Xen's code that has been left in the middle; nothing else happens then. Never: as soon as
    /// it gets the lock that it waits for.
    Nanoseconds resume = never;
    Nanoseconds left = 0;       ///< when it was
    Nanoseconds entered = 0;    ///< when Xen's code began that ran last, ...
    Nanoseconds busy_until = 0; ///< ... and ended
    std::vector<std::pair<Nanoseconds, xen_call>> devices; ///< interrupts, in order of time
    // What runs
    EngineVcpu* running = nullptr; ///< null: idle
    bool executing = false;        ///< the guest and not Xen
    Nanoseconds since = 0;         ///< its progress is known up to here
    double full_speed = 1;         ///< with nothing in its way
    double smt = 1;                ///< what the sibling leaves of it, ...
    double speed = 1;              ///< ... and memory that is far away, ...
    double slowness = 1;           ///< ... and time that a nanosecond of work takes so, ...
    double refilling = 1;          ///< ... and while the working set is not there
    bool busy = false;             ///< as the sibling has been told
    Worker* worker = nullptr;      ///< while Xen's code has not come to its end
    bool relaxes = false;          ///< it was left to look again at what another CPU has to change
    std::uint64_t cold = 0;        ///< blocks to come that are cold
    xen_context context{};
    std::vector<xen_call> calls; ///< what Xen's code has to do

    static constexpr std::uint32_t no_pool = UINT32_MAX;
    [[nodiscard]] Nanoseconds next_event() const {
        if (!online) return never;
        if (worker != nullptr) return resume;
        Nanoseconds at = std::min(std::min(timer, ipi), step_end);
        if (!devices.empty()) at = std::min(at, devices.front().first);
        return at == never ? never : std::max(at, busy_until);
    }
};

class Engine {
  public:
    static Engine* current; ///< the one that Xen's code belongs to

    /// `slow_speed`: of the topology's slow cores.
    Engine(const xen_topology& topology, double slow_speed, const Costs& costs);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    /// Calls `function`, which may wait for other CPUs, as a tool's hypercall; what it returned.
    /// Errors: Xen has failed.
    [[nodiscard]] intellisched::Result<int> call_xen(const XenCall& function);
    [[nodiscard]] intellisched::Result<void> advance(Nanoseconds until);

    // As in Platform
    [[nodiscard]] Nanoseconds now() const { return now_; }
    void notify(VcpuId to);
    void set_timer(VcpuId vcpu, Nanoseconds at);
    [[nodiscard]] Nanoseconds waiting_since(VcpuId vcpu);
    void call_outside(std::uint32_t guest, Nanoseconds at, std::uint64_t token);

    void set_platform(Platform& platform) { platform_ = &platform; }
    void use_costs(); ///< from now on: booting costs nothing
    /// Its memory is spread evenly over `nodes`.
    Domain& add_domain(std::unique_ptr<Domain> domain, double working_set_kb, double memory_share,
                       const std::vector<bool>& nodes);
    /// Nothing refers to its vCPUs any longer; only its truth is kept.
    void forget(Domain& domain);
    [[nodiscard]] Domain* find(std::uint32_t domid);

    [[nodiscard]] std::vector<EngineCpu>& cpus() { return cpus_; }
    [[nodiscard]] std::vector<std::unique_ptr<Domain>>& domains() { return domains_; }
    [[nodiscard]] TraceBuffers& trace() { return trace_; }
    [[nodiscard]] std::uint64_t events() const { return events_; }
    [[nodiscard]] const std::string& failure() const { return failure_; }
    /// Of every pool that there is, by id; to be as long as that before a pool has CPUs.
    [[nodiscard]] std::vector<PoolTruth>& pool_truth() { return pool_truth_; }
    void reset_truth();
    /// Work and time up to now, of guests that run.
    void settle();

    // From Xen (glue)
    void relax();
    [[nodiscard]] EngineCpu* self() const { return within_; }
    void wait(Nanoseconds until);              ///< never: for wake()
    void wake(EngineCpu* cpu, Nanoseconds at); ///< null: the tool
    void hold(bool on);
    [[noreturn]] void fail_xen(const char* message);
    void xen_timer(unsigned cpu, std::int64_t at);
    void xen_ipi(unsigned cpu, Nanoseconds sent);
    void xen_online(unsigned cpu, bool online);
    void xen_switch(unsigned cpu, EngineVcpu* next);
    void xen_woken(EngineVcpu& vcpu);
    [[nodiscard]] bool cpus_busy() const { return within_xen_ > 0; }
    void xen_trace(unsigned cpu, std::uint32_t event, bool cycles, unsigned bytes,
                   const void* data);

  private:
    struct Outside {
        Nanoseconds at;
        std::uint64_t order;
        std::uint32_t guest;
        std::uint32_t domid;
        std::uint64_t token;
        friend bool operator>(const Outside& a, const Outside& b) {
            return a.at != b.at ? a.at > b.at : a.order > b.order;
        }
    };

    /// Of one turn of a tool's loop that waits within Xen.
    static constexpr Nanoseconds tool_relax_time = 1000;

    [[nodiscard]] Nanoseconds outside_at() const {
        return outside_.empty() ? never : outside_.top().at;
    }
    [[nodiscard]] Nanoseconds next_at() const { return std::min(queue_.first_at(), outside_at()); }
    /// When the next happens but on this CPU.
    [[nodiscard]] Nanoseconds others_at(const EngineCpu& cpu) const {
        return std::min(queue_.first_at_without(cpu.id), outside_at());
    }
    void one_event();
    void call_workload();
    void check_waiting();
    void cpu_event(EngineCpu& cpu, Nanoseconds at);
    void end_step(EngineCpu& cpu, Nanoseconds at);
    void enter_xen(EngineCpu& cpu, Nanoseconds at);
    void resume_xen(EngineCpu& cpu, Nanoseconds at);
    void run_xen(EngineCpu& cpu, Nanoseconds at, Nanoseconds others);
    void leave_xen(EngineCpu& cpu, Nanoseconds at);
    void queue_device(EngineVcpu& vcpu, xen_work work, std::uint64_t value);
    void reschedule(EngineCpu& cpu) {
        const Nanoseconds at = cpu.next_event();
        queue_.set(cpu.id, at);
        if (within_ != nullptr || !holding_) xen_clock.others = std::min(xen_clock.others, at);
    }
    [[nodiscard]] Domain* domain_of(std::uint32_t guest);
    [[nodiscard]] EngineVcpu* vcpu_of(VcpuId id);
    void end_grace_period();

    // Execution (machine_execution.cpp)
    void progress(EngineCpu& cpu, Nanoseconds to);
    void start_guest(EngineCpu& cpu, Nanoseconds at);
    void set_speed(EngineCpu& cpu);
    void set_step_end(EngineCpu& cpu);
    /// What costs that much on the same node and that much on another socket, on another node of
    /// the same socket.
    [[nodiscard]] double near(double same, double remote) const {
        return same + (remote - same) * costs_.near_node_part;
    }
    void sibling_changed(EngineCpu& cpu, Nanoseconds at);
    void arrive(EngineCpu& cpu, EngineVcpu& vcpu);
    void refill(const EngineCpu& cpu, EngineVcpu& vcpu);
    void depart(EngineCpu& cpu, EngineVcpu& vcpu);

    Costs costs_;
    unsigned socket_nodes_; ///< nodes of a socket; 1 where a node has whole sockets
    std::vector<EngineCpu> cpus_;
    double llc_kb_;                 ///< of a last-level cache
    double touch_;                  ///< kB that a vCPU touches in a nanosecond of work
    double ns_of_reference_;        ///< of a kB, in a microsecond of refill_reference_kb
    std::vector<Cache> l2s_, llcs_; ///< by core, and by last-level cache
    EventQueue queue_;
    std::priority_queue<Outside, std::vector<Outside>, std::greater<>> outside_;
    std::uint64_t outside_order_ = 0;
    Platform* platform_ = nullptr;
    std::vector<std::unique_ptr<Domain>> domains_;
    std::vector<Domain*> guests_; ///< alive, by index
    TraceBuffers trace_;
    std::vector<PoolTruth> pool_truth_;

    Nanoseconds ipi_ = 0; ///< costs; nothing while Xen boots
    Nanoseconds idle_exit_ = 0;
    Nanoseconds now_;
    std::uint64_t events_ = 0;
    EngineCpu* stepping_ = nullptr; ///< whose guest's next() is being asked
    EngineCpu* within_ = nullptr;   ///< whose coroutine runs; null: the tool's, or none
    unsigned within_xen_ = 0;       ///< CPUs that have been left within Xen, ...
    unsigned relaxing_ = 0;         ///< ... of them that relax
    bool holding_ = false;          ///< no CPU is to enter Xen
    std::string failure_;

    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<Worker*> idle_workers_;
    std::unique_ptr<Coroutine> tool_;
    const XenCall* tool_function_ = nullptr;
    Nanoseconds tool_time_ = 0;   ///< up to which it has come
    Nanoseconds tool_resume_ = 0; ///< as of a CPU
    int tool_result_ = 0;
    bool tool_done_ = true;
};

} // namespace sim
