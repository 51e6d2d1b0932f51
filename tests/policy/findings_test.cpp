// SPDX-License-Identifier: MIT
#include "src/policy/cause.hpp"
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
    stats.clear = hz;
    stats.decisions = 1000;
    stats.wakeups = 1;
    return stats;
}

proto::HostSnapshot guests(std::initializer_list<const char*> names) {
    proto::HostSnapshot snapshot;
    for (const char* name : names) {
        auto* domain = snapshot.add_domains();
        domain->set_id(static_cast<std::uint32_t>(snapshot.domains_size() - 1));
        domain->set_name(name);
        domain->set_weight(256);
        for (unsigned v = 0; v < 4; ++v) domain->add_vcpus()->set_online(true);
    }
    return snapshot;
}

void got(WindowStats& stats, unsigned domain, double running, double waiting) {
    stats.domains[domain].running = running * hz;
    stats.domains[domain].waiting = waiting * hz;
    stats.domains[domain].demand = (running + waiting) * hz;
}

std::string found(const WindowStats& stats, const proto::HostSnapshot& snapshot) {
    Findings findings;
    findings.add(stats);
    std::string all;
    for (const Findings::Finding& one : findings.list(snapshot)) all += one.text + "\n";
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
    got(stats, 2, 0.6, 0.6); // below what it is due, and waits for half of what it wants
    auto host = guests({"Domain-0", "hog", "call"});
    const std::string text = found(stats, host);
    CHECK(contains(text, "domain 0 (Domain-0) waits 90%"));
    CHECK(contains(text, "domain 2 (call) waits 50%"));
    CHECK(contains(text, "xl sched-credit2 -d 0 -w 1024"));
    CHECK_FALSE(contains(text, "hog"));
    host.mutable_domains(0)->set_cap(10);
    CHECK(contains(found(stats, host), "domain 0 (Domain-0) runs for 10% of a CPU and uses up its "
                                       "cap of 10%"));
    CHECK_FALSE(contains(found(stats, host), "-d 0 -w"));
    host.mutable_domains(0)->set_cap(300); // far from used up
    CHECK_FALSE(contains(found(stats, host), "Domain-0"));
    stats.domains.clear();
    got(stats, 0, 0.1, 0.9); // nobody else: a weight changes nothing
    CHECK(found(stats, guests({"Domain-0"})).empty());
}

