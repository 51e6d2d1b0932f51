// SPDX-License-Identifier: GPL-2.0-only
// Threads that compute, ask the back-end in another guest and wait for its answer. A request's
// response time is from asking to the thread's going on.
#include "bench/simulator/loads/backend.hpp"
#include "bench/simulator/loads/kind.hpp"

#include <algorithm>

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

    void unfinished(Nanoseconds now, Durations& ages) const override {
        for (const User& user : users_)
            if (user.stage == Stage::answered) ages.add(now - user.asked);
    }

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

const Kind kinds::frontend{
    .id = proto::Load::kFrontend,
    .families = {"backend"},
    .check =
        [](Checker& check, const WrittenLoad& written) {
            const auto& load = written.load.frontend();
            check.range(written.field + ".threads", load.threads(), 0, most_load_threads);
            check.times(written.field + ".work", load.work());
            check.times(written.field + ".backend_work", load.backend_work());
            check.times(written.field + ".device", load.device(), true);
            const std::string backend =
                load.backend().empty() ? std::string(domain0) : load.backend();
            const auto& guests = written.scenario.guests();
            check.that(backend == domain0 ||
                           std::any_of(guests.begin(), guests.end(),
                                       [&](const auto& other) { return other.name() == backend; }),
                       "{}.backend '{}' is no guest; name one, or leave it empty for Domain-0",
                       written.field, intellisched::printable(backend));
            check.that(backend != written.guest.name(),
                       "{}.backend '{}' is the guest itself; a back-end is in another one",
                       written.field, intellisched::printable(backend));
        },
    .complete =
        [](proto::Load& load, unsigned vcpus) {
            auto& frontend = *load.mutable_frontend();
            SET_DEFAULT(frontend, threads, vcpus);
            if (frontend.backend().empty()) frontend.set_backend(std::string(domain0));
        },
    .pace =
        [](const proto::Load& load, double vcpus) {
            const auto& frontend = load.frontend();
            return cycles(frontend.threads(), frontend.work().mean_us(),
                          frontend.backend_work().mean_us() + frontend.device().mean_us(), vcpus, 6,
                          1e6 / frontend.backend_work().mean_us());
        },
    .make = [](const proto::Load& load, const GuestOs& os,
               const LoadKey& key) -> std::unique_ptr<Load> {
        return std::make_unique<Frontend>(load.frontend(), os.backend(load.frontend().backend()),
                                          key);
    },
    .draw =
        [](proto::Load& load, const Character& character, unsigned vcpus, double, Random& random) {
            auto& frontend = *load.mutable_frontend();
            frontend.set_threads(number(random, vcpus, 2 * vcpus));
            set_times(*frontend.mutable_work(), std::min(character.burst_us, 3000.0),
                      character.shape);
            set_times(*frontend.mutable_backend_work(), log_uniform(random, 10, 100));
            if (chance(random, 0.7))
                set_times(*frontend.mutable_device(), log_uniform(random, 50, 1000));
        },
};

} // namespace sim
