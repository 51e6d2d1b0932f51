// SPDX-License-Identifier: GPL-2.0-only
// What the vCPUs of a recorded guest did, done again. Each has a thread bound to it that is woken
// by the vCPU's timer or by what another vCPU sends, computes for as long as it did, and blocks. A
// request is a stretch; its response time is from when it was due, so that one that had to wait for
// the stretch before counts that too.
#include "bench/simulator/loads/kind.hpp"
#include "bench/simulator/scenario.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <numeric>

namespace sim {

namespace {

constexpr int most_stretches = 1'000'000; ///< of a load
constexpr int most_sends = 1'000'000;     ///< of a load
constexpr double longest_us = 1e9;
/// How much faster than recorded a vCPU may go round. One that hardly got a CPU in the recording
/// did next to nothing in a round.
constexpr unsigned most_ahead = 10;

class Replay final : public Load {
  public:
    explicit Replay(const proto::ReplayLoad& load) : load_(load) {}

    void start(GuestOs& os) override {
        players_.resize(static_cast<std::size_t>(load_.vcpus_size()));
        for (unsigned i = 0; i < players_.size(); ++i) {
            players_[i].round = players_[i].began = os.now();
            set_due(i, os.now());
            players_[i].thread = &os.add_thread(*this, i, i);
        }
    }

    [[nodiscard]] bool shares_memory() const override { return false; }
    Activity resume(Thread& thread, GuestOs& os) override {
        Player& player = players_[thread.number];
        const auto& vcpu = load_.vcpus(static_cast<int>(thread.number));
        for (;;) {
            if (player.computing) {
                send(thread.number, os);
                if (player.left > 0) return compute(thread.number);
                player.computing = false;
                os.results.done(os.now() - player.due);
                ++player.stretch;
                set_due(thread.number, vcpu.block_us().empty() ? player.due : os.now());
            }
            if (player.stretch == vcpu.run_us_size()) {
                if (load_.round_us() == 0 || vcpu.run_us().empty()) return Activity::end();
                begin_round(thread.number, os.now());
            }
            if (awaits_event(thread.number)) {
                if (player.events.empty()) return Activity::wait();
                player.due = player.events.front();
                player.events.pop_front();
            } else if (os.now() < player.due) {
                return Activity::sleep_until(player.due);
            }
            player.computing = true;
            player.left = std::max<Nanoseconds>(ns(vcpu.run_us(player.stretch)), 1);
        }
    }

    void event(std::uint32_t number, GuestOs& os) override {
        if (number >= players_.size()) return;
        Player& player = players_[number];
        // One that falls behind without end is not to take memory without end.
        if (player.events.size() < most_events) player.events.push_back(os.now());
        os.wake(*player.thread);
    }

  private:
    static constexpr std::size_t most_events = 4096;

    struct Player {
        Thread* thread = nullptr;
        int stretch = 0;     ///< that is next or being computed
        Nanoseconds due = 0; ///< when it wakes up for it
        bool computing = false;
        Nanoseconds left = 0;           ///< of the stretch
        Nanoseconds round = 0;          ///< when the round began, or would have if it is behind
        Nanoseconds began = 0;          ///< when it did
        int sent = 0;                   ///< sends of the round
        Nanoseconds worked = 0;         ///< since the last of them
        std::deque<Nanoseconds> events; ///< that no stretch was begun for, when they came
    };

    static Nanoseconds ns(double us) { return static_cast<Nanoseconds>(std::llround(us * 1e3)); }

    [[nodiscard]] bool awaits_event(unsigned number) const {
        const Player& player = players_[number];
        const auto& cause = load_.vcpus(static_cast<int>(number)).cause();
        return player.stretch < cause.size() &&
               cause.Get(player.stretch) == proto::ReplayLoad::VCPU;
    }

    void set_due(unsigned number, Nanoseconds since) {
        const auto& vcpu = load_.vcpus(static_cast<int>(number));
        const auto& apart = vcpu.block_us().empty() ? vcpu.wake_us() : vcpu.block_us();
        Player& player = players_[number];
        if (player.stretch >= apart.size()) return;
        const bool outside = player.stretch < vcpu.cause_size() &&
                             vcpu.cause(player.stretch) == proto::ReplayLoad::OUTSIDE;
        player.due = (outside ? player.round : since) + ns(apart[player.stretch]);
    }

    /// What comes from outside comes at its time, however late this vCPU is; but after more than a
    /// round nobody asks any more.
    void begin_round(unsigned number, Nanoseconds now) {
        Player& player = players_[number];
        const Nanoseconds length = ns(load_.round_us());
        player.stretch = player.sent = 0;
        player.worked = 0;
        player.round += length;
        if (player.round + length < now) player.round = now - length;
        player.due = std::max(now + ns(load_.vcpus(static_cast<int>(number)).rest_us()),
                              player.began + length / most_ahead);
        player.began = player.due;
    }

