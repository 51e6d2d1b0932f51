// SPDX-License-Identifier: GPL-2.0-only
// The operating system of a guest, as much of it as a load needs: threads, and a scheduler that
// puts them on the guest's vCPUs.
//
// The scheduler is simple on purpose, so that what is measured is Xen's: ready threads wait in one
// queue for the whole guest, first come first served (threads bound to a vCPU keep their place in
// that order, but only that vCPU takes them); a thread computes until it waits, or for at most
// 3 ms while others are ready. Nothing preempts a thread inside its slice. A thread that becomes
// ready is run by the vCPU that ran it last when that is idle, else by the next idle one in the
// order of vCPUs; that one is notified. When none is idle it waits for the first that has done its
// slice.
//
// vCPUs wait for each other also where their threads do not. A lock is looked at for spin_us
// (costs.hpp) before the thread sleeps. And after each shootdown_ms of work a vCPU waits until
// every other one that is not idle has run, as for a TLB shootdown: it spins for spin_us, yields,
// spins for twice as long, and so on up to 16 times. Where all are on CPUs that takes no time; for
// one that Xen has preempted it takes until that one's turn comes.
#pragma once

#include "bench/simulator/guest.hpp"
#include "bench/simulator/loads/results.hpp"
#include "src/proto/scenario.pb.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sim {

class Backend;
class GuestOs;
class Load;

inline constexpr Nanoseconds time_slice = 3'000'000;

/// A thread of a guest. It belongs to a load, which tells what it does.
struct Thread {
    enum class State : std::uint8_t { ready, running, waiting, sleeping, ended };

    Load& load;
    unsigned number;              ///< of the load
    std::optional<unsigned> home; ///< the only vCPU that it runs on
    unsigned vcpu;                ///< where it ran last
    State state = State::waiting;
    Nanoseconds left = 0;    ///< of the work that it is at
    bool spins = false;      ///< which is none
    std::uint64_t place = 0; ///< in the queue of ready threads
};

/// What a thread does next.
struct Activity {
    enum class Kind : std::uint8_t {
        compute, ///< `amount` of work, at least 1
        spin,    ///< GuestOs::spin_time() on a CPU for nothing, if that is above 0
        wait,    ///< until GuestOs::wake()
        sleep,   ///< until the time `amount`, by its vCPU's timer
        end,     ///< it is never run again
    };
    Kind kind;
    Nanoseconds amount = 0;

    static Activity compute(Nanoseconds work) { return {Kind::compute, work}; }
    static Activity spin(Nanoseconds time) { return {Kind::spin, time}; }
    static Activity wait() { return {Kind::wait}; }
    static Activity sleep_until(Nanoseconds at) { return {Kind::sleep, at}; }
    static Activity end() { return {Kind::end}; }
};

/// A program that runs in a guest: the state machine of its threads, and of what asks it from
/// outside. It must not let a thread wait for something that has happened already.
class Load {
  public:
    virtual ~Load() = default;

    /// Makes the threads (ready to run) and sets up what comes from outside.
    virtual void start(GuestOs& os) = 0;
    /// The thread runs and its last activity is over: what next?
    virtual Activity resume(Thread& thread, GuestOs& os) = 0;
    /// What was asked for by GuestOs::call_outside().
    virtual void outside(std::uint32_t token, GuestOs& os);
    /// An event for a vCPU of the guest, sent by a vCPU with GuestOs::send().
    virtual void event(std::uint32_t vcpu, GuestOs& os);
    /// Whether its threads have memory or locks of a kernel in common, so that vCPUs have to wait
    /// for each other.
    [[nodiscard]] virtual bool shares_memory() const { return true; }
    /// Adds the age of each request that has begun and is not done yet.
    virtual void unfinished(Nanoseconds now, Durations& ages) const;

  private:
    friend class GuestOs;
    std::uint64_t address_ = 0; ///< upper half of its tokens
};

/// One guest: its phases one after the other. When a phase begins, the threads of the one before
/// are gone, and so are requests that were not done; they are not counted.
class GuestOs : public Workload {
  public:
    /// `guest`: index in the completed scenario. `origin`: when the simulation began; phases count
    /// from there.
    GuestOs(std::uint32_t guest, const intellisched::proto::Scenario& scenario, Nanoseconds origin);
    ~GuestOs() override;

    void start(Platform& platform) override;
    Step next(std::uint32_t vcpu, Platform& platform) override;
    void outside(std::uint64_t token, Platform& platform) override;

