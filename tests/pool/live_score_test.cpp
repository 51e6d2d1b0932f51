// SPDX-License-Identifier: MIT
// The live score of windows whose answer is known, and what the hashes heed.
#include "src/model/score.hpp"
#include "src/pool/live_score.hpp"
#include "src/pool/pool_loop.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <set>

using namespace intellisched;
using doctest::Approx;

namespace {

constexpr double hz = 1e9; // cycles: the TSC runs at 1 GHz
constexpr std::uint64_t us = 1000;

proto::Domain& add_domain(proto::HostSnapshot& snapshot, unsigned id, unsigned vcpus) {
    proto::Domain& domain = *snapshot.add_domains();
    domain.set_id(id);
    domain.set_name("web");
    domain.set_pool_id(3);
    domain.set_weight(256);
    for (unsigned v = 0; v < vcpus; ++v) domain.add_vcpus()->set_online(true);
    return domain;
}

/// Domain-0 idle; guest 1 of four vCPUs, guest 2 of two, both of one name.
proto::HostSnapshot two_guests() {
    proto::HostSnapshot snapshot;
    add_domain(snapshot, 0, 2);
    add_domain(snapshot, 1, 4);
    add_domain(snapshot, 2, 2);
    return snapshot;
}

void set_times(WindowStats& stats, unsigned id, double running, double waiting) {
    DomainWindow& domain = stats.domains[id];
    stats.running += running - domain.running;
    stats.waiting += waiting - domain.waiting;
    domain.running = running;
    domain.waiting = waiting;
    domain.demand = running + waiting; // of vCPUs that never block
}

/// A second of eight CPUs in which each guest ran and nobody waited, moved or shared a core.
WindowStats untroubled() {
    WindowStats stats;
    stats.facts.pool_id = 3;
    stats.facts.pool = "batch";
    stats.facts.cpus = 8;
    stats.facts.in_force = {Layout::core, no_cap};
    stats.tsc_hz = hz;
    stats.end_tsc = static_cast<std::uint64_t>(hz);
    stats.traced = stats.observed = stats.clear = 8 * hz;
    stats.cpu_busy.assign(8, 0.5 * hz);
    stats.cpu_seen.assign(8, hz);
    set_times(stats, 1, 3 * hz, 0);
    set_times(stats, 2, 1 * hz, 0);
    stats.decisions = 1000;
    return stats;
}

void add_waits(WindowStats& stats, unsigned id, std::uint64_t each) {
    for (int i = 0; i < 100; ++i) stats.domains[id].wake_wait.add(each);
}

double utility(const WindowStats& stats, Intent intent = Intent::throughput) {
    return live_score(stats, two_guests(), intent).utility;
}

} // namespace

TEST_CASE("live score: all that was wanted at full speed is 0, whatever the load") {
    for (const Intent intent : all_intents) {
        CHECK(utility(untroubled(), intent) == Approx(0));
        WindowStats half = untroubled();
        set_times(half, 1, 1.5 * hz, 0);
        CHECK(utility(half, intent) == Approx(0));
        WindowStats one = untroubled(); // the other has nothing to do
        one.domains.erase(2);
        CHECK(utility(one, intent) == Approx(0));
    }
}

TEST_CASE("live score: time lost to waiting") {
    // A hog of two vCPUs that gets half of what it wants; a third of the claims is its.
    WindowStats stats = untroubled();
    set_times(stats, 2, 1 * hz, 1 * hz);
    const double work = std::log(0.5) / 3;
    // Of eight CPUs both could have had what they wanted: guest 2 is half of its share short.
    const double share = 0.5 / 3;
    for (const Intent intent : all_intents) {
        const ScoreParts& weights = score_weights(intent);
        CHECK(utility(stats, intent) == Approx(weights.work * work - weights.share * share));
    }
    set_times(stats, 2, 0.5 * hz, 1.5 * hz);
    CHECK(utility(stats) < work - 0.1 * share - 0.2);
    // A server that blocks for most of the time: it had to wait for most of what it did, but would
    // have run little more alone.
    set_times(stats, 2, 0.06 * hz, 0.2 * hz);
    stats.domains[2].demand = 0.066 * hz;
    const double claim = 0.66 / (4 + 0.66); // of its two vCPUs it has a use for 0.66
    CHECK(utility(stats) == Approx(claim * (std::log(0.06 / 0.26) - 0.1 * 0.006 / 0.066)));
}

