// SPDX-License-Identifier: MIT
// The scores of repeats, against figures worked out by hand.
#include "bench/experiment/scores.hpp"
#include "tests/support/files.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::bench;
using namespace intellisched::test;
using doctest::Approx;

namespace {

GuestResult working(double work) {
    GuestResult guest;
    guest.work = work;
    return guest;
}

/// One result a layout: guest "a" has done that much.
Repeats once(const std::array<double, layout_count>& work) {
    Repeats repeats;
    for (std::size_t l = 0; l < layout_count; ++l) repeats[l] = {{{"a", working(work[l])}}};
    return repeats;
}

} // namespace

TEST_CASE("scores: relative to the best layout, in percents of it") {
    const auto one = scores(Intent::throughput, once({100, 99, 90, 110, 55}));
    REQUIRE(one);
    CHECK(one->intent() == "throughput");
    CHECK(one->score(3) == 1);
    CHECK(one->score(0) == Approx(100.0 / 110));
    CHECK(one->score(4) == Approx(0.5));
    for (const double spread : one->spread()) CHECK(std::isnan(spread)); // of one repeat
}

TEST_CASE("scores: the spread is of the differences repeat by repeat") {
    // Repeats differ by 10% among themselves; the layouts by 1% and 3% in every one of them.
    Repeats steady;
    for (std::size_t l = 0; l < layout_count; ++l)
        for (const double load : {100.0, 110.0})
            steady[l].push_back({{"a", working(load * (l == 2 ? 1 : l == 0 ? 0.97 : 0.99))}});
    const auto same = scores(Intent::throughput, steady);
    REQUIRE(same);
    CHECK(same->score(2) == 1);
    CHECK(same->score(0) == Approx(0.97));
    for (const double spread : same->spread()) CHECK(spread == Approx(0).epsilon(1e-9));

    // Only layout cpu varies: differences to the best of 0.2 and 0.4, variance 0.02, own and in
    // the mean of the four that are not the best 0.02 / 4.
    Repeats noisy;
    for (std::size_t l = 0; l < layout_count; ++l)
        for (const double behind : {0.2, 0.4})
            noisy[l].push_back({{"a", working(std::exp(l == 2 ? 0 : l == 0 ? -behind : -0.1))}});
    const auto varied = scores(Intent::throughput, noisy);
    REQUIRE(varied);
    CHECK(varied->score(0) == Approx(std::exp(-0.3)));
    CHECK(varied->spread(0) == Approx(std::sqrt((0.02 + 0.005) / 2 / 2)));
    CHECK(varied->spread(1) == Approx(std::sqrt(0.005 / 2 / 2)));
    CHECK(varied->spread(2) == 0);
    REQUIRE(varied->repeat_size() == 2 * layout_count);
    CHECK(varied->repeat(0) == Approx(-0.2)); // cpu in the first repeat
    CHECK(varied->repeat(2) == Approx(0));
    CHECK(varied->repeat(5) == Approx(-0.4)); // and in the second one
}

TEST_CASE("scores: layouts that were not measured equally often are refused") {
    auto repeats = once({1, 1, 1, 1, 1});
    repeats[3].push_back(repeats[3][0]);
    CHECK(error_of(scores(Intent::balanced, repeats)).starts_with("not every layout"));
    CHECK(error_of(scores(Intent::balanced, Repeats{})) == "no layout was measured");
    // One that was not measured at all has no score, and is no part of the others'.
    repeats[3].clear();
    const auto four = scores(Intent::balanced, repeats);
    REQUIRE(four);
    CHECK(std::isnan(four->score(3)));
    CHECK(std::isnan(four->spread(3)));
    CHECK(four->score(4) == 1);
}
