// SPDX-License-Identifier: GPL-2.0-only
// Threads that compute, ask the back-end in another guest and wait for its answer. A request's
// response time is from asking to the thread's going on.
#include "bench/simulator/loads/backend.hpp"
#include "bench/simulator/loads/loads.hpp"

namespace sim {

void Backend::start(GuestOs& os) { queue_.start(1, *this, os); }

Activity Backend::resume(Thread& worker, GuestOs& os) {
    if (const auto request = queue_.finished(worker)) {
        if (request->device > 0)
            os.platform().call_outside(request->frontend->index(), os.now() + request->device,
                                       request->token);
        else
            request->frontend->outside(request->token, os.platform());
    }
    return queue_.next(worker);
}

namespace {

class Frontend final : public Load {
  public:
    Frontend(const proto::FrontendLoad& load, Backend& backend, const LoadKey& key)
        : load_(load), backend_(backend) {
        for (unsigned i = 0; i < load.threads(); ++i) users_.push_back({.random = key.stream(i)});
    }

    void start(GuestOs& os) override {
        for (unsigned i = 0; i < users_.size(); ++i) users_[i].thread = &os.add_thread(*this, i);
    }

    Activity resume(Thread& thread, GuestOs& os) override {
        User& user = users_[thread.number];
        switch (user.stage) {
        case Stage::ask:
            user.stage = Stage::answered;
            user.asked = os.now();
            backend_.submit(
                {.frontend = &os,
                 .token = GuestOs::address(*this, thread.number),
                 .work = user.random.draw(load_.backend_work()),
                 .device = load_.device().mean_us() > 0 ? user.random.draw(load_.device()) : 0});
            return Activity::wait();
        case Stage::answered:
            os.results.done(os.now() - user.asked);
            break;
        case Stage::begin:
            break;
        }
        user.stage = Stage::ask;
        return Activity::compute(user.random.draw(load_.work()));
    }

    void outside(std::uint32_t user, GuestOs& os) override { os.wake(*users_[user].thread); }

  private:
    enum class Stage : std::uint8_t { begin, ask, answered };
    struct User {
        Random random;
        Thread* thread = nullptr;
        Stage stage = Stage::begin; ///< what comes when it runs again
        Nanoseconds asked = 0;
    };

    proto::FrontendLoad load_;
    Backend& backend_;
    std::vector<User> users_;
};

} // namespace

std::unique_ptr<Load> make_frontend(const proto::FrontendLoad& load, Backend& backend,
                                    const LoadKey& key) {
    return std::make_unique<Frontend>(load, backend, key);
}

} // namespace sim