TEST_CASE("live score: waits after wake-ups as score.hpp has them, guests with few left out") {
    WindowStats stats = untroubled(), longer = untroubled(), few = untroubled();
    add_waits(stats, 1, 500 * us);
    add_waits(longer, 1, 1000 * us);
    for (int i = 0; i < 9; ++i) few.domains[1].wake_wait.add(500 * us);
    for (const Intent intent : all_intents) {
        const double tail = score_weights(intent).tail;
        // The buckets of the histogram are 2% wide.
        CHECK(utility(stats, intent) == Approx(-tail * std::log(1 + 500 / 200.0)).epsilon(0.01));
        CHECK(utility(longer, intent) == Approx(-tail * std::log(1 + 1000 / 200.0)).epsilon(0.01));
        CHECK(utility(few, intent) == Approx(0));
    }
}

TEST_CASE("live score: what Domain-0 does shows in what guests do") {
    WindowStats stats = untroubled();
    set_times(stats, 0, 1 * hz, 1 * hz);
    add_waits(stats, 0, 500 * us);
    CHECK(utility(stats) == Approx(0));
    // Alone it gives nothing that could be compared.
    WindowStats alone = untroubled();
    alone.domains.clear();
    set_times(alone, 0, 1 * hz, 1 * hz);
    CHECK(std::isnan(utility(alone)));
}

TEST_CASE("live score: shared cores and cold caches are work not done") {
    const double nothing = utility(untroubled());
    double before = nothing;
    for (const double shared : {0.1, 0.5, 1.0}) { // of the busy time
        WindowStats stats = untroubled();
        stats.shared = shared * 4 * hz;
        CHECK(utility(stats) < before - 0.01);
        before = utility(stats);
    }
    WindowStats near = untroubled(), far = untroubled();
    near.refilled_near = far.refilled_far = 0.2 * near.running;
    CHECK(utility(near) < nothing - 0.01);
    CHECK(utility(far) < utility(near) - 0.01);
}

TEST_CASE("live score: nothing where there is nothing to tell") {
    WindowStats idle = untroubled();
    idle.domains.clear();
    CHECK(std::isnan(utility(idle)));
    WindowStats rearranged = untroubled();
    rearranged.rearrangements = 1;
    CHECK(std::isnan(utility(rearranged)));
    CHECK(std::isnan(live_score(untroubled(), {}, Intent::latency).utility));
    CHECK(std::isnan(live_score({}, two_guests(), Intent::latency).utility));
}

