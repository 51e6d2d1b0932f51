// SPDX-License-Identifier: MIT
// What each guest got, why it waits, and what would help.
#include "src/policy/cause.hpp"
#include "tests/support/files.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::test;

namespace {

constexpr double hz = 1e9;

/// Two seconds of a pool of 4 CPUs.
WindowStats window() {
    WindowStats stats;
    stats.facts.pool_id = 1;
    stats.facts.cpus = 4;
    stats.tsc_hz = hz;
    stats.end_tsc = static_cast<std::uint64_t>(2 * hz);
    stats.traced = stats.observed = 8 * hz;
    stats.clear = hz;
    return stats;
}

proto::Domain* add(proto::HostSnapshot& host, const char* name, unsigned weight, int vcpus) {
    auto* domain = host.add_domains();
    domain->set_id(static_cast<std::uint32_t>(host.domains_size() - 1));
    domain->set_name(name);
    domain->set_pool_id(1);
    domain->set_weight(weight);
    for (int v = 0; v < vcpus; ++v) domain->add_vcpus()->set_online(true);
    return domain;
}

/// One that waits half of the time, of a full pool.
GuestFigures waiting() {
    return {.id = 3,
            .vcpus = 2,
            .weight = 256,
            .got = 1,
            .waiting = 1,
            .share = 1,
            .entitled = 1,
            .wake_p99_us = std::nan(""),
            .beside_idle = 0,
            .idle_elsewhere = 0,
            .idle_forbidden = 0,
            .held_back = 0};
}

} // namespace

TEST_CASE("guests: what each got, is due, and waits for") {
    proto::HostSnapshot host;
    add(host, "Domain-0", 256, 4);
    add(host, "heavy", 512, 4);
    add(host, "idle", 256, 2);
    add(host, "elsewhere", 256, 2)->set_pool_id(2);
    add(host, "capped", 256, 2)->set_cap(50);
    auto stats = window();
    const auto got = [&](unsigned id, double running, double waits,
                         double demand) -> DomainWindow& {
        DomainWindow& domain = stats.domains[id];
        domain.running = running * hz;
        domain.waiting = waits * hz;
        domain.demand = demand * hz;
        return domain;
    };
    got(0, 1, 3, 4); // of 8 CPU seconds
    DomainWindow& heavy = got(1, 6, 2, 8);
    heavy.sleeps = 40;
    heavy.moves = 10;
    heavy.bursts = 60;
    heavy.census = {.waiting = 8, .idle_elsewhere = 2, .behind = {{0, 1}, {1, 5}}};
    heavy.wait.add(2'000'000);
    got(4, 1, 1, 2);
    GuestSums sums;
    sums.add(stats);
    const auto guests = sums.figures(host);
    REQUIRE(guests.size() == 4); // not who is in another pool; who waits most comes first
    CHECK(guests[0].name == "Domain-0");
    CHECK(guests[0].got == doctest::Approx(0.5));
    CHECK(guests[0].waits() == doctest::Approx(0.75));
    // The capped one is due half a CPU and no more; of the rest the heavy one two thirds.
    const auto by_id = [&](unsigned id) {
        return *std::ranges::find(guests, id, &GuestFigures::id);
    };
    CHECK(by_id(4).entitled == doctest::Approx(0.5));
    CHECK(by_id(0).entitled == doctest::Approx(3.5 / 3));
    CHECK(by_id(1).entitled == doctest::Approx(3.5 / 3 * 2));
    CHECK(by_id(2).entitled == doctest::Approx(0));
    CHECK(by_id(2).share >= 0.5);
    const auto told = by_id(1);
    CHECK(told.wakeups_per_s == doctest::Approx(20));
    CHECK(told.moves_per_s == doctest::Approx(5));
    CHECK(told.burst_us == doctest::Approx(100e3));
    CHECK(told.wait_p99_us == doctest::Approx(2000).epsilon(0.13));
    CHECK(told.idle_elsewhere == doctest::Approx(0.25));
    REQUIRE(told.behind);
    CHECK(told.behind->id == 1);
    CHECK(told.behind->part == doctest::Approx(5.0 / 8));
    CHECK(told.behind_any == doctest::Approx(6.0 / 8));
    CHECK(std::isnan(by_id(2).wait_p50_us));
    CHECK(!by_id(2).behind);
    CHECK(count_wanting(guests) == 3);
}

