// SPDX-License-Identifier: MIT
#include "src/base/counted.hpp"

#include <doctest/doctest.h>

using namespace intellisched;

TEST_CASE("counted: one is no plural, and some take more than an s") {
    CHECK(counted(1, "window") == "1 window");
    CHECK(counted(0U, "window") == "0 windows");
    CHECK(counted(12'345ULL, "record") == "12345 records");
    CHECK(counted(1, "switch", "switches") == "1 switch");
    CHECK(counted(2, "switch", "switches") == "2 switches");
}
