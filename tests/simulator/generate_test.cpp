// SPDX-License-Identifier: GPL-2.0-only
// Generated scenarios can all be simulated, are stable, and cover what they are said to cover.
#include "bench/simulator/costs.hpp"
#include "bench/simulator/generate.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <map>
#include <set>

using namespace sim;

TEST_CASE("generate: every scenario passes the check, from its text") {
    std::set<std::string> texts;
    unsigned count = 0;
    double least = 1e9;
    double most = 0;
    for (const auto family : families())
        for (const auto topology : topologies())
            for (unsigned number = 1; number <= 8; ++number) {
                const proto::Scenario made = generate(family, topology, number, 5);
                CAPTURE(made.name());
                const std::string text = scenario_text(made);
                const auto scenario = parse_scenario(text, made.name());
                if (!scenario) FAIL(scenario.error().message);
                CHECK(scenario->family() == family);
                // No draw may put a scenario out of what a training run can afford.
                CHECK(estimated_steps(*scenario) < 3.01e6);
                CHECK(texts.insert(text).second);
                unsigned vcpus = 0, idle = 0;
                for (const proto::Guest& guest : made.guests())
                    if (guest.name() != domain0)
                        (guest.background() ? idle : vcpus) += guest.vcpus();
                CHECK(vcpus <= max_generated_vcpus);
                CHECK(idle <= max_idle_vcpus);
                const double overcommit = double{vcpus * 1.0} / cpu_count(made.machine());
                least = std::min(least, overcommit);
                most = std::max(most, overcommit);
                ++count;
            }
    CHECK(count == 14 * 9 * 8);
    CHECK(least < 0.35);
    CHECK(most > 7);
}

TEST_CASE("generate: names are stable, and the same seed gives the same text") {
    const auto one = generate("ring", "2s8c2t", 7, 3);
    CHECK(one.name() == "ring-2s8c2t-007");
    CHECK(scenario_text(one) == scenario_text(generate("ring", "2s8c2t", 7, 3)));
    CHECK(scenario_text(one) != scenario_text(generate("ring", "2s8c2t", 7, 4)));
    CHECK(scenario_text(one) != scenario_text(generate("ring", "2s8c2t", 8, 3)));
    CHECK(one.machine().sockets() == 2);
    CHECK(one.machine().cores() == 8);
    CHECK(one.machine().threads() == 2);
}

TEST_CASE("generate: topologies with finer nodes and slow cores, and others than the usual ones") {
    const auto fine = generate("hogs", "2s8c2t4n", 1, 1);
    CHECK(fine.name() == "hogs-2s8c2t4n-001");
    CHECK(fine.machine().nodes() == 4);
    CHECK(fine.machine().slow_cores() == 0);
    const auto hybrid = generate("hogs", "1s16c2t8e", 1, 1);
    CHECK(hybrid.machine().cores() == 16);
    CHECK(hybrid.machine().slow_cores() == 8);
    CHECK(hybrid.machine().nodes() == 0);
    CHECK(generate("hogs", "4s2c1t1n", 1, 1).machine().nodes() == 1);
    const auto caches = generate("hogs", "2s16c2t4l", 1, 1);
    CHECK(caches.name() == "hogs-2s16c2t4l-001");
    CHECK(caches.machine().llcs() == 4);
    CHECK(parse_topology("1s8c2t2n2e4l").value().llcs() == 4);
    const auto loads = [](std::string_view topology) {
        auto scenario = generate("hogs", topology, 1, 1);
        scenario.clear_name();
        scenario.clear_machine();
        return scenario_text(scenario);
    };
    CHECK(loads("1s8c2t") != loads("1s8c2t2n")); // each has its own numbers
    for (const std::string_view wrong :
         {"", "2s8c", "8c2t", "0s1c1t", "2s8c2t0n", "2s8c2t4n8", "2s8c2t8e4n", "-2s1c1t", " 1s1c1t",
          "1s1c1t ", "99999999999s1c1t", "5s1c1t", "2s8c2t3n", "1s4c2t4e", "1s8c2t3l", "1s8c2t4l2n",
          "all"}) {
        CAPTURE(std::string(wrong));
        CHECK_FALSE(parse_topology(wrong).has_value());
    }
}

TEST_CASE("generate: only machines with several nodes a socket say what those cost") {
    unsigned said = 0;
    for (unsigned number = 1; number <= 20; ++number) {
        const auto fine = generate("hogs", "1s4c2t2n", number, 1).costs();
        CHECK(fine.has_near_node_part() == fine.has_numa_remote_speed());
        said += fine.has_near_node_part();
        CHECK_FALSE(generate("hogs", "1s4c2t", number, 1).costs().has_near_node_part());
        // Off by default, and so always: a draw for it would make other scenarios of all seeds.
        CHECK_FALSE(generate("hogs", "1s4c2t", number, 1).costs().has_trace_record_ns());
    }
    CHECK(said > 5);
}

