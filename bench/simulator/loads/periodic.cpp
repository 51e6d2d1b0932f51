// SPDX-License-Identifier: GPL-2.0-only
// Audio and video: on every vCPU a job each period, begun by the vCPU's timer. The vCPUs' periods
// begin at random offsets. A job whose deadline is over before it could begin is left out, as a
// late frame is, and counts as a miss.
#include "bench/simulator/loads/kind.hpp"

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

    [[nodiscard]] bool shares_memory() const override { return false; }
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
            (void)player.random.draw(run_); // the jobs after it are the same, left out or not
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

const Kind kinds::periodic{
    .id = proto::Load::kPeriodic,
    .families = {"periodic"},
    .check =
        [](Checker& check, const WrittenLoad& written) {
            const auto& periodic = written.load.periodic();
            check.that(periodic.period_us() >= 1 && periodic.period_us() <= 1e9,
                       "{}.period_us is {}; choose one from 1 to 1e9", written.field,
                       periodic.period_us());
            check.times(written.field + ".run", periodic.run());
            check.range(written.field + ".deadline_us", periodic.deadline_us(), 0, 1e9);
        },
    .complete =
        [](proto::Load& load, unsigned) {
            auto& periodic = *load.mutable_periodic();
            SET_DEFAULT(periodic, deadline_us, periodic.period_us());
        },
    .pace =
        [](const proto::Load& load, double vcpus) {
            const double rate = vcpus * 1e6 / load.periodic().period_us();
            const double busy = rate * load.periodic().run().mean_us() / 1e6;
            return Pace{.steps = 2 * rate, .events = rate, .cpus = std::min(busy, vcpus)};
        },
    .make = [](const proto::Load& load, const GuestOs&, const LoadKey& key)
        -> std::unique_ptr<Load> { return std::make_unique<Periodic>(load.periodic(), key); },
    .draw =
        [](proto::Load& load, const Character& character, unsigned vcpus, double share,
           Random& random) {
            auto& periodic = *load.mutable_periodic();
            const double busy = std::clamp(character.load * share / vcpus, 0.05, 0.8);
            const double period_us = std::clamp(character.burst_us / busy, 500.0, 50000.0);
            periodic.set_period_us(three_digits(period_us));
            set_times(*periodic.mutable_run(), period_us * busy, proto::Times::FIXED);
            if (chance(random, 0.5))
                periodic.set_deadline_us(three_digits(period_us * (1 + busy) / 2));
        },
};

} // namespace sim
