// SPDX-License-Identifier: MIT
// What becomes of what guests publish, and what it may do to the live score.
#include "src/model/score.hpp"
#include "src/pool/live_score.hpp"
#include "src/pool/pool_loop.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <initializer_list>
#include <limits>
#include <random>
#include <set>
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

struct Watched {
    GuestScores scores;
    proto::HostSnapshot snapshot = host({1, 2, 3});

    Nanoseconds now = 1000 * second;

    Published saw(const Told& told) {
        now += second;
        return scores.saw(told, snapshot, 3, now);
    }
};

Told work_of(const Published& published) {
    Told work;
    for (const auto& [id, score] : published) work[id] = score.work;
    return work;
}

Told references_of(const Published& published) {
    Told references;
    for (const auto& [id, score] : published) references[id] = score.reference;
    return references;
}

} // namespace

TEST_CASE("guest scores: what counts is relative to the first, within bounds") {
    Watched pool;
    CHECK(pool.saw({}).empty());
    const Published first = pool.saw({{1, 200}, {2, 1e-9}});
    CHECK(work_of(first) == Told{{1, 1}, {2, 1}});
    CHECK(references_of(first) == Told{{1, 200}, {2, 1e-9}});
    CHECK(pool.saw({{1, 300}, {2, 1e-9}}).at(1).work == Approx(1.5));
    const Published extreme = pool.saw({{1, 1e-9}, {2, 1e12}});
    CHECK(work_of(extreme) == Told{{1, 0.25}, {2, 4}});
    CHECK(references_of(extreme) == references_of(first));
    // One that is no longer written stays what it is.
    for (int i = 0; i < 1000; ++i)
        REQUIRE(work_of(pool.saw({{1, 200}, {2, 1e-9}})) == work_of(first));
}

TEST_CASE("guest scores: whoever is no guest of the pool is not heard, nor is what cannot be") {
    Watched pool;
    pool.snapshot.mutable_domains(2)->set_pool_id(4);
    CHECK(pool.saw({{0, 1}, {3, 1}, {7, 1}}).empty());
    for (const double score : absurd) {
        CAPTURE(score);
        CHECK(pool.saw({{1, score}}).empty());
    }
    CHECK(work_of(pool.saw({{1, 5}})) == Told{{1, 1}});
}

TEST_CASE("guest scores: one that ceases, comes again or is another guest has another reference") {
    Watched pool;
    CHECK(references_of(pool.saw({{1, 5}, {2, 6}})) == Told{{1, 5}, {2, 6}});
    CHECK(references_of(pool.saw({{2, 6}})) == Told{{2, 6}});
    CHECK(references_of(pool.saw({{1, 7}, {2, 6}})) == Told{{1, 7}, {2, 6}});
    pool.snapshot = host({2});
    CHECK(references_of(pool.saw({{1, 7}, {2, 6}})) == Told{{2, 6}});
    // A guest of an old id is another one, which has to begin anew.
    pool.snapshot = host({3, 2, 1});
    CHECK(work_of(pool.saw({{1, 50}, {2, 6}})) == Told{{1, 1}, {2, 1}});
}

TEST_CASE("guest scores: one that flaps is not heard for a day, and then again") {
    for (const double none : {not_a_number, -1.0}) {
        Watched pool;
        for (const double score : {1.0, none, 1.0})
            CHECK(pool.saw({{1, score}}).size() == (score > 0 ? 1 : 0));
        CHECK(work_of(pool.saw({{1, none}, {2, 1}})) == Told{{2, 1}});
        CHECK(pool.scores.silenced() == std::vector<unsigned>{1});
        for (int i = 1; i < 24 * 60; ++i) {
            pool.now += minute - second;
            REQUIRE(work_of(pool.saw({{1, i % 2 ? 1 : none}, {2, 1}})) == Told{{2, 1}});
            REQUIRE(pool.scores.silenced().empty());
        }
        pool.now += minute;
        CHECK(work_of(pool.saw({{1, 9}, {2, 1}})) == Told{{1, 1}, {2, 1}});
    }
    // Twice within any hour is not too often.
    Watched slow;
    for (int i = 0; i < 40; ++i) {
        (void)slow.saw(i % 2 ? Told{} : Told{{1, 1}});
        CHECK(slow.scores.silenced().empty());
        slow.now += 31 * minute;
    }
}

