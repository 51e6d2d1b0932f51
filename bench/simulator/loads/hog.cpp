// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/loads/kind.hpp"

namespace sim {

namespace {

class Hog final : public Load {
  public:
    explicit Hog(const proto::HogLoad& load) : threads_(load.threads()) {}

    void start(GuestOs& os) override {
        for (unsigned i = 0; i < threads_; ++i) os.add_thread(*this, i);
    }
    [[nodiscard]] bool shares_memory() const override { return false; }
    Activity resume(Thread&, GuestOs&) override { return Activity::compute(time_slice); }

  private:
    unsigned threads_;
};

} // namespace

const Kind kinds::hog{
    .id = proto::Load::kHog,
    .families = {"hogs", "memory"},
    .check =
        [](Checker& check, const WrittenLoad& written) {
            check.range(written.field + ".threads", written.load.hog().threads(), 0,
                        most_load_threads);
        },
    .complete = [](proto::Load& load,
                   unsigned vcpus) { SET_DEFAULT(*load.mutable_hog(), threads, vcpus); },
    .pace =
        [](const proto::Load& load, double vcpus) {
            return cycles(load.hog().threads(), static_cast<double>(time_slice) / 1e3, 0, vcpus, 1);
        },
    .make = [](const proto::Load& load, const GuestOs&, const LoadKey&) -> std::unique_ptr<Load> {
        return std::make_unique<Hog>(load.hog());
    },
    .draw = [](proto::Load& load, const Character&, unsigned, double,
               Random&) { load.mutable_hog(); },
};

} // namespace sim