    /// Nothing of the guest runs any more: its domain goes away.
    void stop();

    // For the world that connects guests.
    /// Since `results` were last set to {}. The response times have the ages of requests that are
    /// not done yet: a server that does not get to them would else look quick.
    [[nodiscard]] Results results_by_now() const;
    /// A load that runs beside the phases' ones as long as the guest does.
    void add_service(std::unique_ptr<Load> service);
    /// The back-end that this guest's front-ends find in the guest of that name.
    void connect(const std::string& name, Backend& backend) { backends_[name] = &backend; }
    /// All guests, by their number in the scenario, for send().
    void meet(std::vector<GuestOs*> guests) { guests_ = std::move(guests); }

    // For loads.
    [[nodiscard]] Nanoseconds now() const { return platform_->now(); }
    [[nodiscard]] unsigned vcpus() const { return static_cast<unsigned>(vcpus_.size()); }
    [[nodiscard]] std::uint32_t index() const { return guest_; }
    /// For how long to look at a lock before sleeping; 0: not at all.
    [[nodiscard]] Nanoseconds spin_time() const { return spin_; }
    /// A thread of `load`, ready to run; bound to `home` if there is one.
    Thread& add_thread(Load& load, unsigned number, std::optional<unsigned> home = {});
    /// Makes a waiting thread ready. For others (sleeping ones too) there is nothing to do.
    void wake(Thread& thread);
    /// Has load.outside(token) called at that time, unless the load has gone by then.
    void call_outside(const Load& load, Nanoseconds at, std::uint32_t token);
    /// The token by which another guest reaches this load: outside() with it.
    [[nodiscard]] static std::uint64_t address(const Load& load, std::uint32_t token);
    /// From a vCPU of this guest that runs: an event for a vCPU of that guest, which may be this
    /// one. One that is not there any more gets none.
    void send(VcpuId to);
    [[nodiscard]] Backend& backend(const std::string& name) const { return *backends_.at(name); }
    [[nodiscard]] Platform& platform() const { return *platform_; }

    Results results; ///< since they were last set to {}

  private:
    struct Timer {
        Nanoseconds at;
        Thread* thread;
    };
    struct Vcpu {
        bool idle = false; ///< blocked and not notified; it first runs by itself
        Thread* current = nullptr;
        Nanoseconds slice_left = 0;
        std::deque<Thread*> bound;     ///< ready threads that only it may run
        std::vector<Timer> timers;     ///< ascending
        Nanoseconds armed = 0;         ///< what its timer is set to; 0: not set
        Nanoseconds worked = 0;        ///< since its last shootdown, ...
        Nanoseconds asked = 0;         ///< ... which was then, ...
        std::vector<unsigned> awaited; ///< ... and vCPUs that have not run since
        unsigned tries = 0;            ///< times that it has spun or yielded for them
    };

    void begin_phase(std::size_t number);
    void drop_loads();
    void start_load(Load& load, std::uint32_t phase, std::size_t slot);
    void make_ready(Thread& thread);
    void rouse(unsigned vcpu);
    [[nodiscard]] Thread* take(Vcpu& vcpu);
    void expire_timers(Vcpu& vcpu);
    void arm_timer(unsigned vcpu);
    void shoot_down(unsigned vcpu);
    /// Whether a vCPU that it waits for has not run yet.
    [[nodiscard]] bool awaits(Vcpu& vcpu) const;
    /// What the current thread does now; false: the vCPU has none any more.
    bool go_on(unsigned vcpu);

    std::uint32_t guest_;
    intellisched::proto::Guest described_;
    std::uint64_t seed_;
    Nanoseconds origin_;
    Nanoseconds spin_;
    Nanoseconds shootdown_;        ///< work between two of a vCPU
    Platform* platform_ = nullptr; ///< once started
    bool running_ = false;
    std::uint32_t phase_ = 0; ///< 1 + number of the one that is on
    std::map<std::string, Backend*> backends_;
    std::vector<GuestOs*> guests_;
    std::vector<std::unique_ptr<Load>> loads_; ///< of the phase
    std::vector<std::unique_ptr<Load>> services_;
    std::vector<std::unique_ptr<Thread>> threads_;
    std::vector<Vcpu> vcpus_;
    std::deque<Thread*> ready_;
    std::uint64_t places_ = 0;
};

} // namespace sim
