// SPDX-License-Identifier: MIT
#include "src/model/option.hpp"

#include <doctest/doctest.h>

using namespace intellisched;

TEST_CASE("option: each has a name, and is found by it") {
    for (const Knob knob : all_knobs) {
        CHECK(knob_from_string(to_string(knob)) == knob);
        for (const Option option : all_options)
            CHECK(option_from_string(knob, name_of(knob, option)) == option);
    }
    CHECK(name_of(Knob::rate_limit, boot_option) == "1000us");
    CHECK(text_of(Knob::rate_limit, Option{0}) == "off");
    CHECK_FALSE(option_from_string(Knob::layout, "1000us"));
    CHECK_FALSE(knob_from_string("weight"));
}

TEST_CASE("option: a rate limit is judged as the nearest one by ratio") {
    for (const Option option : all_options) CHECK(nearest_limit(limit_of(option)) == option);
    CHECK(limit_of(nearest_limit(100)) == 300); // 0 is no limit, not a short one
    CHECK(limit_of(nearest_limit(500)) == 300);
    CHECK(limit_of(nearest_limit(600)) == 1000);
    CHECK(limit_of(nearest_limit(6000)) == 10000);
    CHECK(limit_of(nearest_limit(500'000)) == 10000);
}
