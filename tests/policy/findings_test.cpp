// SPDX-License-Identifier: MIT
#include "src/policy/findings.hpp"
#include "tests/support/files.hpp"

#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::test;

namespace {

constexpr double hz = 1e9;

/// A second of 4 CPUs, all of it seen.
WindowStats window() {
    WindowStats stats;
    stats.facts.pool = "Pool-0";
    stats.facts.cpus = 4;
    stats.tsc_hz = hz;
    stats.end_tsc = static_cast<std::uint64_t>(hz);
    stats.traced = stats.observed = 4 * hz;
    return stats;
}

proto::HostSnapshot guests(std::initializer_list<const char*> names) {
    proto::HostSnapshot snapshot;
    for (const char* name : names) {
        auto* domain = snapshot.add_domains();
        domain->set_id(static_cast<std::uint32_t>(snapshot.domains_size() - 1));
        domain->set_name(name);
        domain->set_weight(256);
    }
    return snapshot;
}

void got(WindowStats& stats, unsigned domain, double running, double waiting) {
    stats.domains[domain].running = running * hz;
    stats.domains[domain].waiting = waiting * hz;
}

std::string found(const WindowStats& stats, const proto::HostSnapshot& snapshot) {
    Findings findings;
    findings.add(stats);
    std::string all;
    for (const std::string& text : findings.text(snapshot)) all += text + "\n";
    return all;
}

} // namespace

TEST_CASE("findings: who gets what he is due is not mentioned") {
    auto stats = window();
    got(stats, 0, 0.2, 0.02);
    got(stats, 1, 1.9, 2.1); // more than its third of 4 CPUs, so it waits
    got(stats, 2, 1.9, 2.1);
    CHECK(found(stats, guests({"Domain-0", "a", "b"})).empty());
}

TEST_CASE("findings: a domain that waits most of the time it wants a CPU, unless it is capped") {
    auto stats = window();
    got(stats, 0, 0.1, 0.9);
    got(stats, 1, 1.5, 0.2);
    got(stats, 2, 0.6, 0.6); // below its share, and waits for half of what it wants
    auto host = guests({"Domain-0", "hog", "call"});
    const std::string text = found(stats, host);
    CHECK(contains(text, "domain 0 (Domain-0) waits 90%"));
    CHECK(contains(text, "domain 2 (call) waits 50%"));
    CHECK(contains(text, "xl sched-credit2 -d 0 -w 1024"));
    CHECK_FALSE(contains(text, "hog"));
    host.mutable_domains(0)->set_cap(10);
    CHECK_FALSE(contains(found(stats, host), "Domain-0"));
    stats.domains.clear();
    got(stats, 0, 0.1, 0.9); // nobody else: a weight changes nothing
    CHECK(found(stats, guests({"Domain-0"})).empty());
}

TEST_CASE("findings: of many that wait the worst are named, and dom0") {
    auto stats = window();
    auto host = guests({"Domain-0", "a", "b", "c", "d"});
    for (unsigned id = 0; id < 5; ++id) got(stats, id, 0.1, 0.8 + 0.1 * id);
    const std::string text = found(stats, host);
    CHECK(contains(text, "5 domains wait"));
    CHECK(contains(text, "(d) waits"));
    CHECK(contains(text, "(Domain-0) waits"));
    CHECK_FALSE(contains(text, "(a) waits"));
}

TEST_CASE("findings: wake-ups that end with another's slice") {
    auto stats = window();
    stats.wakeups = 100;
    stats.wake_waited = 0.95 * hz;
    stats.held_back = 0.9 * hz;
    CHECK(contains(found(stats, {}), "95% of the waiting after wake-ups"));
    CHECK(contains(found(stats, {}), "xl sched-credit2 -p Pool-0 -s -r 100"));
    stats.facts.pool = "Pool 0; reboot";
    stats.facts.pool_id = 5;
    CHECK(contains(found(stats, {}), "xl sched-credit2 -p 5 -s -r 100"));
    stats.held_back = 0.4 * hz; // mostly otherwise
    CHECK(found(stats, {}).empty());
    stats.wake_waited = 0.05 * hz; // half a millisecond each
    stats.held_back = 0.05 * hz;
    CHECK(found(stats, {}).empty());
}

TEST_CASE("findings: a vCPU that waits beside an idle CPU, not its domain's weight") {
    auto stats = window();
    got(stats, 0, 0.5, 0);
    got(stats, 3, 0, 1);
    stats.stalls = {{3, 1, 2, 0.6}};
    Findings findings;
    findings.add(stats);
    stats.stalls = {{3, 1, 2, 1.6}};
    findings.add(stats);
    const auto text = findings.text(guests({"Domain-0", "a", "b", "web"}));
    REQUIRE(text.size() == 1);
    CHECK(contains(text[0], "vCPU 1 of domain 3 (web) waited 1.6 s beside CPU 2"));
}
