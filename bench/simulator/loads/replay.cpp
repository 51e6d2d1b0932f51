// SPDX-License-Identifier: GPL-2.0-only
// What the vCPUs of a recorded guest did, done again. Each has a thread bound to it that is woken
// by the vCPU's timer, computes for as long as it did, and blocks. A request is a stretch; its
// response time is from when it was due, so that one that had to wait for the stretch before
// counts that too.
#include "bench/simulator/loads/loads.hpp"

#include <algorithm>
#include <cmath>

namespace sim {

namespace {

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

} // namespace

std::unique_ptr<Load> make_replay(const proto::ReplayLoad& load) {
    return std::make_unique<Replay>(load);
}

} // namespace sim