TEST_CASE("findings: no larger weight is advised to who has four times that of the others") {
    auto stats = window();
    got(stats, 1, 1.5, 0.2);
    got(stats, 2, 0.6, 0.6);
    auto host = guests({"Domain-0", "hog", "call"});
    const auto with = [&](unsigned weight) {
        host.mutable_domains(2)->set_weight(weight);
        return found(stats, host);
    };
    CHECK(contains(with(256), "xl sched-credit2 -d 2 -w 1024"));
    CHECK(contains(with(1023), "-d 2 -w 4092"));
    CHECK_FALSE(contains(with(1024), "sched-credit2"));
    host.mutable_domains(1)->set_weight(512);
    CHECK(contains(with(1024), "-d 2 -w 4096"));
    host.mutable_domains(1)->set_weight(0); // not known
    CHECK_FALSE(contains(with(1024), "sched-credit2"));
    host.mutable_domains(0)->set_weight(4096); // which wants nothing
    CHECK_FALSE(contains(with(1024), "sched-credit2"));
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
    const auto host = guests({"Domain-0", "a"});
    got(stats, 1, 0.05, 0.95); // alone, and waits for others' slices
    stats.domains[1].held_back = 0.9 * hz;
    CHECK(contains(found(stats, host), "95% of the waiting after wake-ups"));
    CHECK(contains(found(stats, host), "xl sched-credit2 -p Pool-0 -s -r 100"));
    auto moved = stats;
    auto elsewhere = host;
    moved.facts.pool = "Pool 0; reboot";
    moved.facts.pool_id = 5;
    for (auto& domain : *elsewhere.mutable_domains()) domain.set_pool_id(5);
    CHECK(contains(found(moved, elsewhere), "xl sched-credit2 -p 5 -s -r 100"));
    stats.held_back = 0.4 * hz; // mostly otherwise
    CHECK(found(stats, host).empty());
    stats.wake_waited = 0.05 * hz; // half a millisecond each
    stats.held_back = 0.05 * hz;
    CHECK(found(stats, host).empty());
    // Who has all that is due waits for a turn, which ends with another's slice under any limit.
    auto full = window();
    full.wakeups = 100;
    full.wake_waited = full.held_back = 3 * hz;
    for (unsigned domain = 1; domain <= 2; ++domain) {
        got(full, domain, 2, 1.5);
        full.domains[domain].held_back = 1.5 * hz;
    }
    CHECK(found(full, guests({"Domain-0", "a", "b"})).empty());
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
    const auto host = guests({"Domain-0", "a", "b", "web"});
    const auto list = findings.list(host);
    REQUIRE(list.size() == 1);
    CHECK(list[0].code == "stalled-vcpu");
    CHECK(contains(list[0].text, "vCPU 1 of domain 3 (web) waited 1.6 s beside CPU 2"));
    CHECK(list[0].command == "xenpm set-max-cstate 1");
    CHECK(contains(list[0].text, list[0].command));
    // `guests` says the same of it.
    const auto figures = findings.guests().figures(host);
    const auto& web = *std::ranges::find(figures, 3U, &GuestFigures::id);
    REQUIRE(web.stall);
    CHECK(web.stall->seconds == doctest::Approx(1.6));
    const Help help = help_for(cause_of(web, false), web, {});
    CHECK(help.what == "idle-states");
    CHECK(help.command == list[0].command);
    CHECK(contains(help.text, "its vCPU 1 waited 1.6 s beside CPU 2"));
    CHECK(contains(list[0].text, help.text.substr(help.text.find(" waited"))));
}

TEST_CASE("findings: of many vCPUs that waited beside idle CPUs the longest are named") {
    auto stats = window();
    for (unsigned v = 0; v < 4; ++v) stats.stalls.push_back({1, v, 2, 0.5 + 0.1 * v});
    const std::string text = found(stats, guests({"Domain-0", "web"}));
    CHECK(contains(text, "4 vCPUs waited beside idle CPUs"));
    CHECK(contains(text, "vCPU 3 of domain 1 (web) waited 0.8 s"));
    CHECK_FALSE(contains(text, "vCPU 0 of"));
}

TEST_CASE("findings: many guests that have their shares of a pool that is too small") {
    auto stats = window();
    proto::HostSnapshot host;
    for (unsigned id = 0; id < 20; ++id) {
        got(stats, id, 0.2, 1.8);
        auto* domain = host.add_domains();
        domain->set_id(id);
        domain->set_weight(256);
        for (unsigned v = 0; v < 4; ++v) domain->add_vcpus()->set_online(true);
    }
    const std::string text = found(stats, host);
    CHECK(contains(text, "19 domains wait for over 75%"));
    CHECK(contains(text, "domain 0 waits 90%")); // the others wait for it
    CHECK_FALSE(contains(text, "domain 1 waits"));
}

TEST_CASE("findings: idle CPUs that are slow to wake up") {
    auto stats = window();
    got(stats, 1, 0.8, 0.2);
    got(stats, 2, 0.8, 0);
    stats.domains[1].census = {.waiting = 10, .beside_idle = 8};
    auto host = guests({"Domain-0", "web", "other"});
    CHECK(contains(found(stats, host), "domain 1 (web) waits 20% of the time that it wants a CPU, "
                                       "mostly beside idle CPUs"));
    CHECK(contains(found(stats, host), "`xenpm set-max-cstate 1` shows which"));
    got(stats, 2, 0.8, 0.1);
    stats.domains[2].census = {.waiting = 10, .beside_idle = 8};
    CHECK(contains(found(stats, host), "domain 1 (web), like 1 more, waits 20%"));
    got(stats, 2, 0.8, 0);
    stats.domains[1].waiting = 0.06 * hz;
    CHECK_FALSE(contains(found(stats, host), "beside idle"));
}

