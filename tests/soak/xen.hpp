// SPDX-License-Identifier: MIT
// What the soak asks of Xen, straight through libxenctrl: it is about the hypervisor, and libxl
// would only slow it down. One Xen a thread. A call returns 0, or the errno that Xen or libxenctrl
// gave.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

struct xc_interface_core;

namespace soak {

// What the credit2 sub-operations put_runqueue and get_runqueue of the patched hypervisor carry
// (xen-patches, public/sysctl.h).
struct Arrangement {
    std::uint32_t layout = 0;   // 0 to 4: cpu, core, socket, node, all
    std::uint32_t max_cpus = 0; // largest runqueue; 0: no limit
    std::uint32_t runqueues = 0;
};
constexpr std::uint32_t kAsBooted = ~0u;

struct Vcpu {
    bool waiting = false; // it could run and does not
    std::uint64_t run_ns = 0;
};

struct Domain {
    bool exists = false;
    bool paused = false;
    std::uint32_t pool = 0;
    unsigned vcpus = 0;
};

using Cpus = std::vector<bool>;

class Xen {
  public:
    Xen(); // ends the program with one line if there is no Xen
    ~Xen();
    Xen(const Xen&) = delete;
    Xen& operator=(const Xen&) = delete;

    int set(std::uint32_t pool, Arrangement& arrangement); // and reads back what is in force
    int get(std::uint32_t pool, Arrangement& arrangement);

    int add_cpu(std::uint32_t pool, unsigned cpu);
    int remove_cpu(std::uint32_t pool, unsigned cpu);
    int create_pool(std::uint32_t& pool);
    int destroy_pool(std::uint32_t pool);
    Cpus cpus_of(std::uint32_t pool);
    int offline(unsigned cpu);
    int online(unsigned cpu);

    int create_domain(std::uint32_t pool, unsigned vcpus,
                      std::uint32_t& domid); // without memory or kernel
    int destroy_domain(std::uint32_t domid);
    int move(std::uint32_t domid, std::uint32_t pool);
    int pause(std::uint32_t domid);
    int unpause(std::uint32_t domid);
    int schedule(std::uint32_t domid, std::uint16_t weight,
                 std::uint16_t cap); // cap in percent of a CPU
    int affinity(std::uint32_t domid, unsigned vcpu, const Cpus* hard, const Cpus* soft);
    Cpus hard_affinity(std::uint32_t domid, unsigned vcpu);

    Domain domain(std::uint32_t domid);
    Vcpu vcpu(std::uint32_t domid, unsigned vcpu);
    std::vector<std::uint64_t> idle_ns(); // of each CPU, since boot
    std::uint64_t free_pages();           // of the heap, what is being scrubbed included
    unsigned cpus() const { return cpus_; }

  private:
    int runqueue(std::uint32_t pool, std::uint32_t command, Arrangement& arrangement);

    xc_interface_core* xc_;
    unsigned cpus_ = 0;
};

} // namespace soak
