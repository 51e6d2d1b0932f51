// SPDX-License-Identifier: MIT
#include "src/service/loop.hpp"

#include <cstring>
#include <ctime>

namespace intellisched::service {

// How late a timer may be; 0 would mean a quarter of a second.
static constexpr std::uint64_t accuracy = 1000;

struct Loop::Source::State {
    sd_event_source* source = nullptr;
    std::function<void(std::uint32_t)> handle;
    std::uint64_t period = 0; ///< of a timer that repeats

    static int ready(sd_event_source* /*source*/, int /*fd*/, std::uint32_t events, void* self) {
        // It may end the source, and with it the function that is being run.
        const auto handle = static_cast<State*>(self)->handle;
        handle(events);
        return 0;
    }
    static int due(sd_event_source* source, std::uint64_t time, void* self) {
        auto* state = static_cast<State*>(self);
        const auto handle = state->handle;
        if (state->period != 0) {
            std::uint64_t now = time;
            (void)sd_event_now(sd_event_source_get_event(source), CLOCK_MONOTONIC, &now);
            const std::uint64_t missed = now > time ? (now - time) / state->period : 0;
            (void)sd_event_source_set_time(source, time + (missed + 1) * state->period);
        }
        handle(0);
        return 0;
    }
    static int signalled(sd_event_source* /*source*/, const signalfd_siginfo* /*info*/,
                         void* self) {
        const auto handle = static_cast<State*>(self)->handle;
        handle(0);
        return 0;
    }
};

void Loop::Source::End::operator()(State* state) const {
    sd_event_source_disable_unref(state->source);
    delete state;
}

namespace {
auto failed(int error) { return fail("the event loop: {}", std::strerror(-error)); }
} // namespace

Result<Loop> Loop::make() {
    sd_event* event = nullptr;
    if (const int error = sd_event_new(&event); error < 0) return failed(error);
    return Loop(event);
}

Result<Loop::Source> Loop::on_ready(int fd, std::uint32_t events,
                                    std::function<void(std::uint32_t)> handle, bool patient) {
    Source made;
    made.state_.reset(new Source::State{.handle = std::move(handle)});
    auto*& source = made.state_->source;
    int error =
        sd_event_add_io(event_.get(), &source, fd, events, Source::State::ready, made.state_.get());
    if (error >= 0 && patient)
        error = sd_event_source_set_priority(source, SD_EVENT_PRIORITY_NORMAL + 1);
    if (error < 0) return failed(error);
    return made;
}

Result<Loop::Source> Loop::timer(Microseconds first, Microseconds period,
                                 std::function<void()> handle) {
    Source made;
    made.state_.reset(
        new Source::State{.handle = [handle = std::move(handle)](std::uint32_t) { handle(); },
                          .period = static_cast<std::uint64_t>(period.count())});
    auto*& source = made.state_->source;
    std::uint64_t now = 0;
    int error = sd_event_now(event_.get(), CLOCK_MONOTONIC, &now);
    if (error >= 0)
        error = sd_event_add_time(event_.get(), &source, CLOCK_MONOTONIC,
                                  now + static_cast<std::uint64_t>(first.count()), accuracy,
                                  Source::State::due, made.state_.get());
    if (error >= 0 && period.count() != 0) error = sd_event_source_set_enabled(source, SD_EVENT_ON);
    if (error < 0) return failed(error);
    return made;
}

Result<Loop::Source> Loop::every(Microseconds period, std::function<void()> handle) {
    return timer(period, period, std::move(handle));
}

Result<Loop::Source> Loop::after(Microseconds time, std::function<void()> handle) {
    return timer(time, Microseconds(0), std::move(handle));
}

Result<Loop::Source> Loop::on_signal(int signal, std::function<void()> handle) {
    Source made;
    made.state_.reset(
        new Source::State{.handle = [handle = std::move(handle)](std::uint32_t) { handle(); }});
    const int error = sd_event_add_signal(event_.get(), &made.state_->source, signal,
                                          Source::State::signalled, made.state_.get());
    if (error < 0) return failed(error);
    return made;
}

Result<bool> Loop::feed_watchdog(bool feed) {
    const int on = sd_event_set_watchdog(event_.get(), feed ? 1 : 0);
    if (on < 0) return failed(on);
    return on > 0;
}

Result<Loop::Microseconds> Loop::turn(Microseconds most, const std::function<void()>& begins) {
    int ready = sd_event_prepare(event_.get());
    if (ready == 0) ready = sd_event_wait(event_.get(), static_cast<std::uint64_t>(most.count()));
    if (ready < 0) return failed(ready);
    if (ready == 0) return Microseconds(0);
    if (begins) begins();
    const auto before = std::chrono::steady_clock::now();
    if (const int error = sd_event_dispatch(event_.get()); error < 0) return failed(error);
    return std::chrono::duration_cast<Microseconds>(std::chrono::steady_clock::now() - before);
}

} // namespace intellisched::service
