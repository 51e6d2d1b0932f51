// SPDX-License-Identifier: GPL-2.0-only
// Threads that compute, ask the back-end in another guest, and wait for its answers when `depth` of
// their requests are on their way. A request's response time is from asking to the thread's taking
// the answer, which it does when it has computed or is woken. With coalescing, the event that wakes
// it comes so long after the first answer that there has been no event for.
#include "bench/simulator/loads/backend.hpp"
#include "bench/simulator/loads/kind.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace sim {

void Backend::start(GuestOs& os) { queue_.start(queues_, *this, os); }

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

constexpr unsigned most_depth = 256; ///< of a ring of one page
constexpr double most_queues = 64;

class Frontend final : public Load {
  public:
    Frontend(const proto::FrontendLoad& load, Backend& backend, const LoadKey& key)
        : load_(load), backend_(backend),
          coalesce_(static_cast<Nanoseconds>(load.coalesce_us() * 1e3)) {
        for (unsigned i = 0; i < load.threads(); ++i) {
            users_.push_back({.random = key.stream(i)});
            users_.back().asked.resize(load.depth());
        }
    }

    void start(GuestOs& os) override {
        for (unsigned i = 0; i < users_.size(); ++i) users_[i].thread = &os.add_thread(*this, i);
    }

    Activity resume(Thread& thread, GuestOs& os) override {
        User& user = users_[thread.number];
        if (std::exchange(user.computes, false)) ask(thread.number, os);
        for (const unsigned answer : std::exchange(user.answers, {})) {
            os.results.done(os.now() - user.asked[answer]);
            user.asked[answer] = 0;
        }
        if (std::find(user.asked.begin(), user.asked.end(), 0) == user.asked.end())
            return Activity::wait();
        user.computes = true;
        return Activity::compute(user.random.draw(load_.work()));
    }

    void outside(std::uint32_t token, GuestOs& os) override {
        if (token == event) {
            event_due_ = false;
            for (const User& user : users_)
                if (!user.answers.empty()) os.wake(*user.thread);
            return;
        }
        User& user = users_[token / most_depth];
        user.answers.push_back(token % most_depth);
        if (coalesce_ == 0)
            os.wake(*user.thread);
        else if (!std::exchange(event_due_, true))
            os.call_outside(*this, os.now() + coalesce_, event);
    }

    void unfinished(Nanoseconds now, Durations& ages) const override {
        for (const User& user : users_)
            for (const Nanoseconds asked : user.asked)
                if (asked > 0) ages.add(now - asked);
    }

  private:
    static constexpr std::uint32_t event = UINT32_MAX; ///< and no answer
    struct User {
        Random random;
        Thread* thread = nullptr;
        bool computes = false;
        std::vector<Nanoseconds> asked = {}; ///< its requests; 0: none
        std::vector<unsigned> answers = {};  ///< to those, not taken yet
    };

    void ask(unsigned number, GuestOs& os) {
        User& user = users_[number];
        const auto free = std::find(user.asked.begin(), user.asked.end(), 0);
        *free = os.now();
        const auto request = static_cast<std::uint32_t>(free - user.asked.begin());
        backend_.submit(
            {.frontend = &os,
             .token = GuestOs::address(*this, number * most_depth + request),
             .work = user.random.draw(load_.backend_work()),
             .device = load_.device().mean_us() > 0 ? user.random.draw(load_.device()) : 0});
    }

    proto::FrontendLoad load_;
    Backend& backend_;
    Nanoseconds coalesce_;
    bool event_due_ = false;
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
            check.range(written.field + ".depth", load.depth(), 0, most_depth);
            check.range(written.field + ".queues", load.queues(), 0, most_queues);
            check.range(written.field + ".coalesce_us", load.coalesce_us(), 0, 1e6);
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
            SET_DEFAULT(frontend, depth, 1);
            SET_DEFAULT(frontend, queues, 1);
            if (frontend.backend().empty()) frontend.set_backend(std::string(domain0));
        },
    .pace =
        [](const proto::Load& load, double vcpus) {
            const auto& frontend = load.frontend();
            return cycles(1.0 * frontend.threads() * frontend.depth(), frontend.work().mean_us(),
                          frontend.backend_work().mean_us() + frontend.device().mean_us(), vcpus, 6,
                          1e6 * frontend.queues() / frontend.backend_work().mean_us());
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
            frontend.set_depth(static_cast<unsigned>(std::round(log_uniform(random, 1, 64))));
            if (chance(random, 0.3)) frontend.set_queues(number(random, 2, 4));
            if (chance(random, 0.5)) frontend.set_coalesce_us(log_uniform(random, 10, 100));
        },
};

} // namespace sim
