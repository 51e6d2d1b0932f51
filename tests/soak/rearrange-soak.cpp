// SPDX-License-Identifier: MIT
// Runs in dom0 of a patched hypervisor: rearranges the runqueues of three cpupools at random,
// thousands of times, while other threads do to pools, CPUs and domains whatever an administrator
// can, all at once. tests/soak/rearrange starts it in the laboratory and judges guests and console.
#include "watch.hpp"
#include "xen.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <random>
#include <string>
#include <thread>

using namespace soak;

namespace {

constexpr auto kStall = std::chrono::seconds(60);   // without a single rearrangement
constexpr std::int64_t kCapGraceNs = 5'000'000'000; // a capped domain pays back what it overran

std::int64_t now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

struct Options {
    std::uint64_t rearrangements = 10000;
    unsigned seed = 1;
    unsigned pace_ms = 0; // between two rearrangements; 0: as quick as they go
    bool hotplug = true;
    bool pools = true; // move CPUs between pools; with sched-gran above cpu, pools stay whole
    std::vector<std::uint32_t> guests;
};

struct Counts {
    std::atomic<std::uint64_t> rearranged{0}, refused{0}, cpus_moved{0}, hotplugged{0},
        domains_moved{0}, paused{0}, caps{0}, affinities{0}, born{0}, lost{0}, wrong{0},
        turned_down{0};
};

struct Soak {
    Options options;
    Counts counts;
    std::vector<std::uint32_t> pools;
    std::atomic<bool> stop{false};
    std::map<std::uint32_t, std::atomic<std::int64_t>> capped_until;
    // Xen 4.17 as it comes does not stand a vCPU being created while a CPU leaves its cpupool:
    // cpu_disable_scheduler() meets it half made. Rearrangements are not concerned and take no
    // lock.
    std::mutex half_made;
    std::mutex printing;

    __attribute__((format(printf, 2, 3))) void say(const char* format, ...) {
        const std::lock_guard lock(printing);
        std::va_list arguments;
        va_start(arguments, format);
        std::vprintf(format, arguments);
        va_end(arguments);
        std::fputc('\n', stdout);
        std::fflush(stdout);
    }
    void wrong(const std::string& what) {
        ++counts.wrong;
        say("WRONG: %s", what.c_str());
    }
    // What may be turned down: the thing is in use or on its way elsewhere at this moment.
    bool done(const char* what, int error) {
        if (error == 0) return true;
        if (error == EBUSY || error == EAGAIN || error == EADDRNOTAVAIL || error == EADDRINUSE ||
            error == ENODEV || error == EINVAL || error == ENOENT || error == ESRCH)
            ++counts.turned_down;
        else
            wrong(std::string(what) + ": " + std::strerror(error));
        return false;
    }
};

using Random = std::mt19937;
unsigned below(Random& random, std::size_t limit) {
    return static_cast<unsigned>(random() % limit);
}
template<typename T> const T& any_of(Random& random, const std::vector<T>& values) {
    return values[below(random, values.size())];
}
void nap(Random& random, unsigned most_ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(below(random, most_ms) + 1));
}