TEST_CASE("live score: absurd figures give a number or NaN, never infinity") {
    using Set = std::function<void(WindowStats&, double)>;
    const std::initializer_list<Set> fields{
        [](WindowStats& s, double v) { s.tsc_hz = v; },
        [](WindowStats& s, double v) { s.observed = v; },
        [](WindowStats& s, double v) { s.running = v; },
        [](WindowStats& s, double v) { s.shared = v; },
        [](WindowStats& s, double v) { s.cpu_busy[0] = v; },
        [](WindowStats& s, double v) { s.domains[1].running = v; },
        [](WindowStats& s, double v) { s.domains[1].waiting = v; },
        [](WindowStats& s, double v) { s.domains[1].demand = v; },
        [](WindowStats& s, double v) { s.domains[7].running = v; }, // that nobody knows
    };
    const double infinity = std::numeric_limits<double>::infinity();
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const Set& set : fields)
        for (const double value : {0.0, -1.0, -1e300, 1e300, 5e-324, infinity, -infinity, nan})
            for (const Intent intent : all_intents) {
                WindowStats stats = untroubled();
                set(stats, value);
                CHECK(!std::isinf(utility(stats, intent)));
            }
    WindowStats stats = untroubled();
    stats.moves.fill(UINT64_MAX);
    stats.domains[1].wake_wait.add(UINT64_MAX);
    CHECK(std::isfinite(utility(stats)));
    stats.facts.cpus = UINT32_MAX;
    CHECK(!std::isinf(utility(stats)));
    stats.facts.cpus = 0;
    CHECK(std::isnan(utility(stats)));
    stats.facts.cpus = 8;
    std::swap(stats.begin_tsc, stats.end_tsc);
    CHECK(!std::isinf(utility(stats)));

    proto::HostSnapshot odd = two_guests();
    odd.mutable_domains(1)->set_weight(0);
    odd.mutable_domains(1)->clear_vcpus();
    odd.mutable_domains(2)->set_weight(UINT32_MAX);
    odd.mutable_domains(2)->set_cap(UINT32_MAX);
    CHECK(std::isfinite(live_score(untroubled(), odd, Intent::balanced).utility));
    odd.mutable_domains(2)->set_id(1); // an id twice
    CHECK(!std::isinf(live_score(untroubled(), odd, Intent::balanced).utility));
}

TEST_CASE("live score: what a guest is known by, and what not") {
    using Identities = std::map<std::uint64_t, std::uint64_t>; // by UUID hash
    const auto identities = [](const proto::HostSnapshot& snapshot) {
        Identities out;
        for (const GuestSeen& guest : live_score(untroubled(), snapshot, Intent::balanced).guests)
            out[guest.uuid] = guest.identity;
        return out;
    };
    const auto with_uuids = [] {
        proto::HostSnapshot snapshot = two_guests();
        for (auto& domain : *snapshot.mutable_domains())
            domain.set_uuid(std::string(16, static_cast<char>('a' + domain.id())));
        return snapshot;
    };
    const Identities known = identities(with_uuids());
    CHECK(known.size() == 2);
    CHECK(!known.contains(dom0_uuid));
    const auto same = [&](const std::function<void(proto::HostSnapshot&)>& change) {
        proto::HostSnapshot snapshot = with_uuids();
        change(snapshot);
        return identities(snapshot) == known;
    };
    CHECK(same([](auto& s) { s.mutable_domains()->SwapElements(1, 2); }));
    CHECK(same([](auto& s) { s.mutable_domains(1)->set_name("other"); }));
    CHECK(same([](auto& s) { add_domain(s, 9, 1).set_pool_id(4); }));
    // What a guest does itself: a reboot, and vCPUs taken offline.
    CHECK(same([](auto& s) { s.mutable_domains(1)->set_id(5); }));
    CHECK(same([](auto& s) { s.mutable_domains(1)->mutable_vcpus(0)->set_online(false); }));
    // What the administrator does.
    CHECK(!same([](auto& s) { s.mutable_domains(1)->set_weight(512); }));
    CHECK(!same([](auto& s) { s.mutable_domains(1)->set_cap(50); }));
    CHECK(!same([](auto& s) { s.mutable_domains(1)->add_vcpus()->set_online(false); }));
    CHECK(!same([](auto& s) { s.mutable_domains(1)->set_pool_id(4); }));
    CHECK(!same([](auto& s) { add_domain(s, 9, 1); }));
    // Of an older capture, which has no UUIDs, the ids have to do.
    CHECK(identities(two_guests()).size() == 2);
}

