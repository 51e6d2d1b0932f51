// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/cache.hpp"

#include <doctest/doctest.h>

using sim::Cache;

namespace {

/// Its owner comes, fetches so much and leaves.
void turn(Cache& cache, Cache::Part& part, double kb) {
    cache.enter(part);
    cache.fetch(part, kb);
    cache.leave(part);
}

} // namespace

TEST_CASE("cache: who left first loses first, and who runs loses nothing") {
    Cache cache(100);
    Cache::Part a, b, c;
    turn(cache, a, 40);
    turn(cache, b, 40);
    CHECK(a.kb() == 40); // there is room for both
    cache.enter(c);
    cache.fetch(c, 30);
    CHECK(a.kb() == 30);
    CHECK(b.kb() == 40);
    cache.fetch(c, 70);
    CHECK(a.kb() == 0);
    CHECK(b.kb() == 0);
    CHECK(c.kb() == 100);
    cache.enter(a);
    cache.fetch(a, 50); // both run
    CHECK(a.kb() == 50);
    CHECK(c.kb() == 100);
    cache.leave(c);
    cache.fetch(a, 10);
    CHECK(c.kb() == 40);
    for (Cache::Part* part : {&a, &b, &c}) Cache::drop(*part);
}

TEST_CASE("cache: coming back makes a part the last to go, another cache forgets it") {
    Cache one(100), other(100);
    Cache::Part a, b, c;
    turn(one, a, 40);
    turn(one, b, 40);
    turn(one, a, 0);
    turn(one, c, 40);
    CHECK(a.kb() == 40);
    CHECK(b.kb() == 20);
    other.enter(a);
    CHECK(a.kb() == 0);
    other.leave(a);
    turn(one, b, 40); // there is room where a was
    CHECK(b.kb() == 60);
    CHECK(c.kb() == 40);
    Cache::drop(c);
    Cache::drop(c);
    turn(one, b, 40);
    CHECK(b.kb() == 100);
    Cache::drop(a);
    Cache::drop(b);
}
