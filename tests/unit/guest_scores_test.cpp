// SPDX-License-Identifier: MIT
// What becomes of what guests publish, and what it may do to the live score.
#include "src/model/score.hpp"
#include "src/service/live_score.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <initializer_list>
#include <limits>
#include <random>
#include <utility>
#include <vector>

using namespace intellisched;
using doctest::Approx;

namespace {

using Told = std::map<unsigned, double>;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
const std::initializer_list<double> absurd{
    0.0, -0.0, -5.0, 1e-10, 1e13, not_a_number, infinity, -not_a_number, -infinity, 5e-324};

/// Domain-0 and these guests of two vCPUs in pool 3.
proto::HostSnapshot host(const std::vector<unsigned>& guests) {
    proto::HostSnapshot snapshot;
    std::vector<unsigned> ids = guests;
    ids.push_back(0);
    for (const unsigned id : ids) {
        proto::Domain& domain = *snapshot.add_domains();
        domain.set_id(id);
        domain.set_pool_id(3);
        domain.set_weight(256);
        for (int v = 0; v < 2; ++v) domain.add_vcpus()->set_online(true);
    }
    return snapshot;
}

/// A pool whose windows are of a second.
struct Watched {
    GuestScores scores;
    proto::HostSnapshot snapshot = host({1, 2, 3});
    Nanoseconds now = 1000 * second;

    Published saw(const Told& told) {
        now += second;
        return scores.saw(told, snapshot, 3, now);
    }
    /// Whether the guest was ignored by then.
    bool flip(unsigned id, unsigned times) {
        bool ignored = false;
        for (unsigned i = 0; i < times; ++i)
            ignored = !saw(i % 2 ? Told{} : Told{{id, 1}}).ignored.empty() || ignored;
        return ignored;
    }
};

} // namespace

TEST_CASE("guest scores: what counts is relative to the first, within bounds") {
    Watched pool;
    CHECK(pool.saw({}).work.empty());
    CHECK(pool.saw({}).hash == 0);
    const Published first = pool.saw({{1, 200}, {2, 1e-9}});
    CHECK(first.work == Told{{1, 1}, {2, 1}});
    CHECK(first.hash != 0);
    CHECK(pool.saw({{1, 300}, {2, 1e-9}}).work.at(1) == Approx(1.5));
    CHECK(pool.saw({{1, 300}, {2, 1e-9}}).hash == first.hash);
    const Published extreme = pool.saw({{1, 1e-9}, {2, 1e12}});
    CHECK(extreme.work == Told{{1, 0.25}, {2, 4}});
    CHECK(extreme.hash == first.hash);
    // One that is no longer written stays what it is.
    for (int i = 0; i < 1000; ++i) {
        const Published stale = pool.saw({{1, 200}, {2, 1e-9}});
        REQUIRE(stale.work == first.work);
        REQUIRE(stale.hash == first.hash);
        REQUIRE(stale.ignored.empty());
    }
}

TEST_CASE("guest scores: whoever is no guest of the pool is not heard, nor is what cannot be") {
    Watched pool;
    pool.snapshot.mutable_domains(2)->set_pool_id(4);
    CHECK(pool.saw({{0, 1}, {3, 1}, {7, 1}}).work.empty());
    for (const double score : absurd) {
        CAPTURE(score);
        const Published published = pool.saw({{1, score}});
        CHECK(published.work.empty());
        CHECK(published.hash == 0);
    }
    CHECK(pool.saw({{1, 5}}).work == Told{{1, 1}});
}

TEST_CASE("guest scores: the hash is of who publishes, and of the references") {
    Watched pool;
    const auto one = pool.saw({{1, 5}}).hash;
    const auto two = pool.saw({{1, 5}, {2, 5}}).hash;
    CHECK(one != two);
    CHECK(pool.saw({{2, 5}}).hash != one);
    pool.snapshot = host({2});
    const auto alone = pool.saw({{1, 5}, {2, 5}}).hash;
    CHECK(alone != two);
    // Guests that come and go are no change of what others publish.
    pool.snapshot = host({3, 2, 1});
    CHECK(pool.saw({{2, 5}}).hash == alone);
    // A guest of an old id is another one, which has to begin anew.
    CHECK(pool.saw({{1, 50}, {2, 5}}).work == Told{{1, 1}, {2, 1}});
    Watched other;
    CHECK(other.saw({{1, 6}}).hash != one);
}

