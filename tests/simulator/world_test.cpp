// SPDX-License-Identifier: GPL-2.0-only
// The world of a scenario on the ideal machine: who is there when, and what the administrator does.
#include "bench/simulator/run.hpp"
#include "bench/simulator/serve.hpp"
#include "bench/simulator/world.hpp"
#include "tests/simulator/ideal_machine.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

using namespace sim;

namespace {

struct Opened {
    IdealMachine* machine;
    std::unique_ptr<World> world;
};

Opened open(const std::string& text, unsigned cpus = 8, unsigned nodes = 2,
            const std::optional<proto::Arrangement>& layout = {}) {
    const auto scenario = parse_scenario("machine { sockets: 2 cores: " + std::to_string(cpus / 2) +
                                             " threads: 1 } " + text,
                                         "test");
    if (!scenario) FAIL(scenario.error().message);
    auto machine = std::make_unique<IdealMachine>(cpus, nodes);
    IdealMachine* at = machine.get();
    auto world = World::create(std::move(machine), *scenario, layout);
    if (!world) FAIL(world.error().message);
    return {at, std::move(*world)};
}

Nanoseconds at(double seconds) {
    return 1'000'000 + World::settling + static_cast<Nanoseconds>(seconds * 1e9);
}

std::vector<unsigned> cpus(unsigned from, unsigned to) {
    std::vector<unsigned> list;
    for (; from <= to; ++from) list.push_back(from);
    return list;
}

} // namespace

TEST_CASE("world: guests come and go at their times, a little apart") {
    auto [machine, world] = open("guests { name: 'a' vcpus: 1 phases { loads { hog {} } } } "
                                 "guests { name: 'b' vcpus: 1 start_s: 1 stop_s: 2 "
                                 "phases { loads { hog {} } } }");
    CHECK(machine->created.size() == 1);
    CHECK(machine->created[0].name == "Domain-0");
    CHECK(world->next_change() == at(0) + World::stagger);
    REQUIRE(world->advance(at(0.5)));
    CHECK(machine->created.size() == 2);
    REQUIRE(world->advance(at(1.5)));
    REQUIRE(machine->created.size() == 3);
    CHECK(machine->created[2].name == "b");
    CHECK(machine->created[2].guest == 2);
    // Truth begins anew at the end of the warm-up, 1.5 s.
    REQUIRE(world->advance(at(3)));
    CHECK(machine->work_s(1) == doctest::Approx(1.5).epsilon(0.01));
    CHECK(machine->work_s(2) == doctest::Approx(0.5).epsilon(0.02));
    const auto truth = world->truth();
    CHECK(truth.seconds() == doctest::Approx(1.5));
    CHECK(truth.guests_size() == 3);
}

TEST_CASE("world: guests are placed on nodes as xl does") {
    auto [machine, world] =
        open("guests { name: 'a' vcpus: 4 } guests { name: 'b' vcpus: 2 } "
             "guests { name: 'c' vcpus: 2 } guests { name: 'd' vcpus: 8 } "
             "guests { name: 'e' vcpus: 1 hard_affinity: '0-3' } "
             "guests { name: 'f' vcpus: 1 soft_affinity: '5' } guests { name: 'g' vcpus: 9 } "
             "guests { name: 'h' vcpus: 2 hard_affinity: '0' hard_affinity: '5' }");
    REQUIRE(world->advance(at(1)));
    const auto soft = [&, made = machine](std::size_t i) { return made->created[i].soft; };
    using Lists = std::vector<std::vector<unsigned>>;
    CHECK(soft(0) == Lists{});           // Domain-0 is there before xl
    CHECK(soft(1) == Lists{cpus(0, 3)}); // the first of equals
    CHECK(soft(2) == Lists{cpus(4, 7)}); // where a is not
    CHECK(soft(3) == Lists{cpus(4, 7)}); // 2 vCPUs there, 4 on the first
    CHECK(soft(4) == Lists{cpus(0, 7)}); // needs both
    CHECK(soft(5) == Lists{cpus(0, 3)}); // may not go elsewhere
    CHECK(soft(6) == Lists{{5}});        // says itself
    CHECK(soft(7) == Lists{});           // there are not as many CPUs
    CHECK(soft(8) == Lists{});           // its vCPUs differ
}

TEST_CASE("world: on one node there is no placement") {
    auto [machine, world] = open("guests { name: 'a' vcpus: 4 }", 8, 1);
    REQUIRE(world->advance(at(1)));
    CHECK(machine->created[1].soft.empty());
}

TEST_CASE("world: pools have their CPUs, and the layout from the command line") {
    proto::Arrangement layout;
    layout.set_layout("all");
    auto [machine, world] = open("pools { name: 'batch' cpus: '6-7' } "
                                 "guests { name: 'a' pool: 'batch' vcpus: 1 }",
                                 8, 2, layout);
    REQUIRE(world->advance(at(1)));
    CHECK(machine->pools == std::vector<std::string>{"batch"});
    CHECK(machine->pool_of.at(6) == 1);
    CHECK(machine->pool_of.at(7) == 1);
    CHECK(machine->pool_of.size() == 2);
    CHECK(machine->layouts.at(0).layout() == "all");
    CHECK(machine->created[1].pool_id == 1);
    CHECK(machine->created[1].soft == std::vector<std::vector<unsigned>>{cpus(4, 7)});
}

