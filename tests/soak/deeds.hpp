// SPDX-License-Identifier: MIT
// What the soak does to a host, a step at a time: each is called again and again by a thread of its
// own, and judges what Xen answers.
#pragma once

#include "xen.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace soak {

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
    // Nor a domain being paused while a CPU comes or goes: for cpu_hotplug_begin()'s rcu_barrier()
    // all CPUs wait for each other in a softirq, but one waits in vcpu_sleep_sync() for a vCPU
    // that another, waiting, will not switch out.
    std::mutex all_waiting;
    std::mutex printing;

    __attribute__((format(printf, 2, 3))) void say(const char* format, ...);
    void wrong(const std::string& what);
    // What may be turned down: the thing is in use or on its way elsewhere at this moment.
    bool done(const char* what, int error);
};

using Random = std::mt19937;
inline unsigned below(Random& random, std::size_t limit) {
    return static_cast<unsigned>(random() % limit);
}
template<typename T> const T& any_of(Random& random, const std::vector<T>& values) {
    return values[below(random, values.size())];
}
inline void nap(Random& random, unsigned most_ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(below(random, most_ms) + 1));
}

inline std::int64_t now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// Pauses it meanwhile; it must not have a cap.
bool move_guest(Soak& soak, Xen& xen, std::uint32_t guest, std::uint32_t pool);
void rearrange(Soak& soak, Xen& xen, Random& random);
void move_cpu(Soak& soak, Xen& xen, Random& random); // from one pool to another
void hotplug(Soak& soak, Xen& xen, Random& random);
// Pauses a guest, moves it to another pool, gives it other weights, caps and affinities.
void handle_guest(Soak& soak, Xen& xen, Random& random);
void birth(Soak& soak, Xen& xen, Random& random); // and death, of a domain

} // namespace soak