TEST_CASE("generate: families do what their names say") {
    const auto kinds = [](std::string_view family) {
        std::set<proto::Load::KindCase> found;
        for (unsigned number = 1; number <= 10; ++number) {
            const auto scenario = generate(family, "2s4c2t", number, 1);
            for (const proto::Guest& guest : scenario.guests())
                if (guest.name() != domain0 && !guest.background())
                    for (const proto::Phase& phase : guest.phases())
                        for (const proto::Load& load : phase.loads())
                            found.insert(load.kind_case());
        }
        return found;
    };
    using Kinds = std::set<proto::Load::KindCase>;
    CHECK(kinds("build") == Kinds{proto::Load::kBuild});
    CHECK(kinds("backend") == Kinds{proto::Load::kFrontend});
    CHECK(kinds("boot-storm") == Kinds{proto::Load::kBoot});
    CHECK(kinds("mixed").size() > 4);
    const auto phases = generate("phases", "2s4c2t", 1, 1);
    CHECK(phases.guests(1).phases_size() >= 2);
    CHECK(phases.guests(1).phases(0).loads(0).kind_case() !=
          phases.guests(1).phases(1).loads(0).kind_case());
    const auto chain = generate("chain", "2s4c2t", 1, 1);
    CHECK(completed(chain).guests(1).phases(0).loads(0).ring().tokens() == 1);
}

TEST_CASE(
    "generate: half of the hosts have guests and vCPUs that only tick, an idle one has always") {
    const auto wanted_cpus = [](const proto::Load& load) { // of a tick or a daemon, a vCPU
        return load.has_periodic() ? load.periodic().run().mean_us() / load.periodic().period_us()
                                   : load.open_server().requests_per_s() *
                                         load.open_server().service().mean_us() / 1e6;
    };
    for (const std::string_view family : {"hogs", "database", "idle"}) {
        unsigned idle = 0, spare = 0, whole_domain0 = 0;
        for (unsigned number = 1; number <= 50; ++number) {
            const auto scenario = generate(family, "2s8c2t", number, 1);
            whole_domain0 += scenario.guests(0).vcpus() == 32;
            bool any_idle = false, any_spare = false, any_scored = false;
            for (const proto::Guest& guest : scenario.guests()) {
                if (guest.name() == domain0) continue;
                any_idle = any_idle || guest.background();
                any_scored = any_scored || !guest.background();
                for (const proto::Phase& phase : guest.phases())
                    for (const proto::Load& load : phase.loads()) {
                        if (guest.background()) CHECK(wanted_cpus(load) <= 0.2 * guest.vcpus());
                        any_spare = any_spare || (load.has_hog() && load.hog().threads() > 0 &&
                                                  load.hog().threads() < guest.vcpus());
                    }
            }
            CHECK(any_scored);
            idle += any_idle;
            spare += any_spare;
        }
        CAPTURE(std::string(family));
        if (family == "idle") {
            CHECK(idle == 50);
            CHECK(whole_domain0 == 50);
        } else {
            CHECK(idle > 15);
            CHECK(idle < 35);
            CHECK(whole_domain0 > 10);
            CHECK(whole_domain0 < 30);
        }
        if (family == "hogs") CHECK(spare > 15);
    }
}

TEST_CASE("generate: each cost is drawn from its own range, and what is near costs no more") {
    // By constant: the least and the most that was drawn, and the correlation of two refills that
    // once were drawn as one.
    std::map<std::string_view, std::pair<double, double>> drawn;
    std::vector<std::pair<double, double>> refills;
    for (unsigned number = 1; number <= 200; ++number) {
        const proto::Costs costs = generate("hogs", "2s8c2t4n", number, 1).costs();
        if (!costs.has_refill_core_us()) continue;
        CHECK(costs.refill_core_us() <= costs.refill_socket_us());
        CHECK(costs.refill_socket_us() <= costs.refill_memory_us());
        CHECK(costs.refill_memory_us() <= costs.refill_remote_us());
        CHECK(costs.lock_transfer_core_ns() <= costs.lock_transfer_socket_ns());
        CHECK(costs.lock_transfer_socket_ns() <= costs.lock_transfer_llc_ns());
        CHECK(costs.lock_transfer_llc_ns() <= costs.lock_transfer_remote_ns());
        CHECK_FALSE(costs.has_refill_reference_kb()); // or a refill per kB would be of two draws
        for (const CostConstant& constant : cost_constants()) {
            const auto* field = costs.GetDescriptor()->FindFieldByName(std::string(constant.name));
            if (!costs.GetReflection()->HasField(costs, field)) continue;
            const double value = costs.GetReflection()->GetDouble(costs, field);
            CHECK(value >= constant.low);
            // Some hosts have CPUs that sleep deeply.
            if (constant.name != "idle_exit_us") CHECK(value <= constant.high);
            auto& [least, most] = drawn.try_emplace(constant.name, value, value).first->second;
            least = std::min(least, value);
            most = std::max(most, value);
        }
        refills.emplace_back(std::log(costs.refill_core_us()), std::log(costs.refill_remote_us()));
    }
    CHECK(refills.size() > 100);
    CHECK(refills.size() < 140);
    for (const CostConstant& constant : cost_constants()) {
        CAPTURE(std::string(constant.name));
        CHECK(drawn.contains(constant.name) == (constant.low < constant.high));
        if (!drawn.contains(constant.name)) continue;
        const double width = std::log(constant.high / constant.low);
        CHECK(std::log(drawn[constant.name].second / drawn[constant.name].first) > 0.8 * width);
    }
    double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
    for (const auto& [core, remote] : refills) {
        x += core, y += remote;
        xx += core * core, yy += remote * remote, xy += core * remote;
    }
    const auto n = static_cast<double>(refills.size());
    const double correlation = (xy - x * y / n) / std::sqrt((xx - x * x / n) * (yy - y * y / n));
    CHECK(std::abs(correlation) < 0.3);
}
