// SPDX-License-Identifier: GPL-2.0-only
// The back-end of one guest's devices: a thread in another guest (Domain-0), as a block back-end of
// Linux has one a device. It serves the requests of that guest's front-ends in turn.
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
    explicit Backend(GuestOs& host) : host_(host) {}

    /// From the front-end's next(): its vCPU pays for the notification.
    void submit(const Request& request) { queue_.submit(request, host_); }

    void start(GuestOs& os) override;
    Activity resume(Thread& worker, GuestOs& os) override;

  private:
    GuestOs& host_;
    WorkQueue<Request> queue_;
};

} // namespace sim
