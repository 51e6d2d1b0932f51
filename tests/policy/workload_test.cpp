// SPDX-License-Identifier: MIT
// The signature of a load: that it hardly moves with the layout, and does with the load, in the
// samples that it was chosen by.
#include "bench/training/samples.hpp"
#include "src/policy/settings.hpp"
#include "src/policy/workload.hpp"
#include "test_paths.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <limits>
#include <map>

using namespace intellisched;

TEST_CASE("policy workload: what the features come to") {
    FeatureVector features{std::vector<float>(feature_schema().size(), 0)};
    const auto set = [&](std::string_view name, float value) {
        features.values.at(*feature_index(name)) = value;
    };
    set("load.busy_mean", 0.5F);
    set("load.waiters", 0.49F);
    set("events.wakeups", 500);
    set("sleep.mean", std::numeric_limits<float>::quiet_NaN());
    set("load.dom0", 0.25F);
    const Workload workload = workload_of(features);
    CHECK(workload[0] == doctest::Approx(0)); // one vCPU a CPU
    CHECK(std::isnan(workload[1]));
    CHECK(workload[2] == doctest::Approx(std::log(1001) / 0.6)); // 1000 us a wake-up
    CHECK(workload[4] == doctest::Approx(2.5));
    CHECK(distance(workload, workload) == 0);

    set("load.busy_mean", 1.51F);
    CHECK(distance(workload_of(features), workload) >
          std::log(2) / demand_unit - 1e-6); // twice the demand
    set("events.wakeups", 0);
    CHECK(std::isnan(workload_of(features)[2]));
    for (const double number : workload_of({})) CHECK(std::isnan(number));
}

TEST_CASE("policy workload: means leave out what was not seen") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const std::array<Workload, 2> windows{Workload{1, nan, nan, 0, 0, 0, 0},
                                          Workload{3, 5, nan, 0, 0, 0, 0}};
    const Workload mean = mean_workload(windows);
    CHECK(mean[0] == 2);
    CHECK(mean[1] == 5);
    CHECK(std::isnan(mean[2]));
}

TEST_CASE("policy workload: layouts move it by less than the nearness, other loads by more") {
    const auto samples = read_samples(INTELLISCHED_SAMPLES);
    REQUIRE_MESSAGE(samples, samples.error().message);
    std::map<std::string, std::map<std::string, std::vector<Workload>>> seen;
    for (const auto& sample : *samples)
        seen[sample.scenario()][sample.current()].push_back(
            workload_of({{sample.features().begin(), sample.features().end()}}));
    REQUIRE(seen.size() == 14);

    unsigned pairs = 0, told_apart = 0;
    for (const auto& [scenario, layouts] : seen)
        for (const auto& [layout, windows] : layouts)
            for (const auto& [other_scenario, other_layouts] : seen)
                for (const auto& [other_layout, other_windows] : other_layouts) {
                    const double apart =
                        distance(mean_workload(windows), mean_workload(other_windows));
                    if (scenario == other_scenario) {
                        INFO(scenario << " " << layout << " " << other_layout);
                        CHECK(apart <= QuarantineSettings{}.near);
                        continue;
                    }
                    ++pairs;
                    told_apart += apart > QuarantineSettings{}.near;
                }
    INFO(told_apart << " of " << pairs);
    CHECK(told_apart > 0.95 * pairs);
}