TEST_CASE("guest scores: one that flaps is ignored for a day, and then heard again") {
    const auto ceases = [](double score) {
        Watched pool;
        CHECK_FALSE(pool.flip(1, 3)); // on, off, on
        CHECK(pool.saw({{1, 1}, {2, 1}}).work.size() == 2);
        const Published third = pool.saw({{1, score}, {2, 1}});
        CHECK(third.ignored == std::vector<unsigned>{1});
        CHECK(third.work == Told{{2, 1}});
        for (int i = 1; i < 24 * 60; ++i) {
            pool.now += minute - second;
            const Published published = pool.saw({{1, i % 2 ? 1 : score}, {2, 1}});
            REQUIRE(published.hash == third.hash);
            REQUIRE(published.work == third.work);
            REQUIRE(published.ignored.empty());
        }
        pool.now += minute - second;
        CHECK(pool.saw({{1, 9}, {2, 1}}).work == Told{{1, 1}, {2, 1}});
        CHECK(pool.saw({{1, 18}, {2, 1}}).work == Told{{1, 2}, {2, 1}});
    };
    ceases(not_a_number);
    ceases(-1);

    // Twice within any hour is not too often.
    Watched slow;
    for (int i = 0; i < 40; ++i) {
        CHECK(slow.saw(i % 2 ? Told{} : Told{{1, 1}}).ignored.empty());
        slow.now += 31 * minute;
    }
}

TEST_CASE("guest scores: many guests that flap seldom are ignored together") {
    Watched pool;
    std::vector<unsigned> ids;
    for (unsigned id = 1; id <= 20; ++id) ids.push_back(id);
    pool.snapshot = host(ids);
    Told all;
    for (const unsigned id : ids) all[id] = 1;
    CHECK(pool.saw(all).work.size() == 20);
    // All at once is one change: of xenstored, rather than of theirs.
    CHECK(pool.saw({}).ignored.empty());
    CHECK(pool.saw(all).work.size() == 20);
    pool.now += hour;

    std::size_t ignored = 0, changes = 0;
    auto hash = pool.saw(all).hash;
    for (unsigned i = 0; i < 1000; ++i) {
        Told told = all;
        told.erase(1 + i % 20); // and the one before is back
        const Published published = pool.saw(told);
        changes += std::exchange(hash, published.hash) != published.hash;
        ignored += published.ignored.size();
    }
    CHECK(ignored == 20);
    CHECK(changes <= GuestScores::changing_windows + 1);
    // A new guest is heard as soon as there has been an hour without.
    pool.now += hour;
    ids.push_back(21);
    pool.snapshot = host(ids);
    all[21] = 1;
    CHECK(pool.saw(all).work == Told{{21, 1}});
}

TEST_CASE("guest scores: out of bounds for long is another load, which may be seldom") {
    Watched pool;
    const auto hash = pool.saw({{1, 1}}).hash;
    for (unsigned i = 1; i < GuestScores::windows_beyond; ++i)
        REQUIRE(pool.saw({{1, 100}}).work == Told{{1, 4}});
    CHECK(pool.saw({{1, 3}}).work == Told{{1, 3}}); // within for once
    for (unsigned i = 1; i < GuestScores::windows_beyond; ++i)
        REQUIRE(pool.saw({{1, 100}}).hash == hash);
    const Published other = pool.saw({{1, 100}});
    CHECK(other.work == Told{{1, 1}});
    CHECK(other.hash != hash);
    for (unsigned i = 0; i + 1 < GuestScores::windows_beyond; ++i)
        REQUIRE(pool.saw({{1, 0.01}}).work == Told{{1, 0.25}});
    CHECK(pool.saw({{1, 0.01}}).work == Told{{1, 1}});
    for (unsigned i = 0; i + 1 < GuestScores::windows_beyond; ++i)
        REQUIRE(pool.saw({{1, 100}}).ignored.empty());
    CHECK(pool.saw({{1, 100}}).ignored == std::vector<unsigned>{1});
}

