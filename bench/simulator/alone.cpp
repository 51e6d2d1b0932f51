// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/alone.hpp"

#include <algorithm>
#include <utility>

namespace sim {

void Alone::start(std::uint32_t id, Workload& workload, unsigned vcpus, unsigned cpus) {
    if (guests_.size() <= id) guests_.resize(id + 1);
    Guest& guest = guests_[id];
    guest.workload = &workload;
    ++guest.times;
    guest.vcpus.assign(vcpus, {});
    guest.free_cpus = cpus;
    guest.waiting.clear();
    workload.start(*this);
    for (unsigned i = 0; i < vcpus; ++i) woken_.push_back({id, i});
    dispatch();
}

void Alone::stop(std::uint32_t id) {
    Guest& guest = guests_[id];
    count(guest, -static_cast<int>(guest.working));
    guest.workload = nullptr;
}

void Alone::advance(Nanoseconds until) {
    until_ = until;
    while (steps_left_ > 0 && !events_.empty() && events_.top().at <= until) {
        const Event event = events_.top();
        events_.pop();
        now_ = event.at;
        const Guest& guest = guests_[event.guest];
        if (guest.workload == nullptr || guest.times != event.times) continue;
        happen(event);
        dispatch();
    }
    if (steps_left_ > 0) now_ = std::max(now_, until);
}

void Alone::happen(const Event& event) {
    Guest& guest = guests_[event.guest];
    const auto vcpu = static_cast<unsigned>(event.what);
    switch (event.kind) {
    case Kind::end_of_step: {
        --steps_left_;
        count(guest, -static_cast<int>(guest.vcpus[vcpu].works));
        guest.waiting.push_back(vcpu); // the vCPUs that share a CPU take turns
        const unsigned next = guest.waiting.front();
        guest.waiting.pop_front();
        run(event.guest, next);
        break;
    }
    case Kind::timer:
        if (guest.vcpus[vcpu].timer != event.at) break; // it was set anew
        guest.vcpus[vcpu].timer = 0;
        notify({event.guest, vcpu});
        break;
    case Kind::outside:
        guest.workload->outside(event.what, *this);
        break;
    }
}

/// Those who were woken go on when who woke them has come to the end.
void Alone::dispatch() {
    for (std::size_t i = 0; i < woken_.size(); ++i) {
        const VcpuId id = woken_[i];
        Guest& guest = guests_[id.guest];
        if (guest.free_cpus > 0) {
            --guest.free_cpus;
            run(id.guest, id.vcpu);
        } else {
            guest.waiting.push_back(id.vcpu);
        }
    }
    woken_.clear();
}

/// The vCPU has a CPU.
void Alone::run(std::uint32_t id, unsigned vcpu) {
    Guest& guest = guests_[id];
    for (;;) {
        const Step step = guest.workload->next(vcpu, *this);
        if (step.kind != Step::Kind::block) {
            if (step.work == 0) continue;
            guest.vcpus[vcpu].works = step.kind == Step::Kind::compute;
            count(guest, guest.vcpus[vcpu].works);
            plan(now_ + step.work, Kind::end_of_step, id, vcpu);
            return;
        }
        if (std::exchange(guest.vcpus[vcpu].pending, false)) continue;
        guest.vcpus[vcpu].blocked = true;
        if (guest.waiting.empty()) {
            ++guest.free_cpus;
            return;
        }
        vcpu = guest.waiting.front();
        guest.waiting.pop_front();
    }
}

void Alone::plan(Nanoseconds at, Kind kind, std::uint32_t guest, std::uint64_t what) {
    events_.push({std::max(at, now_), order_++, kind, guest, guests_[guest].times, what});
}

void Alone::notify(VcpuId to) {
    if (to.guest >= guests_.size() || guests_[to.guest].workload == nullptr) return;
    Vcpu& vcpu = guests_[to.guest].vcpus[to.vcpu];
    if (std::exchange(vcpu.blocked, false))
        woken_.push_back(to);
    else
        vcpu.pending = true;
}

void Alone::set_timer(VcpuId id, Nanoseconds at) {
    guests_[id.guest].vcpus[id.vcpu].timer = at;
    if (at != 0) plan(at, Kind::timer, id.guest, id.vcpu);
}

void Alone::call_outside(std::uint32_t guest, Nanoseconds at, std::uint64_t token) {
    if (guest < guests_.size()) plan(at, Kind::outside, guest, token);
}

// --- what they have run

double Alone::total_ns(const Guest& guest) const {
    return guest.run_ns + guest.working * static_cast<double>(now_ - guest.since);
}

void Alone::count(Guest& guest, int more) {
    guest.run_ns = total_ns(guest);
    guest.since = now_;
    guest.working += static_cast<unsigned>(more);
}

void Alone::reset() {
    counted_from_ = until_;
    for (Guest& guest : guests_) guest.run_before_ns = total_ns(guest);
}

double Alone::run_ns(std::uint32_t id) const {
    if (id >= guests_.size()) return 0;
    const auto wanted = static_cast<double>(until_ - counted_from_);
    const double total = total_ns(guests_[id]);
    if (now_ == until_) return total - guests_[id].run_before_ns;
    if (now_ > counted_from_)
        return (total - guests_[id].run_before_ns) * wanted /
               static_cast<double>(now_ - counted_from_);
    return now_ > begin_ ? total * wanted / static_cast<double>(now_ - begin_) : 0;
}

} // namespace sim
