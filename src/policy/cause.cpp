// SPDX-License-Identifier: MIT
#include "src/policy/cause.hpp"

#include "src/base/result.hpp"

#include <algorithm>

namespace intellisched {
namespace {

// Hardly waiting: for less than this part of the time that it wants a CPU, and less than a
// millisecond after 99 of 100 wake-ups (Xen's default rate limit promises no better), of which a
// second has ten at least (fewer have no tail in the score, src/model/score.hpp).
constexpr double waits_little = 0.05, short_wait_us = 1000, least_wakeups_per_s = 10;
// It wants so much of a CPU at least, or its waiting is nobody's concern.
constexpr double least_wanted = 0.005;

// Outweighed: it waits for so much of the time in which it wants a CPU, and gets no more than this
// part of what it is due; or it is Domain-0, on which the others wait, and waits for so much even
// if that is its share. And it wants so much of a CPU at least.
constexpr double below_due = 0.9, dom0_waits = 0.75, least_outweighed = 0.05;

constexpr double uses_up = 0.9; // of the CPU time under its cap
constexpr double most = 0.5;    // of its waiting; a NaN is less

bool below(const GuestFigures& guest) { return guest.got < below_due * guest.entitled; }

bool behind_itself(const GuestFigures& guest) {
    return guest.behind && guest.behind->id == guest.id && guest.behind->part >= most;
}

} // namespace

std::string_view to_string(Cause cause) {
    switch (cause) {
    case Cause::none:
        break;
    case Cause::cap:
        return "cap";
    case Cause::affinity:
        return "affinity";
    case Cause::weight:
        return "weight";
    case Cause::rate_limit:
        return "rate-limit";
    case Cause::layout:
        return "layout";
    case Cause::stall:
        return "stall";
    case Cause::own_vcpus:
        return "own-vcpus";
    case Cause::full_pool:
        return "full-pool";
    }
    return "none";
}

bool held_back(const GuestFigures& guest, bool alone) {
    return guest.held_back >= most && (alone || below(guest) || behind_itself(guest));
}

Cause cause_of(const GuestFigures& guest, bool alone) {
    const double waits = guest.waits(), wanted = guest.got + guest.waiting;
    const bool late =
        guest.wake_p99_us >= short_wait_us && guest.wakeups_per_s >= least_wakeups_per_s;
    // Half a second beside an idle CPU is a fault, however little of all its waiting that is.
    if (guest.stall) return Cause::stall;
    if (wanted < least_wanted) return Cause::none;
    // Xen takes a vCPU that has used up its cap for paused, not for runnable: it does not wait.
    if (guest.cap > 0 && guest.got >= uses_up * guest.cap / 100) return Cause::cap;
    if (waits < waits_little && !late) return Cause::none;
    if (guest.idle_forbidden >= most) return Cause::affinity;
    if (guest.beside_idle >= most) return Cause::stall;
    if (guest.idle_elsewhere >= most) return Cause::layout;
    const bool itself = behind_itself(guest);
    if (!alone && !itself && !guest.far_heavier && guest.cap == 0 && wanted >= least_outweighed &&
        ((waits >= waits_much && below(guest)) || (waits >= dom0_waits && guest.id == 0)))
        return Cause::weight;
    if (held_back(guest, alone)) return Cause::rate_limit;
    return alone || itself ? Cause::own_vcpus : Cause::full_pool;
}

std::size_t count_wanting(const std::vector<GuestFigures>& guests) {
    return static_cast<std::size_t>(std::ranges::count_if(
        guests, [](const GuestFigures& guest) { return guest.got + guest.waiting > 0; }));
}

std::string command_for(Cause cause, const GuestFigures& guest) {
    if (cause == Cause::weight)
        return fmt::format("xl sched-credit2 -d {} -w {}", guest.id,
                           std::min(most_weight, 4 * std::max(256U, guest.weight)));
    if (cause == Cause::cap) return fmt::format("xl sched-credit2 -d {} -c 0", guest.id);
    if (cause == Cause::affinity) return fmt::format("xl vcpu-pin {} all all", guest.id);
    return {};
}

Help help_for(Cause cause, const GuestFigures& guest, const PoolCures& pool) {
    const auto model = [&](std::string why) -> Help {
        if (!pool.layout.empty())
            return {"layout", fmt::format("{}; {} is recommended", why, pool.layout),
                    pool.layout_command};
        if (!pool.rate_limit.empty())
            return {"rate-limit", fmt::format("{}; {} is recommended", why, pool.rate_limit),
                    pool.rate_limit_command};
        return {"nothing", why + ", and no other layout or rate limit is recommended"};
    };
    switch (cause) {
    case Cause::none:
        break;
    case Cause::cap:
        return {"cap", fmt::format("its cap of {}% leaves it no more", guest.cap),
                command_for(cause, guest)};
    case Cause::affinity:
        return {"affinity", "CPUs are idle that its hard affinity keeps it from",
                command_for(cause, guest)};
    case Cause::weight:
        return {"weight", fmt::format("others outweigh its {}", guest.weight),
                command_for(cause, guest)};
    case Cause::rate_limit:
        if (!pool.rate_limit.empty() && pool.shorter)
            return {"rate-limit",
                    fmt::format("its wake-ups wait for others' slices; {} is recommended",
                                pool.rate_limit),
                    pool.rate_limit_command};
        return {"rate-limit", "its wake-ups wait for others' slices; a shorter one helps it, but "
                              "none is recommended for the pool"};
    case Cause::layout:
        if (!pool.layout.empty())
            return {"layout",
                    fmt::format("CPUs are idle in other runqueues; {} is recommended", pool.layout),
                    pool.layout_command};
        return {"layout", "CPUs are idle in other runqueues; larger ones help it, but none "
                          "is recommended for the pool"};
    case Cause::stall:
        return {"idle-states",
                slow_cpu_text(
                    guest.stall
                        ? stall_text(fmt::format("its vCPU {}", guest.stall->vcpu), *guest.stall)
                        : "it waits mostly beside idle CPUs of its own runqueue"),
                std::string(slow_cpu_command)};
    case Cause::own_vcpus:
        return model("its vCPUs wait for each other");
    case Cause::full_pool:
        return model("it has all that it is due");
    }
    return {"nothing", "it hardly waits"};
}

std::string stall_text(std::string_view vcpu, const Stall& stall) {
    return fmt::format("{} waited {:.1f} s beside CPU {}, which was idle and of its own runqueue",
                       vcpu, stall.seconds, stall.cpu);
}

std::string slow_cpu_text(std::string_view seen) {
    return fmt::format("{}: such CPUs are slow to wake up from deep idle states, or it is a fault "
                       "of the scheduler",
                       seen);
}

std::string name_of(unsigned id, std::string_view name) {
    return name.empty() ? fmt::format("domain {}", id)
                        : fmt::format("domain {} ({})", id, printable(name, 64));
}

} // namespace intellisched
