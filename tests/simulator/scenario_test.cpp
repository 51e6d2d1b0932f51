// SPDX-License-Identifier: GPL-2.0-only
// Scenarios that make no sense are refused, with the field and the value; defaults are filled in.
#include "bench/simulator/scenario.hpp"

#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>

using namespace sim;

namespace {

const std::string machine = "machine { sockets: 2 cores: 4 threads: 2 } ";

std::string guest(const std::string& rest) {
    return machine + "guests { name: 'web' vcpus: 4 " + rest + " } ";
}

std::string load(const std::string& kind) { return guest("phases { loads { " + kind + " } }"); }

struct Bad {
    std::string text;
    std::vector<std::string> fragments; ///< of the message
};

} // namespace

TEST_CASE("scenario: what makes no sense is refused by name and value") {
    const std::vector<Bad> table{
        {"", {"no machine"}},
        {"machine { cores: 4 threads: 1 }", {"machine.sockets is 0", "1 to 4"}},
        {"machine { sockets: 5 cores: 4 threads: 1 }", {"machine.sockets is 5"}},
        {"machine { sockets: 1 cores: 33 threads: 1 }", {"machine.cores is 33"}},
        {"machine { sockets: 1 cores: 4 threads: 3 }", {"machine.threads is 3"}},
        {"machine { sockets: 4 cores: 4 threads: 1 nodes: 3 }", {"machine.nodes is 3"}},
        {"machine { sockets: 2 cores: 4 threads: 1 nodes: 6 }", {"machine.nodes is 6", "4 cores"}},
        {"machine { sockets: 1 cores: 32 threads: 1 nodes: 32 }", {"machine.nodes is 32"}},
        {"machine { sockets: 1 cores: 4 threads: 1 slow_cores: 4 }", {"machine.slow_cores is 4"}},
        {"machine { sockets: 1 cores: 4 threads: 1 slow_cores: 2 slow_speed: 0.4 }",
         {"machine.slow_speed is 0.4", "0.5 to 1"}},
        {"machine { sockets: 1 cores: 6 threads: 1 llcs: 4 }", {"machine.llcs is 4", "6 cores"}},
        {"machine { sockets: 1 cores: 8 threads: 1 nodes: 4 llcs: 2 }", {"machine.llcs is 2"}},
        {"machine { sockets: 1\n cores: 4\n dies: 2 }", {":3: ", "dies"}},
        {"machine { sockets: -1 }", {":1: "}},
        {"machine {", {":1: "}},
        {"\x01\x02\xff", {":1: "}},
        {machine + "warmup_s: -1", {"warmup_s is -1"}},
        {machine + "measured_s: nan", {"measured_s is nan"}},
        {machine + "measured_s: inf", {"measured_s is inf"}},
        {machine + "xen_args: 'a\\nb'", {"xen_args"}},
        {machine + "costs { smt_speed: 7 }", {"costs", "smt_speed", "7"}},
        {machine + "costs { refill_core_us: nan }", {"costs", "refill_core_us", "nan"}},
        {machine + "pools { name: 'a' cpus: '0-15' }", {"leave at least one to Pool-0"}},
        {machine + "pools { name: 'a' cpus: '16' }", {"pool 'a'", "CPU 16", "0 to 15"}},
        {machine + "pools { name: 'a' cpus: '' }", {"pool 'a'", "no list of CPUs"}},
        {machine + "pools { name: 'a' cpus: '3-1' }", {"pool 'a'", "bad range"}},
        {machine + "pools { name: 'a' cpus: '1,' }", {"pool 'a'", "no list of CPUs"}},
        {machine + "pools { name: 'a' cpus: '1;2' }", {"pool 'a'", "no list of CPUs"}},
        {machine + "pools { name: 'a' cpus: '4294967297' }", {"pool 'a'", "no list of CPUs"}},
        {machine + "pools { name: 'Pool-0' cpus: '1' }", {"'Pool-0' is there twice"}},
        {machine + "pools { name: 'a' cpus: '1' } pools { name: 'b' cpus: '1-2' }",
         {"pool 'b'", "CPU 1 is in another pool"}},
        {machine + "pools { name: 'a' cpus: '1' arrangement { layout: 'row' } }",
         {"pool 'a'", "'row'", "cpu, core, socket, node or all"}},
        {machine + "guests { vcpus: 1 }", {"guests.name", "give it a name"}},
        {machine + "guests { name: 'a\\033[1m' vcpus: 1 }", {"guests.name", "printable"}},
        {machine + "guests { name: 'a' vcpus: 1 } guests { name: 'a' vcpus: 1 }",
         {"'a' is there twice"}},
        {machine + "guests { name: 'a' }", {"guest 'a': vcpus is 0"}},
        {machine + "guests { name: 'a' vcpus: 129 }", {"guest 'a': vcpus is 129", "128"}},
        {machine + "guests { name: 'a' vcpus: 1 } guests { name: 'Domain-0' vcpus: 1 }",
         {"'Domain-0' is not the first"}},
        {machine + "guests { name: 'Domain-0' vcpus: 1 stop_s: 3 }", {"'Domain-0' is in Pool-0"}},
        {guest("weight: 70000"), {"guest 'web': weight is 70000", "65535"}},
        {guest("cap: 401"), {"guest 'web': cap is 401", "4 vCPUs", "400"}},
        {guest("pool: 'batch'"), {"guest 'web'", "pool 'batch' is not there"}},
        {guest("start_s: -1"), {"guest 'web': start_s is -1"}},
        {guest("start_s: 3 stop_s: 2"), {"guest 'web': stop_s is 2"}},
        {guest("working_set_kb: -2"), {"working_set_kb is -2"}},
        {guest("memory_share: 1.5"), {"memory_share is 1.5"}},
        {guest("hard_affinity: ''"), {"guest 'web': hard_affinity", "no list of CPUs"}},
        {guest("hard_affinity: '99'"), {"hard_affinity", "CPU 99"}},
        {guest("soft_affinity: '0-16'"), {"soft_affinity", "CPU 16"}},
        {"pools { name: 'a' cpus: '8-15' } " + guest("hard_affinity: '8'"),
         {"hard_affinity '8' has no CPU of its pool"}},
        {guest("hard_affinity: '0' hard_affinity: '1' hard_affinity: '2' hard_affinity: '3' "
               "hard_affinity: '4'"),
         {"5 lists for 4 vCPUs"}},
        {guest("phases { at_s: -1 }"), {"phases.at_s is -1"}},
        {guest("phases { at_s: 2 } phases { at_s: 1 }"), {"phases.at_s 1 is not after"}},
        {guest("phases { loads {} }"), {"guest 'web': a load is empty"}},
        {load("hog { threads: 100000 }"), {"hog.threads is 100000"}},
        {load("open_server { service { mean_us: 1 } }"), {"requests_per_s is 0"}},
        {load("open_server { requests_per_s: inf service { mean_us: 1 } }"),
         {"requests_per_s is inf"}},
        {load("open_server { requests_per_s: 5 }"), {"open_server.service.mean_us is 0"}},
        {load("open_server { requests_per_s: 5 service { mean_us: -3 } }"),
         {"open_server.service.mean_us is -3"}},
        {load("open_server { requests_per_s: 5 service { mean_us: nan } }"),
         {"open_server.service.mean_us is nan"}},
        {load("open_server { requests_per_s: 5 service { mean_us: 5 } burst: 0.5 }"),
         {"burst is 0.5"}},
        {load("open_server { requests_per_s: 5 service { mean_us: 5 shape: PARETO alpha: 1 } }"),
         {"service.alpha is 1", "above 1"}},
        {load("open_server { requests_per_s: 5 service { mean_us: 5 shape: NORMAL } }"),
         {":1: ", "NORMAL"}},
        {load("closed_server { think { mean_us: 1 } service { mean_us: 1 } }"),
         {"closed_server.clients is 0"}},
        {load("ring { hop { mean_us: 0 } }"), {"ring.hop.mean_us is 0"}},
        {load("build { job { mean_us: 9 } io_per_job: 1 }"), {"build.io.mean_us is 0"}},
        {load("periodic { run { mean_us: 9 } }"), {"periodic.period_us is 0"}},
        {load("periodic { period_us: 9 run { mean_us: 9 } deadline_us: -1 }"),
         {"periodic.deadline_us is -1"}},
        {load("database { work { mean_us: 9 } }"), {"database.critical.mean_us is 0"}},
        {load("boot { stretch { mean_us: 9 } io { mean_us: 9 } }"), {"boot.work_ms is 0"}},
        {load("frontend { backend: 'disk' work { mean_us: 9 } backend_work { mean_us: 9 } }"),
         {"frontend.backend 'disk' is no guest", "Domain-0"}},
        {load("frontend { backend: 'web' work { mean_us: 9 } backend_work { mean_us: 9 } }"),
         {"frontend.backend 'web' is the guest itself"}},
        {load("replay { vcpus {} vcpus {} vcpus {} vcpus {} vcpus {} }"),
         {"replay: times of 5 vCPUs for a guest of 4"}},
        {load("replay { vcpus {} vcpus { wake_us: 1 run_us: 1 block_us: 1 } }"),
         {"replay.vcpus(1) has both wake_us and block_us"}},
        {load("replay { vcpus { block_us: [1, 2] run_us: 1 } }"),
         {"replay.vcpus(0) has 2 times in block_us and 1 in run_us"}},
        {load("replay { vcpus { run_us: 1 } }"), {"0 times in wake_us and 1 in run_us"}},
        {load("replay { vcpus { wake_us: [1, -1] run_us: [1, 1] } }"),
         {"replay.vcpus(0).wake_us(1) is -1"}},
        {load("replay { vcpus { block_us: inf run_us: 1 } }"), {"vcpus(0).block_us(0) is inf"}},
        {load("replay { vcpus { wake_us: 1 run_us: nan } }"), {"vcpus(0).run_us(0) is nan"}},
        {load("replay { vcpus { wake_us: 1 run_us: 0 } }"), {"vcpus(0).run_us(0) is 0"}},
        {load("replay { vcpus { wake_us: 1 run_us: 2e9 } }"), {"vcpus(0).run_us(0) is 2000000000"}},
        {load("replay { vcpus { block_us: [1, 1] run_us: [1, 1] cause: TIMER } }"),
         {"replay.vcpus(0) has 1 causes and 2 times in block_us"}},
        {load("replay { vcpus { block_us: 1 run_us: 1 cause: VCPU } }"),
         {"replay.vcpus(0).cause(0) is not TIMER"}},
        {load("replay { vcpus { block_us: 1 run_us: 1 send_us: 1 send_guest: 1 } }"),
         {"replay.vcpus(0) has 1 times, 1 guests and 0 vCPUs to send to"}},
        {load("replay { vcpus { block_us: 1 run_us: 1 send_us: 1 send_guest: 1 send_vcpu: 0 } }"),
         {"the first guest is not Domain-0"}},
        {load("replay { vcpus { block_us: 1 run_us: 1 rest_us: -1 } }"), {"rest_us is -1"}},
        {load("replay { round_us: nan }"), {"replay.round_us is nan"}},
        {load("ring { hop { mean_us: 0.001 } }"), {"steps", "measured_s"}},
        {load("open_server { requests_per_s: 1e8 service { mean_us: 1 } }"), {"steps"}},
        {machine + "actions { at_s: 1 }", {"the action at 1 s does nothing"}},
        {machine + "actions { at_s: -1 move_cpu { cpu: 1 } }", {"actions.at_s is -1"}},
        {machine + "actions { at_s: 1 move_cpu { cpu: 16 } }", {"at 1 s: cpu is 16"}},
        {machine + "actions { at_s: 1 move_cpu { cpu: 1 pool: 'x' } }", {"pool 'x' is not there"}},
        {machine + "actions { at_s: 1 move_guest { guest: 'x' } }", {"guest 'x' is not there"}},
        {machine + "actions { at_s: 1 destroy_pool: 'x' }", {"pool 'x' is not there"}},
        {machine + "actions { at_s: 1 create_pool { name: '' cpus: '1' } }",
         {"at 1 s: pool is ''"}},
        {machine + "actions { at_s: 1 create_pool { name: 'x' cpus: '16' } }",
         {"at 1 s: cpus", "CPU 16"}},
        {machine + "actions { at_s: 1 rename_pool { pool: 'x' name: 'y' } }",
         {"pool 'x' is not there"}},
        {machine + "actions { at_s: 1 trace_kb: 100000 }", {"trace_kb is 100000"}},
        {guest("") + "actions { at_s: 1 set_arrangement { arrangement { layout: 'socke' } } }",
         {"at 1 s: layout is 'socke'"}},
        {guest("") + "actions { at_s: 1 set_scheduling { guest: 'web' cap: 500 } }",
         {"at 1 s: cap is 500"}},
    };
    for (const Bad& bad : table) {
        CAPTURE(bad.text);
        const auto scenario = parse_scenario(bad.text, "test.scenario");
        REQUIRE_FALSE(scenario);
        const std::string& message = scenario.error().message;
        CAPTURE(message);
        CHECK(message.starts_with("test.scenario:"));
        CHECK(message.find('\n') == std::string::npos);
        for (const std::string& fragment : bad.fragments)
            CHECK(message.find(fragment) != std::string::npos);
    }
}

