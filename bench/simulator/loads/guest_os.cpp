// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/loads/guest_os.hpp"

#include "bench/simulator/costs.hpp"
#include "bench/simulator/loads/kind.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace sim {

namespace {

// A token is 16 bits of phase (0: the services), 16 of the load's slot, 32 for the load itself.
// A slot that no load has names the beginning of a phase.
constexpr std::uint64_t phase_slot = 0xffff;

constexpr std::uint64_t address_of(std::uint64_t phase, std::uint64_t slot) {
    return phase << 48 | slot << 32;
}

} // namespace

void Load::outside(std::uint32_t, GuestOs&) {}
void Load::event(std::uint32_t, GuestOs&) {}
void Load::unfinished(Nanoseconds, Durations&) const {}

GuestOs::GuestOs(std::uint32_t guest, const intellisched::proto::Scenario& scenario,
                 Nanoseconds origin)
    : guest_(guest), described_(scenario.guests(static_cast<int>(guest))), seed_(scenario.seed()),
      origin_(origin), vcpus_(described_.vcpus()) {
    const Costs costs = costs_from(scenario.costs()).value_or(Costs{}); // they have been checked
    spin_ = static_cast<Nanoseconds>(costs.spin_us * 1e3);
    shootdown_ = spin_ > 0 && costs.shootdown_ms > 0
                     ? static_cast<Nanoseconds>(costs.shootdown_ms * 1e6)
                     : std::numeric_limits<Nanoseconds>::max();
}

GuestOs::~GuestOs() = default;

void GuestOs::add_service(std::unique_ptr<Load> service) {
    services_.push_back(std::move(service));
}

void GuestOs::start(Platform& platform) {
    platform_ = &platform;
    running_ = true;
    for (std::size_t i = 0; i < services_.size(); ++i) start_load(*services_[i], 0, i);
    std::size_t current = 0; // 1 + the last phase that has begun by now
    const auto begin_of = [&](std::size_t phase) {
        return origin_ +
               static_cast<Nanoseconds>(described_.phases(static_cast<int>(phase)).at_s() * 1e9);
    };
    for (std::size_t i = 0; i < static_cast<std::size_t>(described_.phases_size()); ++i)
        if (begin_of(i) <= now())
            current = i + 1;
        else
            platform.call_outside(guest_, begin_of(i), address_of(i + 1, phase_slot));
    if (current > 0) begin_phase(current - 1);
}

void GuestOs::stop() { running_ = false; }

void GuestOs::begin_phase(std::size_t number) {
    drop_loads();
    phase_ = static_cast<std::uint32_t>(number) + 1;
    const auto& phase = described_.phases(static_cast<int>(number));
    for (int i = 0; i < phase.loads_size(); ++i) {
        const LoadKey key{.seed = seed_,
                          .guest = guest_,
                          .load = address_of(phase_, static_cast<std::uint64_t>(i))};
        loads_.push_back(kind_of(phase.loads(i)).make(phase.loads(i), *this, key));
    }
    for (std::size_t i = 0; i < loads_.size(); ++i) start_load(*loads_[i], phase_, i);
}

/// Takes the threads of the phase off wherever they are. A stretch of work that a vCPU is at goes
/// on to its end; then the vCPU finds that it has no current thread.
void GuestOs::drop_loads() {
    const auto gone = [this](const Thread* thread) {
        return std::none_of(services_.begin(), services_.end(),
                            [&](const auto& service) { return service.get() == &thread->load; });
    };
    std::erase_if(ready_, gone);
    for (Vcpu& vcpu : vcpus_) {
        if (vcpu.current != nullptr && gone(vcpu.current)) vcpu.current = nullptr;
        std::erase_if(vcpu.bound, gone);
        std::erase_if(vcpu.timers, [&](const Timer& timer) { return gone(timer.thread); });
    }
    std::erase_if(threads_, [&](const auto& thread) { return gone(thread.get()); });
    loads_.clear();
}

void GuestOs::start_load(Load& load, std::uint32_t phase, std::size_t slot) {
    load.address_ = address_of(phase, slot);
    load.start(*this);
}

Thread& GuestOs::add_thread(Load& load, unsigned number, std::optional<unsigned> home) {
    const unsigned vcpu = home.value_or(number % vcpus());
    threads_.push_back(std::make_unique<Thread>(
        Thread{.load = load, .number = number, .home = home, .vcpu = vcpu}));
    make_ready(*threads_.back());
    return *threads_.back();
}

void GuestOs::wake(Thread& thread) {
    if (running_ && thread.state == Thread::State::waiting) make_ready(thread);
}

void GuestOs::make_ready(Thread& thread) {
    thread.state = Thread::State::ready;
    thread.place = ++places_;
    if (thread.home) {
        vcpus_[*thread.home].bound.push_back(&thread);
        if (vcpus_[*thread.home].idle) rouse(*thread.home);
        return;
    }
    ready_.push_back(&thread);
    for (unsigned i = 0; i < vcpus(); ++i) {
        const unsigned vcpu = (thread.vcpu + i) % vcpus();
        if (vcpus_[vcpu].idle) return rouse(vcpu);
    }
}

void GuestOs::rouse(unsigned vcpu) {
    vcpus_[vcpu].idle = false;
    platform_->notify({guest_, vcpu});
}

Thread* GuestOs::take(Vcpu& vcpu) {
    std::deque<Thread*>* from = nullptr;
    for (std::deque<Thread*>* queue : {&vcpu.bound, &ready_})
        if (!queue->empty() && (from == nullptr || queue->front()->place < from->front()->place))
            from = queue;
    if (from == nullptr) return nullptr;
    Thread* thread = from->front();
    from->pop_front();
    return thread;
}

