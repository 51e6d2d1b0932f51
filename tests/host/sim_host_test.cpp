// SPDX-License-Identifier: MIT
// SimHost against a simulator that is made up (fake_sim.cpp), well-behaved and not.
#include "src/host/apply.hpp"
#include "src/host/observe.hpp"
#include "src/host/sim_host.hpp"
#include "src/host/simulator.hpp"
#include "test_paths.hpp"
#include "tests/support/files.hpp"

#include <array>
#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <sys/socket.h>

using namespace intellisched;
using namespace intellisched::test;

namespace {

SimOptions fake() { return {.program = INTELLISCHED_FAKE_SIM}; }

proto::Scenario scenario(const std::string& name) {
    proto::Scenario scenario;
    scenario.set_name(name);
    scenario.mutable_machine()->set_sockets(2);
    scenario.mutable_machine()->set_cores(2);
    scenario.mutable_machine()->set_threads(1);
    scenario.add_guests()->set_name("g0");
    scenario.set_warmup_s(1);
    scenario.set_measured_s(2);
    return scenario;
}

/// The error that ends the host of that name when it is read.
std::string error_of_reading(const std::string& name, const SimOptions& options = fake()) {
    auto host = SimHost::open(scenario(name), options);
    REQUIRE(host);
    for (int i = 0; i < 5000; ++i) {
        const auto item = (*host)->next();
        if (!item) {
            // It stays so.
            CHECK(error_of((*host)->next()) == item.error().message);
            return item.error().message;
        }
        if (!*item) return "";
    }
    return "it never ends";
}

} // namespace

TEST_CASE("sim host: gives what a host gives, to the end of the scenario") {
    auto host = SimHost::open(scenario("good"), fake());
    REQUIRE(host);
    CHECK((*host)->info().xen_version == "4.17.5");
    CHECK((*host)->info().tsc_khz == 1'000'000);
    CHECK((*host)->costs().smt_speed() == 0.65);
    unsigned snapshots = 0, counters = 0, pieces = 0;
    for (;;) {
        const auto item = (*host)->next();
        REQUIRE(item);
        if (!*item) break;
        snapshots += std::holds_alternative<HostView>(**item);
        counters += std::holds_alternative<proto::CounterSample>(**item);
        pieces += std::holds_alternative<TraceBytes>(**item);
    }
    CHECK(snapshots == 2); // the first, and the simulator's with its first step
    CHECK(counters == 3);  // one a second
    CHECK(pieces == 30);
    CHECK((*host)->elapsed_ns() == 3'000'000'000);
    CHECK((*host)->truth()->guests_size() == 1);
    CHECK((*host)->reset_truth());
}

TEST_CASE("sim host: its configuration can be changed as a live pool's") {
    auto host = SimHost::open(scenario("good"), fake());
    REQUIRE(host);
    const auto& topology = (*host)->first_view().topology;
    const auto pool = (*host)->first_view().pools[0];
    CHECK(*(*host)->layout(pool) == InForce{{Layout::socket, 16}, 2});
    CHECK(*(*host)->rate_limit(pool) == 1000);
    const Change both{.arrangement = Arrangement{Layout::core, no_cap}, .rate_limit_us = 300};
    const auto applied = apply(**host, topology, pool, both, false);
    REQUIRE(applied);
    CHECK(applied->layout->after == InForce{{Layout::core, no_cap}, 4});
    CHECK(applied->rate_limit == AppliedRateLimit{1000, 300});
    std::vector<PoolFacts> seen;
    CHECK(observe(**host, {}, [&](const WindowStats& s) { seen.push_back(s.facts); }));
    REQUIRE(seen.size() >= 2);
    CHECK(seen.back().in_force == Arrangement{Layout::core, no_cap});
    CHECK(seen.back().rate_limit_us == 300);

    auto refuses = SimHost::open(scenario("refuses"), fake());
    CHECK(error_of((*refuses)->set_layout(pool, {})) == "Pool-0: the simulator: no such?pool");
    CHECK(error_of((*refuses)->set_rate_limit(pool, 300)) == "Pool-0: the simulator: no such?pool");
    CHECK((*refuses)->next()); // and lives on
}

TEST_CASE("sim host: a simulator that fails is one error, in its last words") {
    CHECK(error_of(SimHost::open(proto::Scenario(), fake())) ==
          "the simulator ended: credit2-sim: this scenario makes no sense");
    CHECK(error_of(SimHost::open("/nonexistent.scenario", fake())) ==
          "the simulator ended: credit2-sim: this scenario makes no sense");
    CHECK(error_of_reading("dies") == "the simulator ended: credit2-sim: ?[31mout of memory");
    CHECK(error_of_reading("dies-silently").find("status 3") != std::string::npos);
    CHECK(error_of_reading("breaks-off").find("status 0") != std::string::npos);
    CHECK(error_of_reading("stands-still").find("time stands still") != std::string::npos);
}

TEST_CASE("sim host: hostile replies") {
    CHECK(error_of_reading("boasts").find("2147483647 bytes") != std::string::npos);
    CHECK(error_of_reading("babbles").find("reply is none") != std::string::npos);
    CHECK(error_of_reading("chatters").empty()); // a full pipe of its words holds up nobody
    CHECK(error_of(SimHost::open(scenario("without-snapshot"), fake())).find("introduce") !=
          std::string::npos);
    CHECK(error_of(SimHost::open(scenario("without-tsc"), fake())).find("0 kHz") !=
          std::string::npos);
}

TEST_CASE("sim host: over a socket that is there already") {
    std::array<int, 2> sockets{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) == 0);
    FileDescriptor ours(sockets[0]);
    FileDescriptor theirs(sockets[1]);
    ::shutdown(theirs.get(), SHUT_WR);
    CHECK(error_of(SimHost::over(std::move(ours))).find("closed its socket") != std::string::npos);
    CHECK(error_of(SimHost::over(FileDescriptor())).find("Bad file descriptor") !=
          std::string::npos);
}

TEST_CASE("sim host: one that hangs is given up, or at once when asked to") {
    SimOptions options = fake();
    options.patience = std::chrono::seconds(1);
    CHECK(error_of_reading("hangs", options).find("nothing for 1 s") != std::string::npos);

    const std::atomic<bool> stop = true;
    options.stop = &stop;
    CHECK(error_of(SimHost::open(scenario("good"), options)) == "interrupted");
}

TEST_CASE("simulator: where it is looked for") {
    ::setenv("CREDIT2_SIM", INTELLISCHED_FAKE_SIM, 1);
    CHECK(*find_simulator() == INTELLISCHED_FAKE_SIM);
    ::setenv("CREDIT2_SIM", "/nonexistent", 1);
    CHECK(error_of(find_simulator()).starts_with("/nonexistent: no program"));
    ::unsetenv("CREDIT2_SIM");
}
