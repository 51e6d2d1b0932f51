// SPDX-License-Identifier: MIT
// When the live trace is on, on a host whose trace has so many bytes a second.
#include "src/host/duty_cycle.hpp"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>

using namespace intellisched;
using namespace std::chrono_literals;

namespace {

using Clock = DutyCycle::Clock;

/// A host's trace, looked at as often as the duty cycle asks for it and every 100 ms.
struct Trace {
    Clock::time_point now{};
    DutyCycle duty;
    bool on = true;
    unsigned turns = 0;

    /// Milliseconds in which it is on and bytes that are read, of one second of `density` bytes.
    std::pair<long, double> second(double density) {
        const auto end = now + 1s;
        std::chrono::duration<double> traced{0};
        double bytes = 0;
        while (now < end) {
            const auto next = std::max<Clock::time_point>(
                now + 1ms, std::min<Clock::time_point>({end, duty.due(), now + 100ms}));
            if (on) traced += next - now;
            if (on) bytes += density * std::chrono::duration<double>(next - now).count();
            if (on)
                duty.read(static_cast<std::size_t>(
                    density * std::chrono::duration<double>(next - now).count()));
            now = next;
            const auto turn = duty.turn(now);
            turns += turn != DutyCycle::Turn::none;
            if (turn != DutyCycle::Turn::none) on = turn == DutyCycle::Turn::on;
        }
        return {std::lround(traced.count() * 1000), bytes};
    }
};

Trace trace(unsigned duty_ms, double most) { return {.duty = DutyCycle({}, duty_ms, most)}; }

} // namespace

TEST_CASE("duty cycle: always on, whatever the trace has") {
    auto all = trace(1000, 0);
    for (int i = 0; i < 5; ++i) CHECK(all.second(1e9).first == 1000);
    CHECK(all.turns == 0);
    CHECK(all.duty.too_many() == 0);
}

TEST_CASE("duty cycle: so many milliseconds of every second") {
    auto some = trace(200, 0);
    for (int i = 0; i < 10; ++i) CHECK(some.second(1e9).first == 200);
    CHECK(some.turns == 20);
    // Nobody looked for some seconds, and comes back in the middle of one.
    some.now += 3s + 500ms;
    CHECK(some.duty.turn(some.now) == DutyCycle::Turn::off);
    some.now += 500ms;
    CHECK(some.duty.turn(some.now) == DutyCycle::Turn::on);
}

TEST_CASE("duty cycle: a trace that is too dense is on for less, and for more when it is not") {
    auto dense = trace(1000, 10e6);
    CHECK(dense.second(8e6).first == 1000);
    CHECK(dense.duty.too_many() == 0);
    dense.second(40e6); // the first second that is
    CHECK(dense.duty.too_many() == doctest::Approx(40e6).epsilon(0.01));
    CHECK(dense.duty.duty_ms() == doctest::Approx(250).epsilon(0.01));
    const unsigned turns = dense.turns;
    for (int i = 0; i < 20; ++i) {
        const auto [ms, bytes] = dense.second(40e6);
        CHECK(bytes <= 10.1e6);
        CHECK(ms == doctest::Approx(250).epsilon(0.01));
    }
    CHECK(dense.turns - turns <= 41);
    // A load that comes and goes within the bound does not have it turned up and down.
    for (int i = 0; i < 20; ++i) dense.second(i % 2 == 0 ? 22e6 : 40e6);
    CHECK(dense.duty.duty_ms() == doctest::Approx(250).epsilon(0.01));
    for (int i = 0; i < 4; ++i) dense.second(1e6);
    CHECK(dense.second(1e6).first == 1000);
}

TEST_CASE("duty cycle: neither below 10 ms nor above what is set") {
    auto dense = trace(300, 1e3);
    for (int i = 0; i < 5; ++i) dense.second(1e9);
    CHECK(dense.duty.duty_ms() == 10);
    for (int i = 0; i < 20; ++i) dense.second(0);
    CHECK(dense.duty.duty_ms() == 300);
    auto less = trace(5, 1e3);
    for (int i = 0; i < 5; ++i) less.second(1e9);
    CHECK(less.duty.duty_ms() == 5);
}
