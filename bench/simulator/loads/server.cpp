// SPDX-License-Identifier: GPL-2.0-only
// Servers with one worker thread a vCPU, asked from outside: in an open loop by requests that come
// whatever happens, in a closed loop by clients that wait for their answer.
#include "bench/simulator/loads/loads.hpp"
#include "bench/simulator/loads/work_queue.hpp"

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

std::unique_ptr<Load> make_open_server(const proto::OpenServerLoad& load, const LoadKey& key) {
    return std::make_unique<OpenServer>(load, key);
}

std::unique_ptr<Load> make_closed_server(const proto::ClosedServerLoad& load, const LoadKey& key) {
    return std::make_unique<ClosedServer>(load, key);
}

} // namespace sim
