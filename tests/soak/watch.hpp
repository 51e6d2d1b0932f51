// SPDX-License-Identifier: MIT
// Looks for lost wake-ups: a vCPU that could run and does not for more than a second, while a CPU
// that it may run on idles. All of it is Xen's own accounting.
#pragma once

#include "xen.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace soak {

enum class Paused { left_out, watched };

class Watch {
  public:
    // `paused`: what a paused vCPU looks like is a lost wake-up, which serves to see that the watch
    // is not blind.
    explicit Watch(Paused paused = Paused::left_out) : paused_(paused) {}

    // Looks once; call it several times a second. `domids`: who is watched. A domain with a cap
    // that may keep it waiting is to be left out for as long. Returns a line for each vCPU that is
    // found lost; each is told once.
    std::vector<std::string> look(Xen& xen, const std::vector<std::uint32_t>& domids,
                                  std::int64_t now_ns);

    std::int64_t longest_wait_ns() const { return longest_; } // with a CPU idle or not

  private:
    struct Wait {
        std::int64_t since_ns = 0;
        std::int64_t seen_ns = 0; // of it, as far as it was looked at
        std::uint64_t run_ns = 0;
        std::uint32_t pool = 0;
        std::vector<std::uint64_t> idle_ns; // of each CPU when it began
        bool told = false;
    };

    Paused paused_;
    std::map<std::pair<std::uint32_t, unsigned>, Wait> waits_;
    std::int64_t longest_ = 0;
    std::int64_t last_look_ns_ = 0;
};

} // namespace soak
