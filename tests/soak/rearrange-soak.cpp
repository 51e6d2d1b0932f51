// SPDX-License-Identifier: MIT
// Runs in dom0 of a patched hypervisor: rearranges the runqueues of three cpupools at random,
// thousands of times, while other threads do to pools, CPUs and domains whatever an administrator
// can, all at once. tests/soak/rearrange starts it in the laboratory and judges guests and console.
#include "deeds.hpp"
#include "watch.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>

using namespace soak;

namespace {

constexpr auto kStall = std::chrono::seconds(60); // without a single rearrangement

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
        move_guest(soak, xen, guest, 0);
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
