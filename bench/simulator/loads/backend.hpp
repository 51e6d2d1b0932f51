// SPDX-License-Identifier: GPL-2.0-only
// The back-end of one guest's devices: threads in another guest (Domain-0), one a queue, as those
// of Linux have them. They serve the requests of that guest's front-ends in turn.
#pragma once

#include "bench/simulator/loads/guest_os.hpp"
#include "bench/simulator/loads/work_queue.hpp"

namespace sim {

class Backend final : public Load {
  public:
    struct Request {
        GuestOs* frontend;
        std::uint64_t token; ///< of GuestOs::address(): the answer goes there
        Nanoseconds work;    ///< of the back-end
        Nanoseconds device;  ///< after that, until the answer
    };

    /// `host`: the guest that it is a service of; both live as long as the simulation.
    Backend(GuestOs& host, unsigned queues) : host_(host), queues_(queues) {}

    /// From the front-end's next(): its vCPU pays for the notification.
    void submit(const Request& request) { queue_.submit(request, host_); }

    void start(GuestOs& os) override;
    Activity resume(Thread& worker, GuestOs& os) override;

  private:
    GuestOs& host_;
    unsigned queues_;
    WorkQueue<Request> queue_;
};

} // namespace sim
