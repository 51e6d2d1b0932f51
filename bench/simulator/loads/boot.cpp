// SPDX-License-Identifier: GPL-2.0-only
// A guest that boots, `boots` times: each vCPU has its part of the work to do, in stretches with
// waits for the device between them; the next boot begins when all are done. A request is a boot.
#include "bench/simulator/loads/kind.hpp"

#include <algorithm>

namespace sim {

namespace {

class Boot final : public Load {
  public:
    Boot(const proto::BootLoad& load, const LoadKey& key) : load_(load), key_(key) {}

    void start(GuestOs& os) override {
        began_ = os.now();
        left_in_boot_ = os.vcpus();
        for (unsigned i = 0; i < os.vcpus(); ++i) {
            parts_.push_back({.random = key_.stream(i), .left = part_of(os)});
            parts_.back().thread = &os.add_thread(*this, i, i);
        }
    }

    Activity resume(Thread& thread, GuestOs& os) override {
        Part& part = parts_[thread.number];
        if (part.computing) {
            part.computing = false;
            if (part.left > 0) {
                os.call_outside(*this, os.now() + part.random.draw(load_.io()), thread.number);
                return Activity::wait();
            }
            if (--left_in_boot_ > 0) return Activity::wait();
            return end_boot(thread, os);
        }
        if (part.left == 0) return Activity::end(); // the last boot is over
        const Nanoseconds stretch = std::min(part.random.draw(load_.stretch()), part.left);
        part.left -= stretch;
        part.computing = true;
        return Activity::compute(stretch);
    }

    void outside(std::uint32_t part, GuestOs& os) override { os.wake(*parts_[part].thread); }

    void unfinished(Nanoseconds now, Durations& ages) const override {
        if (booted_ < load_.boots()) ages.add(now - began_);
    }

  private:
    struct Part {
        Random random;
        Thread* thread = nullptr;
        Nanoseconds left = 0; ///< of this boot's work
        bool computing = false;
    };

    [[nodiscard]] Nanoseconds part_of(const GuestOs& os) const {
        return std::max<Nanoseconds>(static_cast<Nanoseconds>(load_.work_ms() * 1e6) / os.vcpus(),
                                     1);
    }

    Activity end_boot(Thread& last, GuestOs& os) {
        os.results.done(os.now() - began_);
        began_ = os.now();
        left_in_boot_ = os.vcpus();
        if (++booted_ < load_.boots())
            for (Part& part : parts_) part.left = part_of(os);
        for (Part& part : parts_)
            if (part.thread != &last) os.wake(*part.thread);
        return resume(last, os);
    }

    proto::BootLoad load_;
    LoadKey key_;
    std::vector<Part> parts_; ///< by vCPU
    unsigned left_in_boot_ = 0;
    unsigned booted_ = 0;
    Nanoseconds began_ = 0;
};

} // namespace

const Kind kinds::boot{
    .id = proto::Load::kBoot,
    .families = {"boot-storm"},
    .check =
        [](Checker& check, const WrittenLoad& written) {
            const auto& boot = written.load.boot();
            check.range(written.field + ".boots", boot.boots(), 0, 1000);
            check.that(boot.work_ms() > 0 && boot.work_ms() <= 1e6,
                       "{}.work_ms is {}; choose one above 0, up to 1e6", written.field,
                       boot.work_ms());
            check.times(written.field + ".stretch", boot.stretch());
            check.times(written.field + ".io", boot.io());
        },
    .complete = [](proto::Load& load, unsigned) { SET_DEFAULT(*load.mutable_boot(), boots, 1); },
    .pace =
        [](const proto::Load& load, double vcpus) {
            return cycles(vcpus, load.boot().stretch().mean_us(), load.boot().io().mean_us(), vcpus,
                          3);
        },
    .make = [](const proto::Load& load, const GuestOs&, const LoadKey& key)
        -> std::unique_ptr<Load> { return std::make_unique<Boot>(load.boot(), key); },
    .draw =
        [](proto::Load& load, const Character& character, unsigned vcpus, double, Random& random) {
            auto& boot = *load.mutable_boot();
            boot.set_boots(1000); // one boots all the time
            boot.set_work_ms(three_digits(vcpus * log_uniform(random, 20, 200)));
            set_times(*boot.mutable_stretch(), character.burst_us, character.shape);
            set_times(*boot.mutable_io(), character.burst_us * character.wait);
        },
};

} // namespace sim