TEST_CASE("scenario: too many vCPUs in all") {
    std::string text = machine;
    for (int i = 0; i < 5; ++i) text += "guests { name: 'g" + std::to_string(i) + "' vcpus: 128 } ";
    const auto scenario = parse_scenario(text, "test");
    REQUIRE_FALSE(scenario);
    CHECK(scenario.error().message.find("more than 512 vCPUs") != std::string::npos);
    // Those of the Domain-0 that is added count, so that what is complete passes again.
    text = machine;
    for (int i = 0; i < 4; ++i) text += "guests { name: 'g" + std::to_string(i) + "' vcpus: 128 } ";
    CHECK_FALSE(parse_scenario(text, "test"));
    const auto with_domain0 = text.replace(text.find("g0"), 2, domain0);
    const auto full = parse_scenario(with_domain0, "test");
    REQUIRE(full);
    CHECK(check_scenario(*full));
}

TEST_CASE("scenario: too many stretches to replay") {
    proto::Scenario scenario = *parse_scenario(guest(""), "test");
    auto& vcpu =
        *scenario.mutable_guests(1)->add_phases()->add_loads()->mutable_replay()->add_vcpus();
    vcpu.mutable_wake_us()->Resize(1'000'000, 1);
    vcpu.mutable_run_us()->Resize(1'000'000, 1);
    CHECK(check_scenario(scenario));
    vcpu.add_wake_us(1);
    vcpu.add_run_us(1);
    const auto checked = check_scenario(scenario);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().message.find("more than 1000000 stretches") != std::string::npos);
}

