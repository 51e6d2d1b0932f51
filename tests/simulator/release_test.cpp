// SPDX-License-Identifier: GPL-2.0-only
// Which Xen's scheduler a scenario runs on: how it is chosen, and that it is that one.
#include "src/host/capture_host.hpp"
#include "src/host/observe.hpp"
#include "tests/simulator/program.hpp"

#include <doctest/doctest.h>

using namespace sim;

namespace {

std::string two_hogs(const std::string& rest) {
    return "name: 'hogs' seed: 1 machine { sockets: 1 cores: 1 threads: 1 } measured_s: 1 "
           "guests { name: 'a' vcpus: 1 phases { loads { hog {} } } } "
           "guests { name: 'b' vcpus: 1 phases { loads { hog {} } } } " +
           rest;
}

double switches_per_s(const std::string& scenario, const std::string& options) {
    const auto truth = truth_of("run " + scenario + " --no-trace " + options);
    return static_cast<double>(truth.pools(0).context_switches()) / truth.seconds();
}

} // namespace

TEST_CASE("release: two hogs alternate by the rate limit since 4.20's credit2") {
    // xen commit ae648e9f80, in 4.20.2: what is left of the credit of who ran counts when the time
    // of the next is worked out. Before, two that are alone on a CPU got 10 ms each.
    const Directory directory;
    const std::string often =
        directory.file("often.scenario", two_hogs("xen_args: 'sched_ratelimit_us=1000'"));
    CHECK(switches_per_s(often, "--release 4.17") == doctest::Approx(100).epsilon(0.05));
    CHECK(switches_per_s(often, "--release 4.20") == doctest::Approx(1000).epsilon(0.05));
    const std::string seldom = directory.file(
        "seldom.scenario", two_hogs("xen: '4.20' xen_args: 'sched_ratelimit_us=5000'"));
    CHECK(switches_per_s(seldom, "") == doctest::Approx(200).epsilon(0.05)); // the scenario's word
    CHECK(switches_per_s(seldom, "--release 4.17") == doctest::Approx(100).epsilon(0.05));
}

TEST_CASE("release: a capture says of which Xen it is, and its layout is as asked for") {
    const Directory directory;
    const std::string scenario = directory.file(
        "four.scenario", "name: 'four' seed: 3 xen: '4.20' measured_s: 1 "
                         "machine { sockets: 2 cores: 2 threads: 2 } "
                         "guests { name: 'a' vcpus: 12 phases { loads { hog {} } } }");
    for (const auto& [layout, runqueues] : std::vector<std::pair<std::string, std::size_t>>{
             {"boot", 2}, {"cpu", 8}, {"core", 4}, {"all", 1}, {"all:2", 4}}) {
        INFO(layout);
        const fs::path capture = directory.path / layout;
        const Done done = credit2_sim("run " + scenario + " --layout " + layout +
                                      " --quiet --capture " + capture.string());
        INFO(done.output);
        REQUIRE(done.status == 0);
        auto host = intellisched::CaptureHost::open(capture);
        REQUIRE(host);
        CHECK((*host)->info().xen_version.starts_with("4.20."));
        std::vector<intellisched::WindowStats> windows;
        const auto observed = intellisched::observe(
            **host, {}, [&](const intellisched::WindowStats& one) { windows.push_back(one); });
        REQUIRE(observed);
        REQUIRE(!windows.empty()); // a change of layout begins another one
        CHECK(windows.back().facts.runqueues_in_force.size() == runqueues);
        CHECK(windows.back().facts.can_rearrange);
        // 12 hogs on 8 CPUs, not spread evenly right after a split.
        CHECK(windows.back().running > 0);
        CHECK(windows.back().waiting == doctest::Approx(windows.back().running / 2).epsilon(0.15));
    }
}

TEST_CASE("release: what cannot be is refused") {
    const Directory directory;
    const Done other =
        credit2_sim("run " + directory.file("x.scenario", two_hogs("xen: '4.21'")) + " --quiet");
    CHECK(other.status == 1);
    CHECK(other.output ==
          "credit2-sim: there is no simulator of Xen '4.21'; choose 4.17 or 4.20\n");
}
