// SPDX-License-Identifier: MIT
// What each guest of a pool got, and why it waited. Domain-0 is one of them.
#pragma once

#include "collector/window/stats.hpp"
#include "src/model/guest_class.hpp"
#include "src/proto/host.pb.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace intellisched {

inline constexpr unsigned most_weight = 65535; ///< that credit2 takes

/// One guest over a stretch of windows. What is not known is NaN.
struct GuestFigures {
    unsigned id = 0;
    std::string name = {}; ///< as the host tells it, not to be trusted; may be empty
    unsigned vcpus = 0;    ///< online
    unsigned weight = 0, cap = 0;
    /// Its weight is four times that of any other guest that wants a CPU, or more: a larger one has
    /// nothing to take from them.
    bool far_heavier = false;
    bool pinned = false; ///< a vCPU has hard affinity to less than the pool

    double got = 0;     ///< CPUs that it ran on, in the mean
    double waiting = 0; ///< vCPUs that waited, in the mean
    double share = 0;   ///< CPUs that are its by weight and vCPUs, were all to want all they can
    /// CPUs that it is due of those that all want: the entitlements() of src/model/score.hpp, with
    /// what each would have run had it not waited.
    double entitled = 0;
    double wait_p50_us = 0,
           wait_p99_us = 0; ///< runnable until it ran, after wake-ups or preemption
    double wake_p99_us = 0; ///< after wake-ups only
    double wakeups_per_s = 0, moves_per_s = 0;
    double burst_us = 0; ///< one stretch of running, in the mean

    /// Parts of the waiting, as WaitCensus counted it; NaN where nobody was found waiting. Whether
    /// it was beside idle CPUs is not known either where the CPUs' clocks differ.
    double beside_idle = 0, idle_elsewhere = 0, idle_forbidden = 0;
    double held_back = 0; ///< part of all its waiting that the rate limit made of wake-ups

    /// The domain that it waits behind most of the time, and for what part of its waiting.
    struct Behind {
        unsigned id = 0;
        std::string name;
        double part = 0;
    };
    std::optional<Behind> behind = {};
    double behind_any = 0;           ///< part of its waiting that is behind some domain
    std::optional<Stall> stall = {}; ///< the longest one of a vCPU of it

    GuestTraits traits{}; ///< what its class is told from

    /// Of the time in which it wants a CPU, the part that it waits.
    [[nodiscard]] double waits() const { return got + waiting > 0 ? waiting / (got + waiting) : 0; }
};

/// Adds up windows of one pool by guest.
class GuestSums {
  public:
    void add(const WindowStats& window);
    /// Of the pool's domains in the snapshot, those that wait most first. Names, weights and caps
    /// are the snapshot's; a domain that it does not have is left out.
    [[nodiscard]] std::vector<GuestFigures> figures(const proto::HostSnapshot& snapshot) const;
    /// Of each vCPU that had any the longest one, the longest first.
    [[nodiscard]] std::vector<Stall> stalls() const;
    /// Part of the runstate changes that come in an order that is not possible, because the CPUs'
    /// clocks differ: by so little that the windows count.
    [[nodiscard]] double disorder() const;
    /// Above it, short waits are what the clocks differ by.
    static constexpr double most_disorder = 0.01;

  private:
    unsigned pool_id_ = 0;
    std::size_t cpus_ = 0;
    double tsc_hz_ = 0;
    double seconds_ = 0; ///< that were seen
    double cpu_seconds_ = 0;
    std::uint64_t changes_ = 0, mismatches_ = 0; ///< as WindowStats'
    struct Sum : DomainWindow {
        // Of each window's rate per second, times its seconds.
        double sleeps_squared = 0, running_squared = 0;
    };
    [[nodiscard]] GuestTraits traits_of(unsigned id, const Sum& sum, unsigned vcpus) const;
    std::map<unsigned, Sum> domains_;
    std::map<std::pair<unsigned, unsigned>, Stall> stalls_; ///< the longest, by domain and vCPU
};

} // namespace intellisched
