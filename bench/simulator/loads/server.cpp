// SPDX-License-Identifier: GPL-2.0-only
// Servers with one worker thread a vCPU, asked from outside: in an open loop by requests that come
// whatever happens, in a closed loop by clients that wait for their answer.
#include "bench/simulator/loads/kind.hpp"
#include "bench/simulator/loads/work_queue.hpp"

#include <algorithm>
#include <cmath>

namespace sim {

namespace {

class OpenServer final : public Load {
  public:
    OpenServer(const proto::OpenServerLoad& load, const LoadKey& key)
        : load_(load), random_(key.stream(0)) {}

    void start(GuestOs& os) override {
        queue_.start(os.vcpus(), *this, os);
        expect_next(os);
    }

    Activity resume(Thread& worker, GuestOs& os) override {
        if (const auto request = queue_.finished(worker)) os.results.done(os.now() - request->came);
        return queue_.next(worker);
    }

    void outside(std::uint32_t, GuestOs& os) override {
        for (std::uint64_t left = random_.geometric(load_.burst()); left > 0; --left)
            queue_.submit({.came = os.now(), .work = random_.draw(load_.service())}, os);
        expect_next(os);
    }

    void unfinished(Nanoseconds now, Durations& ages) const override {
        queue_.unfinished(now, ages);
    }

  private:
    struct Request {
        Nanoseconds came;
        Nanoseconds work;
    };

    /// Bursts are a Poisson process, so that requests_per_s come on average.
    void expect_next(GuestOs& os) {
        const double mean_ns = 1e9 * load_.burst() / load_.requests_per_s();
        os.call_outside(
            *this, os.now() + static_cast<Nanoseconds>(std::llround(random_.exponential(mean_ns))),
            0);
    }

    proto::OpenServerLoad load_;
    Random random_; ///< one stream: only what comes from outside draws
    WorkQueue<Request> queue_;
};

class ClosedServer final : public Load {
  public:
    ClosedServer(const proto::ClosedServerLoad& load, const LoadKey& key) : load_(load) {
        for (unsigned i = 0; i < load.clients(); ++i) clients_.push_back(key.stream(i));
    }

    void start(GuestOs& os) override {
        queue_.start(os.vcpus(), *this, os);
        for (unsigned i = 0; i < load_.clients(); ++i) think(i, os);
    }

    Activity resume(Thread& worker, GuestOs& os) override {
        if (const auto request = queue_.finished(worker)) {
            os.results.done(os.now() - request->came);
            think(request->client, os);
        }
        return queue_.next(worker);
    }

    void outside(std::uint32_t client, GuestOs& os) override {
        queue_.submit(
            {.client = client, .came = os.now(), .work = clients_[client].draw(load_.service())},
            os);
    }

    void unfinished(Nanoseconds now, Durations& ages) const override {
        queue_.unfinished(now, ages);
    }

  private:
    struct Request {
        unsigned client;
        Nanoseconds came;
        Nanoseconds work;
    };

    void think(unsigned client, GuestOs& os) {
        os.call_outside(*this, os.now() + clients_[client].draw(load_.think()), client);
    }

    proto::ClosedServerLoad load_;
    std::vector<Random> clients_;
    WorkQueue<Request> queue_;
};

} // namespace

const Kind kinds::open_server{
    .id = proto::Load::kOpenServer,
    .families = {"open-server"},
    .check =
        [](Checker& check, const WrittenLoad& written) {
            const auto& server = written.load.open_server();
            const std::string& field = written.field;
            check.that(server.requests_per_s() > 0 && server.requests_per_s() <= 1e8,
                       "{}.requests_per_s is {}; choose one above 0, up to 1e8", field,
                       server.requests_per_s());
            check.times(field + ".service", server.service());
            check.that(server.burst() == 0 || (server.burst() >= 1 && server.burst() <= 1e5),
                       "{}.burst is {}; choose a mean from 1 to 1e5", field, server.burst());
        },
    .complete = [](proto::Load& load,
                   unsigned) { SET_DEFAULT(*load.mutable_open_server(), burst, 1); },
    .pace =
        [](const proto::Load& load, double vcpus) {
            const double rate = load.open_server().requests_per_s();
            const double busy = rate * load.open_server().service().mean_us() / 1e6;
            return Pace{.steps = 2 * rate, .events = rate, .cpus = std::min(busy, vcpus)};
        },
    .make = [](const proto::Load& load, const GuestOs&, const LoadKey& key)
        -> std::unique_ptr<Load> { return std::make_unique<OpenServer>(load.open_server(), key); },
    .draw =
        [](proto::Load& load, const Character& character, unsigned vcpus, double share,
           Random& random) {
            auto& server = *load.mutable_open_server();
            const double busy = std::min(character.load * share, 0.9 * vcpus); // CPUs
            server.set_requests_per_s(three_digits(busy * 1e6 / character.burst_us));
            set_times(*server.mutable_service(), character.burst_us, character.shape);
            if (chance(random, 0.3)) server.set_burst(number(random, 2, 8));
        },
};

const Kind kinds::closed_server{
    .id = proto::Load::kClosedServer,
    .families = {"closed-server"},
    .check =
        [](Checker& check, const WrittenLoad& written) {
            const auto& server = written.load.closed_server();
            check.range(written.field + ".clients", server.clients(), 1, 1e5);
            check.times(written.field + ".think", server.think());
            check.times(written.field + ".service", server.service());
        },
    .pace =
        [](const proto::Load& load, double vcpus) {
            const auto& server = load.closed_server();
            return cycles(server.clients(), server.service().mean_us(), server.think().mean_us(),
                          vcpus, 4);
        },
    .make = [](const proto::Load& load, const GuestOs&,
               const LoadKey& key) -> std::unique_ptr<Load> {
        return std::make_unique<ClosedServer>(load.closed_server(), key);
    },
    .draw =
        [](proto::Load& load, const Character& character, unsigned vcpus, double, Random& random) {
            auto& server = *load.mutable_closed_server();
            const double clients = std::round(vcpus * log_uniform(random, 0.5, 4));
            server.set_clients(std::max(1U, static_cast<unsigned>(clients)));
            set_times(*server.mutable_think(), character.burst_us * character.wait);
            set_times(*server.mutable_service(), character.burst_us, character.shape);
        },
};

} // namespace sim
