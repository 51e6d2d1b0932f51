// SPDX-License-Identifier: MIT
// The figures of days, against some worked out by hand.
#include "bench/days/day_figures.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace intellisched;
using bench::PhaseFigures;
using doctest::Approx;

namespace {

using ByOption = PhaseFigures::ByOption;
constexpr std::array layouts{Knob::layout}, limits{Knob::rate_limit};
constexpr std::array both{Knob::layout, Knob::rate_limit};

/// Where only layouts are turned.
constexpr PhaseFigures phase_of(double seconds, const ByOption& utility, double service,
                                const ByOption& spent) {
    PhaseFigures phase{seconds, utility, {}, service, {}};
    phase.by_limit.fill(utility[index(boot_option)]);
    for (std::size_t layout = 0; layout < option_count; ++layout)
        phase.spent[layout][index(boot_option)] = spent[layout];
    return phase;
}

//                                             cpu    core socket node  all
constexpr auto morning = phase_of(100, {0.10, 0.05, 0.00, 0.00, -0.30}, 0.08, {60, 0, 40, 0, 0});
constexpr auto evening =
    phase_of(300, {-1.03, -1.00, -1.00, -1.00, -0.98}, -1.01, {270, 0, 30, 0, 0});

} // namespace

TEST_CASE("a day's figures weigh its phases by their time") {
    const auto figures = bench::day_figures(std::array{morning, evening}, layouts);
    // Means: cpu -0.7475, core -0.7375, socket and node -0.75, all -0.81; the service -0.7375; the
    // best of each phase (0.10 * 100 - 0.98 * 300) / 400 = -0.71.
    CHECK(figures.best_static() == "core");
    CHECK(figures.against_socket() == Approx(0.0125));
    CHECK(figures.against_static() == Approx(0).epsilon(1e-9));
    CHECK(figures.against_oracle() == Approx(-0.0275));
    CHECK(figures.oracle_against_socket() == Approx(0.04));
}

TEST_CASE("time is worse in a layout that loses more than 2% of socket's score there") {
    // cpu gains in the morning and loses exp(-0.03) in the evening.
    CHECK(bench::day_figures(std::array{morning, evening}, layouts).time_worse() ==
          Approx(270.0 / 400));
    CHECK(bench::day_figures(std::array{morning}, layouts).time_worse() == 0);

    const auto edge =
        phase_of(10, {std::log(0.9801), std::log(0.9799), 0, 0, 0}, 0, {4, 3, 3, 0, 0});
    CHECK(bench::day_figures(std::array{edge}, layouts).time_worse() == Approx(0.3));
}

TEST_CASE("of both knobs, what was not measured together is the sum of what each does") {
    PhaseFigures phase = morning;
    phase.by_limit = {-0.20, 0, 0, 0.02, 0.07}; // 0, 300, 1000, 3000, 10000 us
    phase.spent[0] = {10, 0, 0, 0, 50};         // under cpu
    CHECK(phase.over_boot(Option{0}, Option{4}) == Approx(0.17));
    CHECK(bench::day_figures(std::array{phase}, limits).best_static() == "10000us");
    CHECK(bench::day_figures(std::array{phase}, limits).oracle_against_socket() == Approx(0.07));
    CHECK(bench::day_figures(std::array{phase}, both).best_static() == "cpu");
    // cpu with a limit of 0 is 10% worse than the boot's.
    CHECK(bench::day_figures(std::array{phase}, both).time_worse() == Approx(0.1));
}

TEST_CASE("staying with socket is against itself nothing") {
    const auto phase = phase_of(600, {0.2, 0.1, 0.3, 0.3, 0.25}, 0.3, {0, 0, 600, 0, 0});
    const auto figures = bench::day_figures(std::array{phase}, layouts);
    CHECK(figures.best_static() == "socket");
    CHECK(figures.against_socket() == 0);
    CHECK(figures.against_static() == 0);
    CHECK(figures.against_oracle() == 0);
    CHECK(figures.oracle_against_socket() == 0);
}

TEST_CASE("mean, median and worst of days: of gains the lowest, of times the highest") {
    proto::DaysReport report;
    for (const double value : {0.04, -0.01, 0.03, 0.0}) {
        proto::DayFigures& day = *report.add_days();
        day.set_seed(7);
        day.set_against_socket(value);
        day.set_time_worse(value + 0.01);
        day.set_switches_an_hour(100 * value + 1);
    }
    bench::sum_up(report);
    CHECK(report.mean().against_socket() == Approx(0.015));
    CHECK(report.median().against_socket() == Approx(0.015));
    CHECK(report.worst().against_socket() == -0.01);
    CHECK(report.worst().time_worse() == Approx(0.05));
    CHECK(report.worst().switches_an_hour() == Approx(5));
    CHECK(report.mean().seed() == 0);

    report.mutable_days()->RemoveLast();
    bench::sum_up(report);
    CHECK(report.median().against_socket() == 0.03);
}
