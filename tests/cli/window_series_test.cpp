// SPDX-License-Identifier: MIT
// A report's figures of many windows.
#include "src/cli/window_series.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::cli;
using namespace intellisched::service;

namespace {

constexpr UnixTime begin = 1'700'000'000'000'000'000;

Window window_at(double seconds, double utility = 0) {
    return {.begin = begin + static_cast<UnixTime>(seconds * 1e9),
            .length = second,
            .in_force = {Layout::core, no_cap},
            .coverage = 1,
            .utility = utility};
}

std::uint64_t count_of(const WindowSeries& series, Stretch::What what) {
    std::uint64_t count = 0;
    for (const Stretch& one : series.stretches()) count += one.of[what].count;
    return count;
}

} // namespace

TEST_CASE("series: few windows are a stretch each, the newest first") {
    WindowSeries series;
    for (const int at : {30, 2, 1, 0}) series.add(window_at(at, at == 30 ? std::log(0.5) : 0));
    CHECK(series.windows() == 4);
    CHECK(series.from() == doctest::Approx(1.7e9));
    CHECK(series.to() == doctest::Approx(1.7e9 + 31));
    REQUIRE(series.stretches().size() == 31);
    CHECK(series.stretches()[0].of[Stretch::score].mean() == doctest::Approx(0.5));
    CHECK(series.stretches()[1].of[Stretch::score].count == 0); // nothing is inferred
    CHECK(series.stretches()[30].in_force[index(Layout::core)] == 1);
    CHECK(series.gap() == doctest::Approx(2.5));
}

TEST_CASE("series: however many windows, few stretches have all of them") {
    WindowSeries series;
    constexpr int all = 100'000;
    for (int i = all; i-- > 0;) series.add(window_at(i, std::log(i < all / 2 ? 0.2 : 0.8)));
    CHECK(series.stretches().size() <= WindowSeries::most);
    CHECK(series.stretches().size() > WindowSeries::most / 2);
    CHECK(count_of(series, Stretch::score) == all);
    CHECK(series.stretches().front().of[Stretch::score].mean() == doctest::Approx(0.8));
    CHECK(series.stretches().back().of[Stretch::score].mean() == doctest::Approx(0.2));
    CHECK(series.stretches().front().in_force[index(Layout::core)] > 200);
}

TEST_CASE("series: what is not known is left out, whatever the journal says") {
    WindowSeries series;
    Window odd = window_at(9, NAN);
    odd.prediction = Prediction{};
    odd.prediction->expected_gain.fill(1e300);
    odd.prediction->outside_training = -INFINITY;
    series.add(odd);
    CHECK(count_of(series, Stretch::score) == 0);
    CHECK(count_of(series, Stretch::gain) == 0);
    CHECK(count_of(series, Stretch::novelty) == 0);
    CHECK(count_of(series, Stretch::rate_limit) == 0);
    CHECK(count_of(series, Stretch::probability) == 1);
    Window first = window_at(0);
    first.begin = std::numeric_limits<UnixTime>::min();
    first.length = std::numeric_limits<Nanoseconds>::max();
    series.add(first);
    CHECK(series.stretches().size() <= WindowSeries::most);
    CHECK(count_of(series, Stretch::score) == 1);
}