TEST_CASE("scenario: what is left out has its default") {
    const auto scenario = parse_scenario(
        load("database { work { mean_us: 50 } critical { mean_us: 5 } }") +
            "guests { name: 'audio' vcpus: 2 phases { loads { periodic { period_us: 5000 "
            "run { mean_us: 100 } } } loads { frontend { work { mean_us: 9 } "
            "backend_work { mean_us: 9 } } } } }",
        "test");
    REQUIRE(scenario);
    CHECK(scenario->machine().nodes() == 2);
    CHECK(scenario->warmup_s() == 1.5);
    CHECK(scenario->measured_s() == 4);
    REQUIRE(scenario->guests_size() == 3);
    CHECK(scenario->guests(0).name() == "Domain-0");
    CHECK(scenario->guests(0).vcpus() == 4);
    CHECK(scenario->guests(0).phases().empty());
    const auto& web = scenario->guests(1);
    CHECK(web.name() == "web");
    CHECK(web.weight() == 256);
    CHECK(web.pool() == "Pool-0");
    CHECK(web.working_set_kb() == 256);
    CHECK(web.phases(0).loads(0).database().threads() == 8);
    CHECK(web.phases(0).loads(0).database().locks() == 1);
    const auto& audio = scenario->guests(2).phases(0);
    CHECK(audio.loads(0).periodic().deadline_us() == 5000);
    CHECK(audio.loads(1).frontend().backend() == "Domain-0");
    CHECK(audio.loads(1).frontend().threads() == 2);
}

