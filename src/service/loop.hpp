// SPDX-License-Identifier: MIT
// sd-event with functions for callbacks and errors as values. A Source ends when its object is
// destroyed, even from within its own callback.
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

    /// Calls `handle` with those of `events` (EPOLLIN, ...) that the descriptor is ready for.
    /// Sources that are `patient` come after all else that is ready.
    [[nodiscard]] Result<Source> on_ready(int fd, std::uint32_t events,
                                          std::function<void(std::uint32_t)> handle,
                                          bool patient = false);
    /// Calls `handle` once every period. It does not drift, however long `handle` takes; times that
    /// were missed are skipped.
    [[nodiscard]] Result<Source> every(Microseconds period, std::function<void()> handle);
    /// Calls `handle` once, after `time`.
    [[nodiscard]] Result<Source> after(Microseconds time, std::function<void()> handle);
    /// Calls `handle` when the signal comes, which has to be blocked in all threads.
    [[nodiscard]] Result<Source> on_signal(int signal, std::function<void()> handle);
    /// Feeds systemd's watchdog from now on, if the unit has one, or does so no longer. When it is
    /// not fed, systemd kills the service and starts it again. Returns whether there is a watchdog.
    [[nodiscard]] Result<bool> feed_watchdog(bool feed = true);

    /// Waits at most `most` for something to be ready, calls `begins`, and handles one source.
    /// Returns how long that took.
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