    /// Up to the next send, or to the stretch's end.
    Activity compute(unsigned number) {
        Player& player = players_[number];
        const auto& vcpu = load_.vcpus(static_cast<int>(number));
        Nanoseconds work = player.left;
        if (player.sent < vcpu.send_us_size())
            work = std::min(work, ns(vcpu.send_us(player.sent)) - player.worked);
        player.left -= work;
        player.worked += work;
        return Activity::compute(work);
    }

    /// Sends what is due after this work. Some are behind the last stretch's end by rounding: they
    /// are sent there.
    void send(unsigned number, GuestOs& os) {
        Player& player = players_[number];
        const auto& vcpu = load_.vcpus(static_cast<int>(number));
        const bool last = player.left == 0 && player.stretch + 1 == vcpu.run_us_size();
        while (player.sent < vcpu.send_us_size() &&
               (last || ns(vcpu.send_us(player.sent)) <= player.worked)) {
            const VcpuId to{vcpu.send_guest(player.sent), vcpu.send_vcpu(player.sent)};
            player.worked -= std::min(player.worked, ns(vcpu.send_us(player.sent)));
            ++player.sent;
            os.send(to);
        }
    }

    proto::ReplayLoad load_;
    std::vector<Player> players_; ///< by vCPU
};

/// What a causal replay has beside its times.
void check_causes(Checker& check, const WrittenLoad& written, const proto::ReplayLoad::Vcpu& vcpu,
                  const std::string& field) {
    check.range(field + ".rest_us", vcpu.rest_us(), 0, longest_us);
    check.that(vcpu.cause().empty() || vcpu.cause_size() == vcpu.block_us_size(),
               "{} has {} causes and {} times in block_us; a stretch has one of each", field,
               vcpu.cause_size(), vcpu.block_us_size());
    // In each round one begins by itself, else nobody might begin.
    check.that(vcpu.cause().empty() || vcpu.cause(0) == proto::ReplayLoad::TIMER,
               "{}.cause(0) is not TIMER; the first stretch begins by itself", field);
    check.that(vcpu.send_us_size() == vcpu.send_guest_size() &&
                   vcpu.send_us_size() == vcpu.send_vcpu_size(),
               "{} has {} times, {} guests and {} vCPUs to send to; a send has one of each", field,
               vcpu.send_us_size(), vcpu.send_guest_size(), vcpu.send_vcpu_size());
    check.that(vcpu.send_us().empty() || added_vcpus(written.scenario) == 0,
               "{} sends to guests by number, and the first guest is not Domain-0; write it",
               field);
    for (int k = 0; k < vcpu.send_us_size() && !check.failed(); ++k) {
        check.range(fmt::format("{}.send_us({})", field, k), vcpu.send_us(k), 0, longest_us);
        check.that(vcpu.send_guest(k) < static_cast<unsigned>(written.scenario.guests_size()),
                   "{}.send_guest({}): there is no guest {}", field, k, vcpu.send_guest(k));
    }
}

/// As far as times are whole nanoseconds in 64 bits, whatever their number.
void check_replay(Checker& check, const WrittenLoad& written) {
    const proto::ReplayLoad& load = written.load.replay();
    check.that(load.vcpus_size() <= static_cast<int>(written.guest.vcpus()),
               "{}: times of {} vCPUs for a guest of {}; give it as many vCPUs", written.field,
               load.vcpus_size(), written.guest.vcpus());
    check.range(written.field + ".round_us", load.round_us(), 0, longest_us);
    int stretches = 0, sends = 0;
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
        sends += vcpu.send_us_size();
        check_causes(check, written, vcpu, field);
        check.that(sends <= most_sends, "{} has more than {} sends; leave some out", written.field,
                   most_sends);
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
                double closed_us = vcpu.rest_us();
                bool by_itself = true;
                for (int k = 0; k < vcpu.block_us_size(); ++k)
                    if (k >= vcpu.cause_size() || vcpu.cause(k) == proto::ReplayLoad::TIMER)
                        closed_us += vcpu.block_us(k);
                    else
                        by_itself = false;
                const double round_us = load.replay().round_us();
                const double length_us = std::max(
                    {open_us, closed_us + run_us, by_itself ? round_us / most_ahead : round_us});
                if (!(length_us > 0)) continue;
                pace.steps += 3e6 * (vcpu.run_us_size() + vcpu.send_us_size()) / length_us;
                pace.cpus += run_us / length_us;
            }
            return pace;
        },
    .make = [](const proto::Load& load, const GuestOs&, const LoadKey&) -> std::unique_ptr<Load> {
        return std::make_unique<Replay>(load.replay());
    },
};

} // namespace sim
