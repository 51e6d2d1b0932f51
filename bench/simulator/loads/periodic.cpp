// SPDX-License-Identifier: GPL-2.0-only
// Audio and video: on every vCPU a job each period, begun by the vCPU's timer. The vCPUs' periods
// begin at random offsets. A job whose deadline is over before it could begin is left out, as a
// late frame is, and counts as a miss.
#include "bench/simulator/loads/loads.hpp"

#include <algorithm>

namespace sim {

namespace {

class Periodic final : public Load {
  public:
    Periodic(const proto::PeriodicLoad& load, const LoadKey& key)
        : run_(load.run()), key_(key),
          period_(std::max<Nanoseconds>(static_cast<Nanoseconds>(load.period_us() * 1e3), 1)),
          deadline_(static_cast<Nanoseconds>(load.deadline_us() * 1e3)) {}

    void start(GuestOs& os) override {
        for (unsigned i = 0; i < os.vcpus(); ++i) {
            Player player{.random = key_.stream(i)};
            player.begins = os.now() + player.random.below(period_);
            players_.push_back(player);
            os.add_thread(*this, i, i);
        }
    }

    Activity resume(Thread& thread, GuestOs& os) override {
        Player& player = players_[thread.number];
        if (player.playing) {
            player.playing = false;
            const Nanoseconds took = os.now() - player.begins;
            os.results.done(took);
            os.results.deadline(took > deadline_);
            player.begins += period_;
        }
        for (; player.begins + deadline_ < os.now(); player.begins += period_) {
            (void)player.random.draw(run_); // each period has the same job, left out or not
            os.results.deadline(true);
        }
        if (os.now() < player.begins) return Activity::sleep_until(player.begins);
        player.playing = true;
        return Activity::compute(player.random.draw(run_));
    }

  private:
    struct Player {
        Random random;
        Nanoseconds begins = 0; ///< the period of the job that is next or being played
        bool playing = false;
    };

    proto::Times run_;
    LoadKey key_;
    Nanoseconds period_;
    Nanoseconds deadline_;
    std::vector<Player> players_; ///< by vCPU
};

} // namespace

std::unique_ptr<Load> make_periodic(const proto::PeriodicLoad& load, const LoadKey& key) {
    return std::make_unique<Periodic>(load, key);
}

} // namespace sim