TEST_CASE("guest scores: whatever guests publish, changes stay few and figures possible") {
    std::mt19937 random(7);
    Watched pool;
    unsigned changes = 0;
    std::uint64_t hash = 0;
    for (int i = 0; i < 20'000; ++i) {
        Told told;
        for (unsigned id = 0; id < 5; ++id)
            if (random() % 3)
                told[id] = random() % 4 ? std::ldexp(1, static_cast<int>(random() % 60) - 30)
                                        : *(absurd.begin() + random() % absurd.size());
        const Published published = pool.saw(told);
        changes += std::exchange(hash, published.hash) != published.hash;
        for (const auto& [id, work] : published.work) {
            REQUIRE(id >= 1);
            REQUIRE(id <= 3);
            REQUIRE(work >= 0.25);
            REQUIRE(work <= 4);
        }
    }
    CHECK(changes < 20); // in five hours and a half: each guest begins, and is found out
}

TEST_CASE("live score: a published score is the guest's work, bounded by its part of the claims") {
    constexpr double hz = 1e9;
    WindowStats stats;
    stats.facts.pool_id = 3;
    stats.facts.pool = "batch";
    stats.facts.cpus = 8;
    stats.tsc_hz = hz;
    stats.end_tsc = static_cast<std::uint64_t>(hz);
    stats.observed = stats.clear = 8 * hz;
    stats.cpu_busy.assign(8, 0.5 * hz);
    for (const unsigned id : {0, 1, 2}) stats.domains[id].running = hz;
    stats.running = 3 * hz;
    const proto::HostSnapshot snapshot = host({1, 2, 3});

    for (const Intent intent : all_intents) {
        const double work = score_weights(intent).work;
        const auto with = [&](const Told& told) {
            return live_utility(stats, snapshot, intent, {.work = told});
        };
        const double host_alone = with({});
        CHECK(with({{1, 1}}) == Approx(host_alone));
        CHECK(with({{1, 2}}) - host_alone == Approx(work * std::log(2) / 2));
        CHECK(with({{1, 0.25}}) - host_alone == Approx(-work * std::log(4) / 2));
        CHECK(with({{1, 0.25}, {2, 4}}) == Approx(host_alone));
        // Neither Domain-0, nor guests that are idle or somewhere else.
        CHECK(with({{3, 4}, {7, 4}}) == Approx(host_alone));
        // What it waits for is in its score, or is no loss of work.
        WindowStats waited = stats;
        waited.domains[1] = {.running = 0, .waiting = hz, .wake_wait = {}};
        CHECK(live_utility(waited, snapshot, intent, {.work = {{1, 0.5}}}) -
                  live_utility(waited, snapshot, intent, {.work = {{1, 1}}}) ==
              Approx(work * std::log(0.5) / 2));

        // By way of the tracker nothing does more than that, whatever is published.
        Watched pool;
        REQUIRE(pool.saw({{1, 1}}).work.size() == 1);
        for (const double score : {1e-9, 1e12, not_a_number, infinity, -5.0}) {
            const double moved =
                live_utility(stats, snapshot, intent, pool.saw({{1, score}})) - host_alone;
            CHECK(std::abs(moved) <= work * std::log(4) / 2 + 1e-9);
        }
    }
}

TEST_CASE("window seen: windows with other guests that publish are not compared") {
    WindowStats stats;
    stats.facts.pool_id = 3;
    const FeatureVector features{std::vector<float>(feature_schema().size(), 0.5F)};
    const auto guests = [&](const Published& published) {
        return window_seen(stats, features, host({1, 2}), Prediction{}, Intent::balanced, published)
            .guests;
    };
    CHECK(guests({}) == guests_hash(host({1, 2}), 3));
    CHECK(guests({{{1, 1}}, 5, {}}) != guests({}));
    CHECK(guests({{{1, 1}}, 5, {}}) == guests({{{1, 2}}, 5, {}}));
    CHECK(guests({{{1, 1}}, 6, {}}) != guests({{{1, 1}}, 5, {}}));
}