TEST_CASE("findings: waits beside idle CPUs are not believed where clocks differ a little") {
    auto stats = window();
    got(stats, 1, 0.8, 0.2);
    got(stats, 2, 0.8, 0);
    stats.domains[1].census = {.waiting = 10, .beside_idle = 8};
    stats.changes = 1000;
    stats.mismatches = 10; // so much is no matter of clocks
    Findings agree, differ;
    agree.add(stats);
    CHECK(agree.clocks_text().empty());
    CHECK(agree.list(guests({"Domain-0", "web", "other"})).size() == 1);
    stats.mismatches = 46;
    differ.add(stats);
    CHECK(differ.usable() == 1);
    CHECK(contains(differ.clocks_text(), "5% of the runstate changes come in an order"));
    CHECK(differ.list(guests({"Domain-0", "web", "other"})).empty());
    CHECK(Findings().clocks_text().empty());
}

TEST_CASE("findings: a guest that its own affinity keeps from idle CPUs") {
    auto stats = window();
    got(stats, 1, 0.5, 0.5);
    got(stats, 2, 0.5, 0.1);
    stats.domains[1].census = {.waiting = 10, .idle_forbidden = 8};
    const std::string text = found(stats, guests({"Domain-0", "pinned", "other"}));
    CHECK(contains(text, "domain 1 (pinned) waits 50%"));
    CHECK(contains(text, "xl vcpu-pin 1 all all"));
    stats.domains[1].census.idle_forbidden = 2;
    CHECK_FALSE(contains(found(stats, guests({"Domain-0", "pinned", "other"})), "vcpu-pin"));
}

TEST_CASE("findings: a pool with one busy runqueue beside an idle one is lopsided") {
    auto stats = window();
    stats.facts.runqueues_in_force = {{0, 1}, {2, 3}};
    stats.cpu_busy = {1 * hz, 1 * hz, 0.1 * hz, 0.1 * hz};
    stats.cpu_seen = {1 * hz, 1 * hz, 1 * hz, 1 * hz};
    stats.clear = hz;
    stats.wasted = 0.6 * hz;
    CHECK(contains(found(stats, {}), "10% to 100% busy, and in 60% of the time one is idle"));
    CHECK(contains(found(stats, {}), "`intellisched recommend --pool Pool-0` says which"));
    // A stock Xen has another layout from its command line only.
    CHECK(
        contains(found(stats, {}), "takes them by credit2_runqueue=LAYOUT on Xen's command line"));
    stats.facts.can_rearrange = true;
    CHECK_FALSE(contains(found(stats, {}), "credit2_runqueue"));
    stats.wasted = 0.1 * hz; // nobody waits meanwhile
    CHECK(found(stats, {}).empty());
    stats.wasted = 0.6 * hz;
    stats.cpu_busy = {0.6 * hz, 0.6 * hz, 0.5 * hz, 0.5 * hz};
    CHECK(found(stats, {}).empty());
}

TEST_CASE("findings: lost records are told, and windows with too many of them not used") {
    auto stats = window();
    stats.lost = 7;
    stats.observed = 2 * hz; // of 4
    got(stats, 1, 0.1, 0.9);
    Findings findings;
    findings.add(stats);
    CHECK(findings.usable() == 0);
    REQUIRE(findings.unusable().size() == 1);
    CHECK(findings.unusable()[0].code == "records-lost");
    const auto list = findings.list(guests({"Domain-0", "a"}));
    REQUIRE(list.size() == 1);
    CHECK(contains(list[0].text, "7 records of the trace were lost, 50.0% of the CPUs' time"));
    CHECK(list[0].text == findings.lost_text()); // which `recommend` and `guests` have
    CHECK(Findings().lost_text().empty());
    stats.lost = 1;
    Findings one;
    one.add(stats);
    CHECK(contains(one.lost_text(), "1 record of the trace was lost"));
}