TEST_CASE("guest scores: out of bounds for long is another load") {
    Watched pool;
    CHECK(pool.saw({{1, 1}}).at(1).reference == 1);
    for (unsigned i = 1; i < GuestScores::windows_beyond; ++i)
        REQUIRE(work_of(pool.saw({{1, 100}})) == Told{{1, 4}});
    CHECK(work_of(pool.saw({{1, 3}})) == Told{{1, 3}}); // within for once
    for (unsigned i = 1; i < GuestScores::windows_beyond; ++i)
        REQUIRE(pool.saw({{1, 100}}).at(1).reference == 1);
    const Published other = pool.saw({{1, 100}});
    CHECK(work_of(other) == Told{{1, 1}});
    CHECK(other.at(1).reference == 100);
}

TEST_CASE("guest scores: whatever guests publish, figures stay possible") {
    std::mt19937 random(7);
    Watched pool;
    for (int i = 0; i < 20'000; ++i) {
        Told told;
        for (unsigned id = 0; id < 5; ++id)
            if (random() % 3)
                told[id] = random() % 4 ? std::ldexp(1, static_cast<int>(random() % 60) - 30)
                                        : *(absurd.begin() + random() % absurd.size());
        for (const auto& [id, score] : pool.saw(told)) {
            REQUIRE(id >= 1);
            REQUIRE(id <= 3);
            REQUIRE(score.work >= 0.25);
            REQUIRE(score.work <= 4);
            REQUIRE(score.reference > 0);
        }
    }
}

TEST_CASE("live score: a published score is the guest's work, bounded by its part of the claims") {
    constexpr double hz = 1e9;
    WindowStats stats;
    stats.facts.pool_id = 3;
    stats.facts.pool = "batch";
    stats.facts.cpus = 8;
    stats.tsc_hz = hz;
    stats.end_tsc = static_cast<std::uint64_t>(hz);
    stats.traced = stats.observed = stats.clear = 8 * hz;
    stats.cpu_busy.assign(8, 0.5 * hz);
    stats.cpu_seen.assign(8, hz);
    for (const unsigned id : {0, 1, 2}) stats.domains[id].running = stats.domains[id].demand = hz;
    stats.running = 3 * hz;
    const proto::HostSnapshot snapshot = host({1, 2, 3});

    for (const Intent intent : all_intents) {
        const double work = score_weights(intent).work;
        const auto with = [&](const Told& told) {
            Published published;
            for (const auto& [id, work_done] : told) published[id] = {work_done, 1};
            return live_score(stats, snapshot, intent, published).utility;
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
        waited.domains[1] = {
            .running = 0, .waiting = hz, .demand = hz, .wake_wait = {}, .response = {}};
        CHECK(live_score(waited, snapshot, intent, {{1, {0.5, 1}}}).utility -
                  live_score(waited, snapshot, intent, {{1, {1, 1}}}).utility ==
              Approx(work * std::log(0.5) / 2));

        // By way of the tracker nothing does more than that, whatever is published.
        Watched pool;
        REQUIRE(pool.saw({{1, 1}}).size() == 1);
        for (const double score : {1e-9, 1e12, not_a_number, infinity, -5.0}) {
            const double moved =
                live_score(stats, snapshot, intent, pool.saw({{1, score}})).utility - host_alone;
            CHECK(std::abs(moved) <= work * std::log(4) / 2 + 1e-9);
        }
    }
}

TEST_CASE("window seen: a guest whose scores have another reference is another one") {
    WindowStats stats;
    stats.facts.pool_id = 3;
    stats.facts.pool = "batch";
    stats.facts.cpus = 2;
    stats.tsc_hz = 1e9;
    stats.end_tsc = 1'000'000'000;
    stats.traced = stats.observed = 2e9;
    for (const unsigned id : {1, 2}) stats.domains[id].running = stats.domains[id].demand = 1e9;
    stats.running = 2e9;
    const FeatureVector features{std::vector<float>(feature_schema().size(), 0.5F)};
    const auto identities = [&](const Published& published) {
        std::set<std::uint64_t> out;
        for (const GuestSeen& guest :
             seen_of(stats, features, {}, host({1, 2}), {.published = published}).guests)
            out.insert(guest.identity);
        return out;
    };
    CHECK(identities({}).size() == 2);
    CHECK(identities({{1, {1, 5}}}) != identities({}));
    CHECK(identities({{1, {1, 5}}}) == identities({{1, {2, 5}}}));
    CHECK(identities({{1, {1, 6}}}) != identities({{1, {1, 5}}}));
}
