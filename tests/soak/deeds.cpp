// SPDX-License-Identifier: MIT
#include "deeds.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace soak {

namespace {

constexpr std::int64_t kCapGraceNs = 5'000'000'000; // a capped domain pays back what it overran

Cpus some(Random& random, unsigned count, unsigned one_in) {
    Cpus cpus(count);
    for (unsigned cpu = 0; cpu < count; ++cpu) cpus[cpu] = below(random, one_in) == 0;
    return cpus;
}

int pause(Soak& soak, Xen& xen, std::uint32_t guest) {
    const std::lock_guard lock(soak.all_waiting);
    return xen.pause(guest);
}

} // namespace

// Two things that Xen 4.17 as it comes does not stand: a cap, because the replenishment timer of
// the old pool may unpark vCPUs that sched_move_domain() has taken out already; and a vCPU that is
// still being switched out with a migration pending. After a pause and the rcu_barrier() with which
// bringing a CPU online begins (CPU 0 is, so nothing else comes of it), every CPU has left the
// scheduler and its timers, however long its emulation was kept from going on.
bool move_guest(Soak& soak, Xen& xen, std::uint32_t guest, std::uint32_t pool) {
    if (soak.pools.size() == 1) return false; // there is nowhere to go
    if (!soak.done("pausing a domain", pause(soak, xen, guest))) return false;
    {
        const std::lock_guard lock(soak.all_waiting);
        if (const int refused = xen.online(0); refused != EEXIST)
            soak.wrong(std::string("bringing CPU 0 online: ") + std::strerror(refused));
    }
    const bool moved = soak.done("moving a domain", xen.move(guest, pool));
    soak.done("unpausing a domain", xen.unpause(guest));
    return moved;
}

void Soak::say(const char* format, ...) {
    const std::lock_guard lock(printing);
    std::va_list arguments;
    va_start(arguments, format);
    std::vprintf(format, arguments);
    va_end(arguments);
    std::fputc('\n', stdout);
    std::fflush(stdout);
}

void Soak::wrong(const std::string& what) {
    ++counts.wrong;
    say("WRONG: %s", what.c_str());
}

bool Soak::done(const char* what, int error) {
    if (error == 0) return true;
    if (error == EBUSY || error == EAGAIN || error == EADDRNOTAVAIL || error == EADDRINUSE ||
        error == ENODEV || error == EINVAL || error == ENOENT || error == ESRCH)
        ++counts.turned_down;
    else
        wrong(std::string(what) + ": " + std::strerror(error));
    return false;
}

void rearrange(Soak& soak, Xen& xen, Random& random) {
    static const std::vector<std::uint32_t> caps = {0, 0, 0, 0, 1, 2, 3, 4, 5, 8, 16, kAsBooted};
    if (below(random, 50) == 0) { // bad input changes nothing
        Arrangement before, after, bad{5 + below(random, 1000), 0, 0};
        const std::uint32_t pool = any_of(random, soak.pools);
        xen.get(pool, before);
        if (const int error = xen.set(pool, bad); error != EINVAL)
            soak.wrong("layout " + std::to_string(bad.layout) + " of pool " + std::to_string(pool) +
                       ": " + std::strerror(error));
        xen.get(pool, after);
        if (before.layout != after.layout || before.max_cpus != after.max_cpus)
            soak.wrong("a refused request changed pool " + std::to_string(pool));
        if (const int error = xen.set(4711, after); error != ESRCH)
            soak.wrong(std::string("a pool that does not exist: ") + std::strerror(error));
        ++soak.counts.refused;
    }
    const std::uint32_t pool = any_of(random, soak.pools);
    const Arrangement wanted{below(random, 5), any_of(random, caps), 0};
    Arrangement got = wanted;
    const std::string what = "pool " + std::to_string(pool) + ", layout " +
                             std::to_string(wanted.layout) + ", cap " +
                             std::to_string(wanted.max_cpus);
    if (const int error = xen.set(pool, got)) {
        soak.wrong(what + ": " + std::strerror(error));
        return;
    }
    if (got.layout != wanted.layout ||
        (wanted.max_cpus != kAsBooted && got.max_cpus != wanted.max_cpus))
        soak.wrong(what + ": in force are layout " + std::to_string(got.layout) + ", cap " +
                   std::to_string(got.max_cpus));
    if (got.runqueues > xen.cpus())
        soak.wrong(what + ": " + std::to_string(got.runqueues) + " runqueues");
    ++soak.counts.rearranged;
    if (soak.options.pace_ms) nap(random, 2 * soak.options.pace_ms);
}

