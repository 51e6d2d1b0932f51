// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/loads/loads.hpp"

namespace sim {

namespace {

class Hog final : public Load {
  public:
    explicit Hog(const proto::HogLoad& load) : threads_(load.threads()) {}

    void start(GuestOs& os) override {
        for (unsigned i = 0; i < threads_; ++i) os.add_thread(*this, i);
    }
    Activity resume(Thread&, GuestOs&) override { return Activity::compute(time_slice); }

  private:
    unsigned threads_;
};

} // namespace

std::unique_ptr<Load> make_hog(const proto::HogLoad& load) { return std::make_unique<Hog>(load); }

std::unique_ptr<Load> make_load(const proto::Load& load, const GuestOs& os, const LoadKey& key) {
    switch (load.kind_case()) {
    case proto::Load::kHog:
        return make_hog(load.hog());
    case proto::Load::kOpenServer:
        return make_open_server(load.open_server(), key);
    case proto::Load::kClosedServer:
        return make_closed_server(load.closed_server(), key);
    case proto::Load::kRing:
        return make_ring(load.ring(), key);
    case proto::Load::kBuild:
        return make_build(load.build(), key);
    case proto::Load::kPeriodic:
        return make_periodic(load.periodic(), key);
    case proto::Load::kDatabase:
        return make_database(load.database(), key);
    case proto::Load::kBoot:
        return make_boot(load.boot(), key);
    case proto::Load::kFrontend:
        return make_frontend(load.frontend(), os.backend(load.frontend().backend()), key);
    case proto::Load::kReplay:
        return make_replay(load.replay());
    case proto::Load::KIND_NOT_SET:
        break;
    }
    return make_hog({}); // no thread: a load of no kind does nothing
}

} // namespace sim