Cpus some(Random& random, unsigned count, unsigned one_in) {
    Cpus cpus(count);
    for (unsigned cpu = 0; cpu < count; ++cpu) cpus[cpu] = below(random, one_in) == 0;
    return cpus;
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
        const std::lock_guard lock(soak.half_made);
        return xen.offline(cpu);
    }();
    if (soak.done("taking a CPU offline", error)) {
        nap(random, 300);
        for (int tries = 0;; ++tries) {
            const int refused = xen.online(cpu);
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

// Two things that Xen 4.17 as it comes does not stand: a cap, because the replenishment timer of
// the old pool may unpark vCPUs that sched_move_domain() has taken out already; and a vCPU that is
// still being switched out with a migration pending, which a pause of some time before rules out.
void move_guest(Soak& soak, Xen& xen, Random& random, std::uint32_t guest) {
    if (soak.capped_until[guest] == INT64_MAX) return;
    if (!soak.done("pausing a domain", xen.pause(guest))) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (soak.done("moving a domain", xen.move(guest, any_of(random, soak.pools))))
        ++soak.counts.domains_moved;
    soak.done("unpausing a domain", xen.unpause(guest));
}

void handle_guest(Soak& soak, Xen& xen, Random& random) {
    const std::uint32_t guest = any_of(random, soak.options.guests);
    const Domain domain = xen.domain(guest);
    switch (below(random, 5)) {
    case 0:
        move_guest(soak, xen, random, guest);
        break;
    case 1:
        if (soak.done("pausing a domain", xen.pause(guest))) {
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

void watch(Soak& soak, Xen& xen, Watch& watch) {
    std::vector<std::uint32_t> domids = {0};
    const std::int64_t now = now_ns();
    for (const std::uint32_t guest : soak.options.guests)
        if (soak.capped_until[guest] < now) domids.push_back(guest);
    for (const std::string& line : watch.look(xen, domids, now)) {
        ++soak.counts.lost;
        soak.say("LOST: %s", line.c_str());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
}

Options parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--no-hotplug")
            options.hotplug = false;
        else if (word == "--whole-pools")
            options.pools = false;
        else if (word == "--rearrangements" && i + 1 < argc)
            options.rearrangements = std::strtoull(argv[++i], nullptr, 10);
        else if (word == "--pace" && i + 1 < argc)
            options.pace_ms = static_cast<unsigned>(std::strtoul(argv[++i], nullptr, 10));
        else if (word == "--seed" && i + 1 < argc)
            options.seed = static_cast<unsigned>(std::strtoul(argv[++i], nullptr, 10));
        else if (word[0] != '-')
            options.guests.push_back(
                static_cast<std::uint32_t>(std::strtoul(argv[i], nullptr, 10)));
        else {
            std::fprintf(stderr, "usage: rearrange-soak [--rearrangements N] [--seed N] "
                                 "[--pace MS] [--no-hotplug] [--whole-pools] DOMID...\n");
            std::exit(2);
        }
    }
    if (options.guests.empty()) {
        std::fprintf(stderr, "rearrange-soak: no guests; name the domain IDs of running ones\n");
        std::exit(2);
    }
    return options;
}

// Two pools of a quarter of the CPUs each, beside Pool-0.
void make_pools(Soak& soak, Xen& xen) {
    soak.pools = {0};
    if (!soak.options.pools) return;
    const unsigned quarter = xen.cpus() / 4;
    for (unsigned i = 2; i < 4; ++i) {
        std::uint32_t pool = 0;
        int error = xen.create_pool(pool);
        for (unsigned cpu = i * quarter; cpu < (i + 1) * quarter && !error; ++cpu) {
            for (int tries = 0; tries < 50; ++tries) {
                error = xen.remove_cpu(0, cpu);
                if (error != EBUSY && error != EAGAIN && error != EADDRINUSE) break;
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
            }
            if (!error) error = xen.add_cpu(pool, cpu);
        }
        if (error) {
            soak.wrong(std::string("making a pool: ") + std::strerror(error));
            std::exit(1);
        }
        soak.pools.push_back(pool);
    }
}

// Everything as it was, so that the heap can be compared.
void restore(Soak& soak, Xen& xen) {
    const Cpus everywhere(xen.cpus(), true);
    for (const std::uint32_t guest : soak.options.guests) {
        soak.done("weight and cap back", xen.schedule(guest, 256, 0));
        xen.pause(guest);
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        soak.done("moving a domain back", xen.move(guest, 0));
        xen.unpause(guest);
        const Domain domain = xen.domain(guest);
        for (unsigned vcpu = 0; vcpu < domain.vcpus; ++vcpu)
            xen.affinity(guest, vcpu, &everywhere, &everywhere);
    }
    for (const std::uint32_t pool : soak.pools) {
        if (pool == 0) continue;
        const Cpus cpus = xen.cpus_of(pool);
        for (unsigned cpu = 0; cpu < cpus.size(); ++cpu)
            for (int tries = 0; cpus[cpu] && tries < 50 && xen.remove_cpu(pool, cpu) != 0; ++tries)
                std::this_thread::sleep_for(std::chrono::milliseconds(20));
        if (const int error = xen.destroy_pool(pool))
            soak.wrong(std::string("destroying a pool: ") + std::strerror(error));
    }
    for (unsigned cpu = 1; cpu < xen.cpus(); ++cpu)
        if (!xen.cpus_of(0)[cpu]) soak.done("giving back a CPU", xen.add_cpu(0, cpu));
    Arrangement booted{2, kAsBooted, 0};
    xen.set(0, booted);
    std::this_thread::sleep_for(std::chrono::seconds(3)); // RCU and destroyed domains
}

// The watch must see a vCPU that does not get to run: here, because its domain is paused.
void check_watch(Soak& soak, Xen& xen) {
    Watch watcher(Paused::watched);
    bool seen = false;
    for (const std::uint32_t guest : soak.options.guests) xen.pause(guest);
    for (int i = 0; i < 50 && !seen; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        seen = !watcher.look(xen, soak.options.guests, now_ns()).empty();
    }
    for (const std::uint32_t guest : soak.options.guests) xen.unpause(guest);
    if (!seen)
        soak.wrong("the watch for lost wake-ups is blind: it does not see paused vCPUs wait");
}

// What domains and pools leave behind in the heap is Xen's own affair (creating and destroying a
// hundred domains takes some pages on an unpatched one too); rearrangements must leave nothing.
// Guests and dom0, which go on meanwhile, move the heap by a page or two; what a rearrangement
// allocates is some hundred bytes a runqueue at least, so 64 bytes each time is no leak of it.
void check_heap(Soak& soak, Xen& xen) {
    const unsigned rearrangements = soak.options.pace_ms ? 50 : 1000;
    const std::uint64_t before = xen.free_pages();
    for (unsigned i = 0; i < rearrangements; ++i) {
        Arrangement arrangement{i % 5, 0, 0};
        xen.set(0, arrangement);
        if (soak.options.pace_ms)
            std::this_thread::sleep_for(std::chrono::milliseconds(soak.options.pace_ms));
    }
    Arrangement booted{2, kAsBooted, 0};
    xen.set(0, booted);
    // RCU frees the old runqueues when each CPU has been through a softirq, and one that idles is
    // in no hurry. What leaks does not come back however long one waits.
    std::uint64_t after = xen.free_pages();
    const std::uint64_t slack = rearrangements * 64 / 4096;
    for (int tries = 0; after + slack < before && tries < 60; ++tries) {
        std::this_thread::sleep_for(std::chrono::seconds(1));
        after = xen.free_pages();
    }
    soak.say("free heap: %lu pages before %u more rearrangements, %lu after", before,
             rearrangements, after);
    if (after + slack < before) soak.wrong("rearrangements keep memory");
}

} // namespace

int main(int argc, char** argv) {
    Soak soak;
    soak.options = parse(argc, argv);
    Xen xen;
    Arrangement arrangement;
    if (const int error = xen.get(0, arrangement)) {
        std::fprintf(stderr,
                     "rearrange-soak: runqueues of Pool-0: %s; boot the patched hypervisor\n",
                     std::strerror(error));
        return 1;
    }
    for (const std::uint32_t guest : soak.options.guests) soak.capped_until[guest] = 0;
    if (soak.options.pools) check_watch(soak, xen);
    const std::uint64_t free_before = xen.free_pages();
    make_pools(soak, xen);

    Watch watcher;
    std::vector<std::thread> threads;
    unsigned stream = soak.options.seed * 100;
    const auto start = [&](const std::function<void(Soak&, Xen&, Random&)>& step) {
        threads.emplace_back([&soak, step, seed = ++stream] {
            Xen own;
            Random random(seed);
            while (!soak.stop) step(soak, own, random);
        });
    };
    start(rearrange);
    start(handle_guest);
    start(birth);
    start([&](Soak& each, Xen& own, Random&) { watch(each, own, watcher); });
    if (soak.options.pools) start(move_cpu);
    if (soak.options.hotplug) start(hotplug);

    const std::int64_t began = now_ns();
    std::uint64_t last = 0;
    auto progress = std::chrono::steady_clock::now();
    const Counts& count = soak.counts;
    const auto tell = [&] {
        soak.say("%.0f s: %lu rearrangements, %lu refused as they should be; %lu CPUs moved, %lu "
                 "off and on; domains: %lu moved, "
                 "%lu paused, %lu caps, %lu affinities, %lu born; %lu turned down; longest wait "
                 "%.2f s; %lu lost, %lu wrong",
                 static_cast<double>(now_ns() - began) / 1e9, count.rearranged.load(),
                 count.refused.load(), count.cpus_moved.load(), count.hotplugged.load(),
                 count.domains_moved.load(), count.paused.load(), count.caps.load(),
                 count.affinities.load(), count.born.load(), count.turned_down.load(),
                 static_cast<double>(watcher.longest_wait_ns()) / 1e9, count.lost.load(),
                 count.wrong.load());
    };
    for (unsigned ticks = 1; count.rearranged < soak.options.rearrangements; ++ticks) {
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        if (count.rearranged != last) progress = std::chrono::steady_clock::now();
        last = count.rearranged;
        if (std::chrono::steady_clock::now() - progress > kStall) {
            soak.wrong("no rearrangement for a minute");
            tell();
            return 1;
        }
        if (ticks % 20 == 0) tell();
    }
    soak.stop = true;
    for (std::thread& thread : threads) thread.join();
    tell();
    restore(soak, xen);
    soak.say("free heap: %lu pages before, %lu after", free_before, xen.free_pages());
    check_heap(soak, xen);
    return count.lost || count.wrong ? 1 : 0;
}
