// SPDX-License-Identifier: MIT
// What hurts a pool's guests and is not a matter of its layout.
#pragma once

#include "collector/window/stats.hpp"
#include "src/proto/host.pb.h"

#include <map>
#include <string>
#include <vector>

namespace intellisched {

/// Adds up windows of one pool and describes, in sentences for people: wake-ups that the rate limit
/// held back, domains that wait for most of the time that they want a CPU, vCPUs that wait beside
/// an idle CPU of their own runqueue.
class Findings {
  public:
    void add(const WindowStats& window);
    /// The worst ones; none when nothing stands out. Names, weights and caps are the snapshot's.
    [[nodiscard]] std::vector<std::string> text(const proto::HostSnapshot& snapshot) const;

  private:
    struct Got {
        double running = 0, waiting = 0; ///< seconds
    };
    std::string pool_; ///< for a command
    unsigned cpus_ = 0;
    double seconds_ = 0; ///< that were seen
    double wake_waited_ = 0, held_back_ = 0;
    std::uint64_t wakeups_ = 0;
    std::map<unsigned, Got> domains_;
    std::map<std::pair<unsigned, unsigned>, Stall> stalls_; ///< the longest, by domain and vCPU
};

} // namespace intellisched