void GuestOs::expire_timers(Vcpu& vcpu) {
    if (vcpu.armed != 0 && vcpu.armed <= now()) vcpu.armed = 0;
    while (!vcpu.timers.empty() && vcpu.timers.front().at <= now()) {
        Thread& thread = *vcpu.timers.front().thread;
        vcpu.timers.erase(vcpu.timers.begin());
        make_ready(thread);
    }
}

void GuestOs::arm_timer(unsigned number) {
    Vcpu& vcpu = vcpus_[number];
    if (vcpu.timers.empty() || vcpu.armed == vcpu.timers.front().at) return;
    vcpu.armed = vcpu.timers.front().at;
    platform_->set_timer({guest_, number}, vcpu.armed);
}

void GuestOs::shoot_down(unsigned number) {
    Vcpu& vcpu = vcpus_[number];
    vcpu.worked = 0;
    vcpu.asked = now();
    vcpu.tries = 0;
    for (unsigned other = 0; other < vcpus(); ++other)
        if (other != number && vcpus_[other].current != nullptr) vcpu.awaited.push_back(other);
}

bool GuestOs::awaits(Vcpu& vcpu) const {
    std::erase_if(vcpu.awaited, [&](unsigned other) {
        const Nanoseconds since = platform_->waiting_since({guest_, other});
        return since == 0 || since > vcpu.asked;
    });
    return !vcpu.awaited.empty();
}

bool GuestOs::go_on(unsigned number) {
    Vcpu& vcpu = vcpus_[number];
    Thread& thread = *vcpu.current;
    if (thread.left == 0) {
        const Activity activity = thread.load.resume(thread, *this);
        switch (activity.kind) {
        case Activity::Kind::compute:
        case Activity::Kind::spin:
            thread.left = activity.amount;
            thread.spins = activity.kind == Activity::Kind::spin;
            break;
        case Activity::Kind::wait:
            thread.state = Thread::State::waiting;
            break;
        case Activity::Kind::sleep: {
            thread.state = Thread::State::sleeping;
            const auto later =
                std::find_if(vcpu.timers.begin(), vcpu.timers.end(),
                             [&](const Timer& timer) { return timer.at > activity.amount; });
            vcpu.timers.insert(later, {activity.amount, &thread});
            break;
        }
        case Activity::Kind::end:
            thread.state = Thread::State::ended;
            break;
        }
    }
    if (thread.state == Thread::State::running && vcpu.slice_left == 0) {
        if (vcpu.bound.empty() && ready_.empty()) {
            vcpu.slice_left = time_slice;
        } else {
            vcpu.current = nullptr;
            make_ready(thread);
        }
    }
    if (thread.state != Thread::State::running) vcpu.current = nullptr;
    return vcpu.current != nullptr;
}

Step GuestOs::next(std::uint32_t number, Platform&) {
    Vcpu& vcpu = vcpus_[number];
    // A vCPU may run before the guest is started, and is to be roused then.
    vcpu.idle = !running_;
    if (!running_) return {};
    expire_timers(vcpu);
    if (vcpu.worked >= shootdown_) shoot_down(number);
    if (!vcpu.awaited.empty() && awaits(vcpu)) {
        const unsigned tried = vcpu.tries++;
        if (tried % 2 == 1) return {.kind = Step::Kind::yield};
        return {.kind = Step::Kind::spin, .work = spin_ << std::min(tried / 2, 4U)};
    }
    for (;;) {
        if (vcpu.current == nullptr) {
            expire_timers(vcpu); // again: a thread may have gone to sleep when it was too late
            vcpu.current = take(vcpu);
            if (vcpu.current == nullptr) break;
            vcpu.current->state = Thread::State::running;
            vcpu.current->vcpu = number;
            vcpu.slice_left = time_slice;
        }
        if (!go_on(number)) continue;
        Thread& thread = *vcpu.current;
        const Nanoseconds work = std::min(thread.left, vcpu.slice_left);
        thread.left -= work;
        vcpu.slice_left -= work;
        arm_timer(number);
        if (thread.spins) return {.kind = Step::Kind::spin, .work = work};
        if (thread.load.shares_memory()) vcpu.worked += work;
        return {.kind = Step::Kind::compute, .work = work};
    }
    arm_timer(number);
    vcpu.idle = true;
    return {};
}

Results GuestOs::results_by_now() const {
    Results by_now = results;
    if (running_)
        for (const auto& load : loads_) load->unfinished(now(), by_now.response);
    return by_now;
}

void GuestOs::outside(std::uint64_t token, Platform&) {
    if (!running_) return;
    const std::uint64_t phase = token >> 48;
    const std::uint64_t slot = token >> 32 & 0xffff;
    if (slot == phase_slot) return begin_phase(phase - 1);
    if (phase == 0)
        services_[slot]->outside(static_cast<std::uint32_t>(token), *this);
    else if (phase == phase_) // of an earlier phase: nobody waits for it any more
        loads_[slot]->outside(static_cast<std::uint32_t>(token), *this);
}

void GuestOs::send(VcpuId to) {
    GuestOs& guest = *guests_.at(to.guest);
    if (!guest.running_) return;
    for (const auto& load : guest.loads_) load->event(to.vcpu, guest);
}

void GuestOs::call_outside(const Load& load, Nanoseconds at, std::uint32_t token) {
    platform_->call_outside(guest_, at, address(load, token));
}

std::uint64_t GuestOs::address(const Load& load, std::uint32_t token) {
    return load.address_ | token;
}

} // namespace sim
