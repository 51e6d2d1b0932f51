// SPDX-License-Identifier: GPL-2.0-only
// Requests that wait for a worker thread, and worker threads that wait for a request.
#pragma once

#include "bench/simulator/loads/guest_os.hpp"

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

namespace sim {

/// First come, first served, by the worker that has waited for the shortest time (its caches are
/// the warmest). A Request has `work`, its service demand.
template<class Request> class WorkQueue {
  public:
    /// As many requests wait; like a full accept queue it refuses more. An overloaded server would
    /// else take all memory.
    static constexpr std::size_t capacity = std::size_t{1} << 20;

    void start(unsigned workers, Load& load, GuestOs& os) {
        at_work_.resize(workers);
        for (unsigned i = 0; i < workers; ++i) os.add_thread(load, i);
    }

    void submit(const Request& request, GuestOs& os) {
        if (pending_.size() == capacity) return;
        pending_.push_back(request);
        if (idle_.empty()) return;
        Thread* worker = idle_.back();
        idle_.pop_back();
        os.wake(*worker);
    }

    /// The request that the worker has just finished, if it was at one.
    [[nodiscard]] std::optional<Request> finished(const Thread& worker) {
        return std::exchange(at_work_[worker.number], std::nullopt);
    }

    void unfinished(Nanoseconds now, Durations& ages) const {
        for (const Request& request : pending_) ages.add(now - request.came);
        for (const auto& request : at_work_)
            if (request) ages.add(now - request->came);
    }

    /// Gives the worker the next request.
    [[nodiscard]] Activity next(Thread& worker) {
        if (pending_.empty()) {
            idle_.push_back(&worker);
            return Activity::wait();
        }
        at_work_[worker.number] = pending_.front();
        pending_.pop_front();
        return Activity::compute(at_work_[worker.number]->work);
    }

  private:
    std::deque<Request> pending_;
    std::vector<Thread*> idle_;
    std::vector<std::optional<Request>> at_work_; ///< by worker
};

} // namespace sim