void move_cpu(Soak& soak, Xen& xen, Random& random) {
    const std::uint32_t from = any_of(random, soak.pools);
    const std::uint32_t to = any_of(random, soak.pools);
    const Cpus cpus = xen.cpus_of(from);
    std::vector<unsigned> movable;
    for (unsigned cpu = 1; cpu < cpus.size(); ++cpu)
        if (cpus[cpu]) movable.push_back(cpu);
    if (movable.size() > 2) {
        const unsigned cpu = any_of(random, movable);
        const int error = [&] {
            const std::lock_guard lock(soak.half_made);
            return xen.remove_cpu(from, cpu);
        }();
        if (soak.done("removing a CPU from a pool", error)) {
            nap(random, 3);
            if (soak.done("adding a CPU to a pool", xen.add_cpu(to, cpu))) ++soak.counts.cpus_moved;
        }
    }
    // One that was left over by an add that was turned down.
    for (unsigned cpu = 1; cpu < xen.cpus() && below(random, 10) == 0; ++cpu) {
        bool free = true;
        for (const std::uint32_t pool : soak.pools) free = free && !xen.cpus_of(pool)[cpu];
        if (free) soak.done("adding a free CPU", xen.add_cpu(any_of(random, soak.pools), cpu));
    }
    nap(random, 40);
}

void hotplug(Soak& soak, Xen& xen, Random& random) {
    const unsigned cpu = 1 + below(random, xen.cpus() - 1);
    const int error = [&] {
        const std::scoped_lock lock(soak.half_made, soak.all_waiting);
        return xen.offline(cpu);
    }();
    if (soak.done("taking a CPU offline", error)) {
        nap(random, 300);
        for (int tries = 0;; ++tries) {
            const int refused = [&] {
                const std::lock_guard lock(soak.all_waiting);
                return xen.online(cpu);
            }();
            if (refused == 0) break;
            if (tries == 100) {
                soak.wrong("CPU " + std::to_string(cpu) +
                           " does not come back: " + std::strerror(refused));
                break;
            }
            nap(random, 50);
        }
        ++soak.counts.hotplugged;
    }
    nap(random, 2000);
}

void handle_guest(Soak& soak, Xen& xen, Random& random) {
    const std::uint32_t guest = any_of(random, soak.options.guests);
    const Domain domain = xen.domain(guest);
    switch (below(random, 5)) {
    case 0:
        if (soak.capped_until[guest] != INT64_MAX &&
            move_guest(soak, xen, guest, any_of(random, soak.pools)))
            ++soak.counts.domains_moved;
        break;
    case 1:
        if (soak.done("pausing a domain", pause(soak, xen, guest))) {
            nap(random, 20);
            soak.done("unpausing a domain", xen.unpause(guest));
            ++soak.counts.paused;
        }
        break;
    case 2: {
        const auto cap = static_cast<std::uint16_t>(
            below(random, 2) ? 0 : 20 + below(random, 60 * domain.vcpus));
        soak.capped_until[guest] = cap ? INT64_MAX : now_ns() + kCapGraceNs;
        if (soak.done(
                "weight and cap",
                xen.schedule(guest, static_cast<std::uint16_t>(1 + below(random, 65535)), cap)))
            ++soak.counts.caps;
        break;
    }
    default: { // hard affinity must hold a CPU of the pool, soft one may be anything
        const unsigned vcpu = below(random, domain.vcpus);
        Cpus hard = some(random, xen.cpus(), 1 + below(random, 8));
        const Cpus pool = xen.cpus_of(domain.pool);
        bool fits = false;
        for (unsigned cpu = 0; cpu < hard.size(); ++cpu) fits = fits || (hard[cpu] && pool[cpu]);
        if (!fits) hard = pool;
        const Cpus soft = some(random, xen.cpus(), 1 + below(random, 4));
        if (soak.done("affinity",
                      xen.affinity(guest, vcpu, &hard, below(random, 2) ? &soft : nullptr)))
            ++soak.counts.affinities;
    }
    }
    nap(random, 10);
}

void birth(Soak& soak, Xen& xen, Random& random) {
    std::uint32_t domid = 0;
    const int error = [&] {
        const std::lock_guard lock(soak.half_made);
        return xen.create_domain(any_of(random, soak.pools), 1 + below(random, 8), domid);
    }();
    if (soak.done("creating a domain", error)) {
        nap(random, 5);
        soak.done("moving a new domain", xen.move(domid, any_of(random, soak.pools)));
        soak.done("weight of a new domain",
                  xen.schedule(domid, 1000, static_cast<std::uint16_t>(below(random, 2) * 50)));
        if (const int refused = xen.destroy_domain(domid))
            soak.wrong(std::string("destroying a domain: ") + std::strerror(refused));
        ++soak.counts.born;
    }
    nap(random, 30);
}

} // namespace soak
