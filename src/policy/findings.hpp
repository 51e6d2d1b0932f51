// SPDX-License-Identifier: MIT
// What hurts a pool's guests and is not a matter of its layout.
#pragma once

#include "collector/window/stats.hpp"
#include "src/policy/guest_figures.hpp"
#include "src/policy/judge.hpp"
#include "src/proto/host.pb.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace intellisched {

/// Adds up windows of one pool and describes what stands out:
///     stalled-vcpu  a vCPU waits beside an idle CPU of its own runqueue
///     beside-idle   a domain waits much, most of it beside idle CPUs of its own runqueue
///     outweighed    a domain waits for most of the time that it wants a CPU
///     overcommitted domains wait for most of it although they have their shares
///     capped, pinned    a domain waits because of its own cap, or its own hard affinity
///     rate-limit    the rate limit holds wake-ups back
///     lopsided      CPUs are idle while vCPUs wait in other, busier runqueues
///     records-lost  the trace has gaps
/// Of a window that the InputGate does not let through, only what was lost counts.
class Findings {
  public:
    /// A stable name for programs, a sentence for people, and the command that helps, which the
    /// sentence has too; empty: there is none.
    struct Finding {
        std::string_view code;
        std::string text;
        std::string command = {};
    };

    void add(const WindowStats& window);
    /// The worst ones; none when nothing stands out. Names, weights and caps are the snapshot's.
    [[nodiscard]] std::vector<Finding> list(const proto::HostSnapshot& snapshot) const;
    [[nodiscard]] const GuestSums& guests() const { return guests_; }
    [[nodiscard]] unsigned usable() const { return usable_; }
    /// Why other windows are not, a reason each.
    [[nodiscard]] const std::vector<Reason>& unusable() const { return unusable_; }
    /// In a line how many records were lost, and what helps; empty: none was.
    [[nodiscard]] std::string lost_text() const;
    /// In a line what is not exact because the CPUs' clocks differ by a little; empty: they agree.
    [[nodiscard]] std::string clocks_text() const;

  private:
    void add_runqueues(const WindowStats& window);
    void add_stalls(std::vector<Finding>& found, const proto::HostSnapshot& snapshot) const;
    void add_guests(std::vector<Finding>& found, const std::vector<GuestFigures>& guests) const;
    void add_lopsided(std::vector<Finding>& found) const;
    void add_rate_limit(std::vector<Finding>& found) const;

    PoolFacts facts_; ///< of the last window
    unsigned usable_ = 0;
    std::vector<Reason> unusable_;
    std::uint64_t lost_ = 0;
    double traced_ = 0, observed_ = 0; ///< CPU seconds
    double clear_ = 0, wasted_ = 0;    ///< seconds
    double wake_waited_ = 0, held_back_ = 0;
    std::uint64_t wakeups_ = 0;
    std::vector<double> busy_, seen_; ///< seconds of CPUs by runqueue in force
    GuestSums guests_;
};

} // namespace intellisched
