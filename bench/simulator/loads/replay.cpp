// SPDX-License-Identifier: GPL-2.0-only
// What the vCPUs of a recorded guest did, done again. Each has a thread bound to it that is woken
// by the vCPU's timer, computes for as long as it did, and blocks. A request is a stretch; its
// response time is from when it was due, so that one that had to wait for the stretch before
// counts that too.
#include "bench/simulator/loads/kind.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sim {

namespace {

constexpr int most_stretches = 1'000'000; ///< of a load
constexpr double longest_us = 1e9;

class Replay final : public Load {
  public:
    explicit Replay(const proto::ReplayLoad& load) : load_(load) {}

    void start(GuestOs& os) override {
        players_.resize(static_cast<std::size_t>(load_.vcpus_size()));
        for (unsigned i = 0; i < players_.size(); ++i) {
            set_due(i, os.now());
            os.add_thread(*this, i, i);
        }
    }

    [[nodiscard]] bool shares_memory() const override { return false; }
    Activity resume(Thread& thread, GuestOs& os) override {
        Player& player = players_[thread.number];
        const auto& vcpu = load_.vcpus(static_cast<int>(thread.number));
        if (player.computing) {
            player.computing = false;
            os.results.done(os.now() - player.due);
            ++player.stretch;
            set_due(thread.number, vcpu.block_us().empty() ? player.due : os.now());
        }
        if (player.stretch == vcpu.run_us_size()) return Activity::end();
        if (os.now() < player.due) return Activity::sleep_until(player.due);
        player.computing = true;
        return Activity::compute(std::max<Nanoseconds>(ns(vcpu.run_us(player.stretch)), 1));
    }

  private:
    struct Player {
        int stretch = 0;     ///< that is next or being computed
        Nanoseconds due = 0; ///< when it wakes up for it
        bool computing = false;
    };

    static Nanoseconds ns(double us) { return static_cast<Nanoseconds>(std::llround(us * 1e3)); }

    void set_due(unsigned number, Nanoseconds since) {
        const auto& vcpu = load_.vcpus(static_cast<int>(number));
        const auto& apart = vcpu.block_us().empty() ? vcpu.wake_us() : vcpu.block_us();
        Player& player = players_[number];
        if (player.stretch < apart.size()) player.due = since + ns(apart[player.stretch]);
    }

    proto::ReplayLoad load_;
    std::vector<Player> players_; ///< by vCPU
};

/// As far as times are whole nanoseconds in 64 bits, whatever their number.
void check_replay(Checker& check, const WrittenLoad& written) {
    const proto::ReplayLoad& load = written.load.replay();
    check.that(load.vcpus_size() <= static_cast<int>(written.guest.vcpus()),
               "{}: times of {} vCPUs for a guest of {}; give it as many vCPUs", written.field,
               load.vcpus_size(), written.guest.vcpus());
    int stretches = 0;
    for (int i = 0; i < load.vcpus_size() && !check.failed(); ++i) {
        const auto& vcpu = load.vcpus(i);
        const std::string field = fmt::format("{}.vcpus({})", written.field, i);
        check.that(vcpu.wake_us().empty() || vcpu.block_us().empty(),
                   "{} has both wake_us and block_us; it is woken by one of them, remove the other",
                   field);
        const auto& apart = vcpu.block_us().empty() ? vcpu.wake_us() : vcpu.block_us();
        const char* name = vcpu.block_us().empty() ? "wake_us" : "block_us";
        check.that(apart.size() == vcpu.run_us_size(),
                   "{} has {} times in {} and {} in run_us; a stretch has one in each", field,
                   apart.size(), name, vcpu.run_us_size());
        stretches += vcpu.run_us_size();
        check.that(stretches <= most_stretches, "{} has more than {} stretches; leave some out",
                   written.field, most_stretches);
        if (check.failed()) return;
        for (int k = 0; k < apart.size() && !check.failed(); ++k) {
            check.range(fmt::format("{}.{}({})", field, name, k), apart[k], 0, longest_us);
            check.range(fmt::format("{}.run_us({})", field, k), vcpu.run_us(k), 0.001, longest_us);
        }
    }
}

} // namespace

const Kind kinds::replay{
    .id = proto::Load::kReplay,
    .check = check_replay,
    .pace =
        [](const proto::Load& load, double) {
            Pace pace;
            for (const auto& vcpu : load.replay().vcpus()) {
                const double run_us = std::reduce(vcpu.run_us().begin(), vcpu.run_us().end());
                const double open_us = std::reduce(vcpu.wake_us().begin(), vcpu.wake_us().end());
                const double closed_us =
                    std::reduce(vcpu.block_us().begin(), vcpu.block_us().end());
                const double length_us = std::max(open_us, closed_us + run_us);
                if (!(length_us > 0)) continue;
                pace.steps += 3e6 * vcpu.run_us_size() / length_us;
                pace.cpus += run_us / length_us;
            }
            return pace;
        },
    .make = [](const proto::Load& load, const GuestOs&, const LoadKey&) -> std::unique_ptr<Load> {
        return std::make_unique<Replay>(load.replay());
    },
};

} // namespace sim
