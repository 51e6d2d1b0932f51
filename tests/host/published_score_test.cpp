// SPDX-License-Identifier: MIT
// A published score's bytes, which may be anything.
#include "src/host/published_score.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <random>
#include <string>

using namespace intellisched;
using namespace std::string_literals;

TEST_CASE("published score: a decimal number, and nothing else") {
    CHECK(parse_score("1250") == 1250);
    CHECK(parse_score("0.25\n") == 0.25);
    CHECK(parse_score(" \t1e3\r\n\0"s) == 1000);
    CHECK(parse_score("1e-9") == 1e-9);
    CHECK(parse_score("1e12") == 1e12);
    CHECK(parse_score("0.000000000000000000000000000001"s) == std::nullopt); // 32 bytes, too small
    CHECK(parse_score("1234567.0000000000000000000000"s).has_value());
    CHECK_FALSE(parse_score("1234567.00000000000000000000000000"s));

    for (const char* text : {"",         " ",       "1e999", "1e-999",   "nan",
                             "NAN",      "-nan",    "inf",   "infinity", "-5",
                             "+5",       "0",       "-0",    "0x10",     "0x1p3",
                             "1e13",     "9e-10",   "1,5",   "1 2",      "5 req/s",
                             "1e",       ".",       "e5",    "--1",      "\x7f\x45\x4c\x46\x02\x01",
                             "\xff\xfe", "\xd9\xa1"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_score(text));
    }
    CHECK_FALSE(parse_score("\0"s));
    CHECK_FALSE(parse_score("1\0002"s));
    CHECK_FALSE(parse_score(std::string(33, '1')));
    CHECK_FALSE(parse_score(std::string(4000, '9')));
    CHECK_FALSE(parse_score(std::string(4000, ' ') + "1"));
}

TEST_CASE("published score: no bytes give a number that cannot be") {
    std::mt19937 random(1);
    const std::string bytes = "0123456789.eE+-xXnaif \n\t\0\xff"s;
    unsigned good = 0;
    for (int i = 0; i < 100'000; ++i) {
        std::string text(random() % 12, ' ');
        for (char& c : text) c = bytes[random() % (random() % 2 ? 10 : bytes.size())];
        const auto score = parse_score(text);
        if (!score) continue;
        ++good;
        REQUIRE(possible_score(*score));
        REQUIRE(std::isfinite(std::log(*score)));
    }
    CHECK(good > 1000);
}
