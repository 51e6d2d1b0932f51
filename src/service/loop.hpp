// SPDX-License-Identifier: MIT
// sd-event with functions for callbacks and errors as values. A source ends with its object, also
// from within its own function.
#pragma once

#include "src/base/result.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <systemd/sd-event.h>

namespace intellisched::service {

class Loop {
  public:
    using Microseconds = std::chrono::microseconds;

    class Source {
      public:
        Source() = default;

      private:
        friend class Loop;
        struct State;
        struct End {
            void operator()(State* state) const;
        };
        std::unique_ptr<State, End> state_;
    };

    /// Errors: those of the system.
    [[nodiscard]] static Result<Loop> make();

    /// Calls `handle` with what of `events` (EPOLLIN, ...) the descriptor is ready for. Of what is
    /// ready at once, sources that are `patient` come last.
    [[nodiscard]] Result<Source> on_ready(int fd, std::uint32_t events,
                                          std::function<void(std::uint32_t)> handle,
                                          bool patient = false);
    /// Calls `handle` once every period; the times are multiples of it from now on, whatever
    /// `handle` takes, and those that were missed are left out.
    [[nodiscard]] Result<Source> every(Microseconds period, std::function<void()> handle);
    /// Once.
    [[nodiscard]] Result<Source> after(Microseconds time, std::function<void()> handle);
    /// The signal has to be blocked in all threads.
    [[nodiscard]] Result<Source> on_signal(int signal, std::function<void()> handle);
    /// Tells systemd that the loop goes round, if it wants to know, or does so no longer; systemd
    /// then kills the service, and starts it anew. True: it wants to know.
    [[nodiscard]] Result<bool> feed_watchdog(bool feed = true);

    /// Waits for something to be ready, `most` at most, calls `begins`, and handles one of it; how
    /// long that took.
    [[nodiscard]] Result<Microseconds> turn(Microseconds most,
                                            const std::function<void()>& begins = {});

  private:
    struct Unref {
        void operator()(sd_event* event) const { sd_event_unref(event); }
    };
    explicit Loop(sd_event* event) : event_(event) {}
    [[nodiscard]] Result<Source> timer(Microseconds first, Microseconds period,
                                       std::function<void()> handle);
    std::unique_ptr<sd_event, Unref> event_;
};

} // namespace intellisched::service
