// SPDX-License-Identifier: GPL-2.0-only
// A parallel build: `width` threads do job after job. A job's work is in equal stretches, with a
// wait for the device between two. A request is a job; its response time is how long it took.
#include "bench/simulator/loads/kind.hpp"

#include <algorithm>

namespace sim {

namespace {

class Build final : public Load {
  public:
    Build(const proto::BuildLoad& load, const LoadKey& key)
        : load_(load), key_(key), makers_(load.width()) {}

    void start(GuestOs& os) override {
        for (unsigned i = 0; i < makers_.size(); ++i) {
            makers_[i].thread = &os.add_thread(*this, i);
            begin_job(makers_[i], os);
        }
    }

    Activity resume(Thread& thread, GuestOs& os) override {
        Maker& maker = makers_[thread.number];
        if (maker.computing) {
            maker.computing = false;
            if (maker.stretches > 0) {
                os.call_outside(*this, os.now() + maker.random.draw(load_.io()), thread.number);
                return Activity::wait();
            }
            os.results.done(os.now() - maker.began);
            begin_job(maker, os);
        }
        maker.computing = true;
        --maker.stretches;
        return Activity::compute(maker.stretch);
    }

    void outside(std::uint32_t maker, GuestOs& os) override { os.wake(*makers_[maker].thread); }

    void unfinished(Nanoseconds now, Durations& ages) const override {
        for (const Maker& maker : makers_) ages.add(now - maker.began);
    }

  private:
    struct Maker {
        Thread* thread = nullptr;
        Random random{0}; ///< of its job
        Nanoseconds began = 0;
        Nanoseconds stretch = 0;
        unsigned stretches = 0; ///< still to do
        bool computing = false;
    };

    /// The jobs are the same whichever thread takes them.
    void begin_job(Maker& maker, const GuestOs& os) {
        maker.random = key_.stream(jobs_++);
        maker.began = os.now();
        maker.stretches = load_.io_per_job() + 1;
        maker.stretch = std::max<Nanoseconds>(maker.random.draw(load_.job()) / maker.stretches, 1);
    }

    proto::BuildLoad load_;
    LoadKey key_;
    std::vector<Maker> makers_;
    std::uint64_t jobs_ = 0; ///< begun
};

} // namespace

const Kind kinds::build{
    .id = proto::Load::kBuild,
    .families = {"build"},
    .check =
        [](Checker& check, const WrittenLoad& written) {
            const auto& build = written.load.build();
            check.range(written.field + ".width", build.width(), 0, most_load_threads);
            check.times(written.field + ".job", build.job());
            check.range(written.field + ".io_per_job", build.io_per_job(), 0, 1e4);
            check.times(written.field + ".io", build.io(), build.io_per_job() == 0);
        },
    .complete = [](proto::Load& load,
                   unsigned vcpus) { SET_DEFAULT(*load.mutable_build(), width, vcpus); },
    .pace =
        [](const proto::Load& load, double vcpus) {
            const auto& build = load.build();
            return cycles(build.width(), build.job().mean_us(),
                          build.io_per_job() * build.io().mean_us(), vcpus,
                          3 * (build.io_per_job() + 1.0));
        },
    .make = [](const proto::Load& load, const GuestOs&, const LoadKey& key)
        -> std::unique_ptr<Load> { return std::make_unique<Build>(load.build(), key); },
    .draw =
        [](proto::Load& load, const Character& character, unsigned vcpus, double, Random& random) {
            auto& build = *load.mutable_build();
            const unsigned io = number(random, 0, 12);
            if (chance(random, 0.4)) build.set_width(2 * vcpus);
            set_times(*build.mutable_job(), character.burst_us * (io + 1), character.shape);
            build.set_io_per_job(io);
            if (io > 0) set_times(*build.mutable_io(), log_uniform(random, 100, 5000));
        },
};

} // namespace sim
