// SPDX-License-Identifier: GPL-2.0-only
// Tokens go round a guest's vCPUs. Each vCPU has a thread bound to it with a letter box; a hop is
// counted from the letter box to the end of its work.
#include "bench/simulator/loads/kind.hpp"

#include <algorithm>
#include <deque>

namespace sim {

namespace {

class Ring final : public Load {
  public:
    Ring(const proto::RingLoad& load, const LoadKey& key) : load_(load) {
        for (unsigned i = 0; i < load.tokens(); ++i) tokens_.push_back({key.stream(i), 0});
    }

    void start(GuestOs& os) override {
        stations_.resize(os.vcpus());
        for (unsigned i = 0; i < os.vcpus(); ++i) stations_[i].thread = &os.add_thread(*this, i, i);
        for (unsigned i = 0; i < tokens_.size(); ++i) { // evenly spread
            tokens_[i].came = os.now();
            stations_[i * std::size_t{os.vcpus()} / tokens_.size() % os.vcpus()].box.push_back(i);
        }
    }

    [[nodiscard]] bool shares_memory() const override { return false; }
    Activity resume(Thread& thread, GuestOs& os) override {
        Station& station = stations_[thread.number];
        if (station.at_work) {
            station.at_work = false;
            const unsigned token = station.box.front();
            station.box.pop_front();
            os.results.done(os.now() - tokens_[token].came);
            tokens_[token].came = os.now();
            Station& next = stations_[(thread.number + 1) % stations_.size()];
            next.box.push_back(token);
            os.wake(*next.thread);
        }
        if (station.box.empty()) return Activity::wait();
        station.at_work = true;
        return Activity::compute(tokens_[station.box.front()].random.draw(load_.hop()));
    }

    void unfinished(Nanoseconds now, Durations& ages) const override {
        for (const Token& token : tokens_) ages.add(now - token.came);
    }

  private:
    struct Token {
        Random random;
        Nanoseconds came; ///< into the letter box
    };
    struct Station {
        Thread* thread = nullptr;
        std::deque<unsigned> box; ///< tokens; the first is being worked on
        bool at_work = false;
    };

    proto::RingLoad load_;
    std::vector<Token> tokens_;
    std::vector<Station> stations_; ///< by vCPU
};

} // namespace

const Kind kinds::ring{
    .id = proto::Load::kRing,
    .families = {"chain", "ring"},
    .check =
        [](Checker& check, const WrittenLoad& written) {
            check.range(written.field + ".tokens", written.load.ring().tokens(), 0,
                        most_load_threads);
            check.times(written.field + ".hop", written.load.ring().hop());
        },
    .complete = [](proto::Load& load, unsigned) { SET_DEFAULT(*load.mutable_ring(), tokens, 1); },
    .pace =
        [](const proto::Load& load, double vcpus) {
            return cycles(load.ring().tokens(), load.ring().hop().mean_us(), 0, vcpus, 2);
        },
    .make = [](const proto::Load& load, const GuestOs&, const LoadKey& key)
        -> std::unique_ptr<Load> { return std::make_unique<Ring>(load.ring(), key); },
    .draw =
        [](proto::Load& load, const Character& character, unsigned vcpus, double, Random& random) {
            const bool chain = character.family == "chain"; // a ring of one token
            auto& ring = *load.mutable_ring();
            if (!chain) ring.set_tokens(number(random, 1, vcpus));
            set_times(*ring.mutable_hop(), std::min(character.burst_us, chain ? 2000.0 : 5000.0),
                      character.shape);
        },
};

} // namespace sim