TEST_CASE("world: the administrator acts when asked") {
    auto [machine, world] =
        open("pools { name: 'batch' cpus: '7' } guests { name: 'a' vcpus: 1 } "
             "actions { at_s: 0.5 move_cpu { cpu: 6 pool: 'batch' } } "
             "actions { at_s: 0.4 move_cpu { cpu: 5 } } "
             "actions { at_s: 0.6 move_guest { guest: 'a' pool: 'batch' } } "
             "actions { at_s: 0.7 set_scheduling { guest: 'a' weight: 512 cap: -1 } } "
             "actions { at_s: 0.8 set_arrangement { arrangement { layout: 'node' } } }");
    REQUIRE(world->advance(at(0.45)));
    CHECK(machine->pool_of.at(5) == std::nullopt);
    CHECK_FALSE(machine->pool_of.contains(6));
    REQUIRE(world->advance(at(1)));
    CHECK(machine->pool_of.at(6) == 1);
    CHECK(machine->moved.at(1) == 1);
    CHECK(machine->last_weight == 512);
    CHECK(machine->layouts.at(0).layout() == "node");
}

TEST_CASE("world: pools come, are renamed and go; the trace's buffers are made small") {
    auto [machine, world] = open("actions { at_s: 0.2 create_pool { name: 'db' cpus: '6-7' } } "
                                 "actions { at_s: 0.4 rename_pool { pool: 'db' name: 'web' } } "
                                 "actions { at_s: 0.5 move_cpu { cpu: 5 pool: 'web' } } "
                                 "actions { at_s: 0.6 destroy_pool: 'web' } "
                                 "actions { at_s: 0.8 create_pool { name: 'db' cpus: '7' } } "
                                 "actions { at_s: 0.9 trace_kb: 4 } "
                                 "actions { at_s: 1.5 destroy_pool: 'web' }");
    REQUIRE(world->advance(at(0.3)));
    CHECK(machine->pools == std::vector<std::string>{"db"});
    CHECK(machine->pool_of.at(6) == 1);
    REQUIRE(world->advance(at(0.5)));
    CHECK(machine->pools == std::vector<std::string>{"web"});
    CHECK(machine->pool_of.at(5) == 1);
    REQUIRE(world->advance(at(0.7)));
    CHECK(machine->pools == std::vector<std::string>{"destroyed"});
    REQUIRE(world->advance(at(1)));
    CHECK(machine->pools == std::vector<std::string>{"destroyed", "db"});
    CHECK(machine->pool_of.at(7) == 2);
    CHECK(machine->trace_bytes == 4096);
    const auto ran = world->advance(at(2));
    REQUIRE_FALSE(ran);
    CHECK(ran.error().message.find("pool 'web' is not there then") != std::string::npos);
}

TEST_CASE("world: what Xen refuses ends the run with the action's time") {
    auto [machine, world] =
        open("actions { at_s: 0.3 set_arrangement { arrangement { layout: 'cpu' } } }");
    const auto ran = world->advance(at(1));
    REQUIRE_FALSE(ran);
    CHECK(ran.error().message.find("the action at 0.3 s: refused for the test") !=
          std::string::npos);
}

TEST_CASE("world: an action on a guest that is not there is an error") {
    auto [machine, world] = open("guests { name: 'a' vcpus: 1 start_s: 1 } "
                                 "actions { at_s: 0.5 set_scheduling { guest: 'a' weight: 1 } }");
    const auto ran = world->advance(at(1));
    REQUIRE_FALSE(ran);
    CHECK(ran.error().message.find("guest 'a' is not running then") != std::string::npos);
}

TEST_CASE("run: goes to the end, or stops when asked") {
    const std::string text = "measured_s: 2 guests { name: 'a' vcpus: 2 phases { loads { "
                             "ring { hop { mean_us: 100 shape: FIXED } } } } }";
    auto whole = open(text);
    const auto truth = run(*whole.world, {});
    REQUIRE(truth);
    CHECK(truth->seconds() == doctest::Approx(2));
    CHECK(truth->guests(1).requests() == doctest::Approx(20000).epsilon(0.001));
    auto cut = open(text);
    RunOptions options;
    options.stop = [&] { return cut.world->now() >= at(2); };
    const auto part = run(*cut.world, options);
    REQUIRE(part);
    CHECK(part->seconds() == doctest::Approx(0.5).epsilon(0.1));
}

TEST_CASE("run: the same scenario and seed give the same truth") {
    const std::string text =
        "measured_s: 1 guests { name: 'a' vcpus: 3 phases { loads { open_server { "
        "requests_per_s: 9000 service { mean_us: 200 shape: LOGNORMAL } burst: 3 } } loads { "
        "database { work { mean_us: 70 } critical { mean_us: 9 } } } } }";
    auto first = open(text);
    auto second = open(text);
    auto third = open("seed: 9 " + text);
    const auto one = run(*first.world, {})->SerializeAsString();
    CHECK(one == run(*second.world, {})->SerializeAsString());
    CHECK(one != run(*third.world, {})->SerializeAsString());
}
