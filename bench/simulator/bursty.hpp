// SPDX-License-Identifier: GPL-2.0-only
// The two workloads that queueing theory and the speed benchmark are about.
#pragma once

#include "bench/simulator/guest.hpp"

#include <cmath>
#include <random>
#include <vector>

namespace sim {

/// Each vCPU runs, sleeps by its timer, and so on; both times exponential. A sleep begins when the
/// run has ended, so that vCPUs are the clients of a closed queue, and CPUs its servers.
class Bursty : public Workload {
  public:
    Bursty(std::uint32_t guest, unsigned vcpus, double run_us, double sleep_us, std::uint64_t seed)
        : guest_(guest), run_(1 / (run_us * 1000)), sleep_(1 / (sleep_us * 1000)), random_(seed),
          asleep_until_(vcpus), ran_(vcpus) {}

    void start(Platform&) override {}
    void outside(std::uint64_t, Platform&) override {}
    Step next(std::uint32_t vcpu, Platform& platform) override {
        if (ran_[vcpu]) {
            ran_[vcpu] = false;
            asleep_until_[vcpu] = platform.now() + draw(sleep_);
            platform.set_timer({guest_, vcpu}, asleep_until_[vcpu]);
        }
        if (platform.now() < asleep_until_[vcpu]) return {Step::Kind::block, 0};
        ran_[vcpu] = true;
        return {Step::Kind::compute, draw(run_)};
    }

  private:
    Nanoseconds draw(std::exponential_distribution<double>& times) {
        return 1 + static_cast<Nanoseconds>(times(random_));
    }

    std::uint32_t guest_;
    std::exponential_distribution<double> run_, sleep_;
    std::mt19937_64 random_;
    std::vector<Nanoseconds> asleep_until_;
    std::vector<bool> ran_;
};

/// Computes without end.
class Hog : public Workload {
  public:
    void start(Platform&) override {}
    void outside(std::uint64_t, Platform&) override {}
    Step next(std::uint32_t, Platform&) override { return {Step::Kind::compute, 10'000'000}; }
};

} // namespace sim