TEST_CASE("scenario: nodes may be finer than sockets, and cores slow") {
    const auto scenario =
        parse_scenario("machine { sockets: 2 cores: 4 threads: 2 nodes: 8 slow_cores: 3 } "
                       "guests { name: 'web' vcpus: 1 hard_affinity: '9' }",
                       "test");
    REQUIRE(scenario);
    CHECK(scenario->machine().nodes() == 8);
    CHECK(scenario->machine().slow_speed() == standard_slow_speed);
    CHECK(cpu_count(scenario->machine()) == 10); // of each socket: a core of 2 threads, 3 of one
    const auto plain = parse_scenario(machine, "test");
    REQUIRE(plain);
    CHECK(plain->machine().slow_speed() == 0);
    CHECK(plain->machine().llcs() == 1);
    const auto caches =
        parse_scenario("machine { sockets: 2 cores: 8 threads: 2 nodes: 4 llcs: 4 }", "test");
    REQUIRE(caches);
    CHECK(caches->machine().llcs() == 4);
}

TEST_CASE("scenario: a Domain-0 that is there stays as it is") {
    const auto scenario = parse_scenario(machine + "guests { name: 'Domain-0' vcpus: 2 }", "test");
    REQUIRE(scenario);
    REQUIRE(scenario->guests_size() == 1);
    CHECK(scenario->guests(0).vcpus() == 2);
}

TEST_CASE("scenario: CPU lists") {
    CHECK(parse_cpu_list("0-3,8", 16).value() == std::vector<unsigned>{0, 1, 2, 3, 8});
    CHECK(parse_cpu_list("5,1,5-6", 16).value() == std::vector<unsigned>{1, 5, 6});
    const auto scenario = parse_scenario(machine + "pools { name: 'a' cpus: '2-9,15' }", "test");
    REQUIRE(scenario);
    const auto pools = pool_cpus(*scenario);
    CHECK(pools[0] == std::vector<unsigned>{0, 1, 10, 11, 12, 13, 14});
    CHECK(pools[1] == std::vector<unsigned>{2, 3, 4, 5, 6, 7, 8, 9, 15});
}

TEST_CASE("scenario: files that are not there or too large") {
    const auto missing = read_scenario("/nonexistent/x.scenario");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().message.find("/nonexistent/x.scenario") != std::string::npos);
    const auto path = std::filesystem::temp_directory_path() / "simulator-load-tests.scenario";
    std::ofstream(path) << std::string(max_scenario_bytes + 1, '#');
    const auto large = read_scenario(path);
    std::filesystem::remove(path);
    REQUIRE_FALSE(large);
    CHECK(large.error().message.find("simulator-load-tests.scenario") != std::string::npos);
}
