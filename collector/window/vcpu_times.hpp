// SPDX-License-Identifier: MIT
#pragma once

#include "collector/window/stats.hpp"

#include <span>

namespace intellisched {

/// What one vCPU did in a window.
struct VcpuTime {
    unsigned domain = 0;
    double weight = 256; ///< credit2 weight of its domain
    double running = 0;  ///< cycles
    double waiting = 0;
    double sleeping = 0; ///< the rest of the window, as far as anything is known of the vCPU
    unsigned sleeps = 0; ///< that it began
    unsigned bursts = 0; ///< that it ended
    unsigned moves = 0;  ///< to another CPU
};

/// Adds what the vCPUs that ran or waited did: in all, by domain, and how fairly they were served.
void add_vcpu_times(WindowStats& stats, std::span<const VcpuTime> vcpus);

} // namespace intellisched
