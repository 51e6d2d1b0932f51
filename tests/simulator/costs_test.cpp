// SPDX-License-Identifier: GPL-2.0-only
// What `intellisched calibrate` knows of the simulator's constants is what they are.
#include "bench/simulator/costs.hpp"
#include "src/calibrate/findings.hpp"

#include <algorithm>
#include <doctest/doctest.h>

TEST_CASE("costs: calibrate has the simulator's units, defaults and ranges") {
    REQUIRE_FALSE(intellisched::calibrate::constants().empty());
    for (const auto& known : intellisched::calibrate::constants()) {
        CAPTURE(std::string(known.name));
        const auto all = sim::cost_constants();
        const auto it = std::ranges::find(all, known.name, &sim::CostConstant::name);
        REQUIRE(it != all.end());
        CHECK(known.unit == it->unit);
        CHECK(known.standard == it->standard);
        CHECK(known.min == it->min);
        CHECK(known.max == it->max);
    }
}