TEST_CASE("guests: traits are ratios and times of the stretch, whatever the host's size") {
    proto::HostSnapshot host;
    add(host, "Domain-0", 256, 1);
    add(host, "server", 256, 2);
    GuestSums sums;
    for (const std::uint64_t sleeps : {100, 140}) { // in two seconds each
        auto stats = window();
        DomainWindow& domain = stats.domains[1];
        domain.running = 0.2 * hz;
        domain.waiting = 0.2 * hz;
        domain.demand = 0.3 * hz;
        domain.sleeps = sleeps;
        domain.bursts = 2 * sleeps;
        domain.moves = sleeps;
        domain.held_back = 0.05 * hz;
        domain.census = {.waiting = 8, .beside_idle = 4, .behind = {{0, 1}, {1, 2}}};
        for (std::uint64_t i = 0; i < sleeps; ++i) {
            domain.response.add(i % 10 == 0 ? 8'000'000 : 2'000'000);
            domain.wake_wait.add(50'000);
            domain.wait.add(50'000);
            domain.wait.add(200'000);
        }
        sums.add(stats);
    }
    const auto guests = sums.figures(host);
    const auto trait = [&](const char* name) {
        const auto at = std::ranges::find(guest_trait_names, std::string_view(name));
        REQUIRE(at != guest_trait_names.end());
        return static_cast<double>(
            guests[0].traits[static_cast<std::size_t>(at - guest_trait_names.begin())]);
    };
    using doctest::Approx;
    REQUIRE(guests[0].name == "server");
    CHECK(trait("used") == Approx(0.05));
    CHECK(trait("wanting") == Approx(0.1));
    CHECK(trait("runnable") == Approx(0.2));
    CHECK(trait("waits") == Approx(0.5));
    CHECK(trait("demand") == Approx(0.075));
    CHECK(trait("wakeups") == Approx(30));
    CHECK(trait("work_us") == Approx(0.4e6 / 240));
    CHECK(trait("burst_us") == Approx(0.2e6 / 240));
    CHECK(trait("bursts_a_wakeup") == Approx(2));
    CHECK(trait("asleep_us") == Approx(7.2e6 / 240));
    CHECK(trait("response_p50_us") == Approx(2000).epsilon(0.03));
    CHECK(trait("response_p99_us") == Approx(8000).epsilon(0.03));
    CHECK(trait("response_p10_part") == Approx(1));
    CHECK(trait("response_p99_part") == Approx(4).epsilon(0.05));
    CHECK(trait("response_mean_part") == Approx(1.3).epsilon(0.05));
    CHECK(trait("wake_p50_us") == Approx(50).epsilon(0.03));
    CHECK(trait("wait_p99_us") == Approx(200).epsilon(0.15));
    CHECK(trait("moves") == Approx(0.5));
    // 50 and 70 wake-ups per second: a variance of 100 about a mean of 60.
    CHECK(trait("wakeups_dispersion") == Approx(100.0 / 60));
    CHECK(trait("wakeups_spread") == Approx(10.0 / 60));
    CHECK(trait("running_dispersion") == Approx(0));
    CHECK(trait("behind_itself") == Approx(0.25));
    CHECK(trait("beside_idle") == Approx(0.5));
    CHECK(trait("held_back") == Approx(0.25));
    CHECK(trait("woken_waits") == Approx(0.5));
    // Of one that never ran there is nothing to divide by.
    CHECK(guests[1].traits[0] == 0);
    CHECK(std::isnan(guests[1].traits[6]));
}

TEST_CASE("causes: the first that explains most of the waiting") {
    auto guest = waiting();
    CHECK(cause_of(guest, false) == Cause::full_pool);
    CHECK(cause_of(guest, true) == Cause::own_vcpus);
    guest.held_back = 0.6;
    CHECK(cause_of(guest, false) == Cause::full_pool); // others have their turns
    CHECK(cause_of(guest, true) == Cause::rate_limit);
    guest.got = 0.8; // of the 1 that it is due
    CHECK(cause_of(guest, false) == Cause::weight);
    guest.far_heavier = true; // there is nobody to take it from
    CHECK(cause_of(guest, false) == Cause::rate_limit);
    guest.far_heavier = false;
    guest.waiting = 0.2;
    CHECK(cause_of(guest, false) == Cause::rate_limit);
    guest.waiting = 1;
    guest.id = 0;
    guest.got = guest.entitled = 0.2; // all it is due, but others wait for Domain-0
    CHECK(cause_of(guest, false) == Cause::weight);
    guest.id = 3;
    CHECK(cause_of(guest, false) == Cause::full_pool);
    guest.got = 0.4;
    guest.entitled = 1;
    guest.behind = {3, "", 0.7};
    CHECK(cause_of(guest, false) == Cause::rate_limit);
    guest.idle_elsewhere = 0.6;
    CHECK(cause_of(guest, false) == Cause::layout);
    guest.beside_idle = 0.6;
    CHECK(cause_of(guest, false) == Cause::stall);
    guest.idle_forbidden = 0.6;
    CHECK(cause_of(guest, false) == Cause::affinity);
    guest.waiting = 0.01;
    CHECK(cause_of(guest, false) == Cause::none);
    guest.wake_p99_us = 5000; // but some of its wake-ups wait long
    guest.wakeups_per_s = 100;
    CHECK(cause_of(guest, false) == Cause::affinity);
    guest.wakeups_per_s = 1; // too few of them for a p99
    CHECK(cause_of(guest, false) == Cause::none);
    guest.cap = 40; // which is no waiting to Xen
    CHECK(cause_of(guest, false) == Cause::cap);
    guest.cap = 100;
    CHECK(cause_of(guest, false) == Cause::none);
    guest.stall = {3, 1, 2, 0.6}; // a fault, however little it waits on the whole
    CHECK(cause_of(guest, false) == Cause::stall);
}

TEST_CASE("help: the model's where it speaks, a command where there is one") {
    const PoolCures keeps;
    const PoolCures both{.layout = "layout core",
                         .layout_command = "to core",
                         .rate_limit = "rate limit 100 us",
                         .rate_limit_command = "to 100",
                         .shorter = true};
    auto guest = waiting();
    CHECK(help_for(Cause::none, guest, both).what == "nothing");
    CHECK(help_for(Cause::weight, guest, both).command == "xl sched-credit2 -d 3 -w 1024");
    guest.weight = 20000;
    CHECK(help_for(Cause::weight, guest, both).command == "xl sched-credit2 -d 3 -w 65535");
    CHECK(help_for(Cause::layout, guest, both).command == "to core");
    CHECK(help_for(Cause::layout, guest, keeps).command.empty());
    CHECK(help_for(Cause::rate_limit, guest, both).command == "to 100");
    auto longer = both;
    longer.shorter = false; // that would not help who waits for slices
    CHECK(help_for(Cause::rate_limit, guest, longer).command.empty());
    CHECK(help_for(Cause::full_pool, guest, both).what == "layout");
    CHECK(help_for(Cause::full_pool, guest, keeps).what == "nothing");
    CHECK(help_for(Cause::cap, guest, keeps).command == "xl sched-credit2 -d 3 -c 0");
    CHECK(help_for(Cause::affinity, guest, keeps).command == "xl vcpu-pin 3 all all");
    CHECK(help_for(Cause::stall, guest, both).what == "idle-states");
    CHECK(help_for(Cause::stall, guest, both).command == "xenpm set-max-cstate 1");
}