TEST_CASE("live score: claims are of the vCPUs that a guest may have; at most 64 guests are told") {
    proto::HostSnapshot snapshot = two_guests();
    const auto claims = [&] {
        std::multiset<double> out;
        for (const GuestSeen& guest : live_score(untroubled(), snapshot, Intent::balanced).guests)
            out.insert(guest.terms.claim);
        return out;
    };
    const auto all_online = claims();
    snapshot.mutable_domains(1)->mutable_vcpus(0)->set_online(false);
    CHECK(claims() == all_online);
    for (unsigned id = 10; id < 110; ++id) add_domain(snapshot, id, 1);
    CHECK(claims().size() == most_guests);
    CHECK(*claims().rbegin() == 4 * 256);
    // Who is told does not depend on what it wants just now.
    snapshot.mutable_domains(snapshot.domains_size() - 1)->set_weight(60000);
    CHECK(claims().size() == most_guests);
    CHECK(claims().count(0) == most_guests - 2);
}

TEST_CASE("topology hash: CPUs, places and granularity") {
    const Topology topology{{{0, 0, 0, 0}, {1, 0, 0, 0}, {2, 1, 0, 0}, {3, 1, 0, 0}}};
    const Pool pool{.id = 3, .name = "batch", .scheduler = "credit2", .cpus = {0, 1, 2}};
    const auto topology_hash = [](const Topology& of, const Pool& pool) {
        return pool_seen({}, of, pool, {}).topology;
    };
    const auto hash = topology_hash(topology, pool);

    Pool other = pool;
    other.name = "renamed";
    other.arrangement = Arrangement{Layout::cpu, no_cap};
    other.can_rearrange = true;
    CHECK(topology_hash(topology, other) == hash);
    other.granularity = Granularity::core;
    CHECK(topology_hash(topology, other) != hash);
    other = pool;
    for (const auto& cpus : {std::vector<unsigned>{0, 1}, {0, 1, 3}, {0, 1, 2, 3}, {0, 1, 4}}) {
        other.cpus = cpus;
        CHECK(topology_hash(topology, other) != hash);
    }
    for (unsigned Cpu::*place : {&Cpu::core, &Cpu::socket, &Cpu::node}) {
        Topology moved = topology;
        ++(moved.cpus[2].*place);
        CHECK(topology_hash(moved, pool) != hash);
        moved = topology;
        ++(moved.cpus[3].*place); // of no CPU of the pool
        CHECK(topology_hash(moved, pool) == hash);
    }
}

TEST_CASE("window seen, pool seen: each number in its place") {
    const WindowStats stats = untroubled();
    const FeatureVector features{std::vector<float>(feature_schema().size(), 0.5F)};
    Prediction prediction;
    prediction.best = option_of(Layout::node);
    const WindowSeen window =
        seen_of(stats, features, prediction, two_guests(), {.intent = Intent::latency});
    CHECK(window.observation.coverage == Approx(1));
    CHECK(window.observation.decisions == 1000);
    CHECK(window.observation.prediction.best == option_of(Layout::node));
    CHECK(window.observation.rearrangements == 0);
    CHECK(window.in_force == Arrangement{Layout::core, no_cap});
    CHECK(window.utility == Approx(0));
    CHECK(window.workload == workload_of(features));
    CHECK(window.guests.size() == 2);

    PoolFacts facts;
    facts.can_rearrange = true;
    facts.representatives = {Layout::cpu, Layout::core, Layout::socket, Layout::socket,
                             Layout::all};
    facts.in_force = {Layout::socket, 4};
    facts.current = Layout::core;
    facts.exact = false;
    const Topology topology{{{0, 0, 0, 0}, {1, 0, 0, 0}}};
    const Pool batch{.id = 3, .name = "batch", .scheduler = "credit2", .cpus = {0, 1}};
    const PoolSeen pool = pool_seen(facts, topology, batch, {Arrangement{Layout::all, 8}, 300});
    CHECK(pool.can_rearrange);
    CHECK(pool.same == facts.representatives);
    CHECK(pool.in_force == Arrangement{Layout::socket, 4});
    CHECK(pool.current == Layout::core);
    CHECK(!pool.exact);
    CHECK(pool.boot == Arrangement{Layout::all, 8});
    CHECK(pool.boot_rate_limit_us == 300);
}
