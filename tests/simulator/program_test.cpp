// SPDX-License-Identifier: GPL-2.0-only
// credit2-sim as a program: what a run leaves behind, that it is the same every time, how it ends,
// and a client that steps it.
#include "bench/simulator/run.hpp"
#include "src/host/capture_host.hpp"
#include "src/host/observe.hpp"
#include "src/proto/simulator.pb.h"
#include "tests/simulator/program.hpp"

#include <array>
#include <csignal>
#include <cstdio>
#include <doctest/doctest.h>
#include <fstream>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace sim;
using intellisched::test::slurp;

namespace {

const std::string servers =
    "name: 'servers' seed: 5 machine { sockets: 2 cores: 4 threads: 2 } warmup_s: 1.2 measured_s: "
    "2 "
    "guests { name: 'web' vcpus: 8 phases { loads { open_server { requests_per_s: 9000 "
    "service { mean_us: 300 shape: LOGNORMAL } } } } } "
    "guests { name: 'hogs' vcpus: 12 weight: 128 phases { loads { hog {} } } } ";

} // namespace

TEST_CASE("credit2-sim: a capture is read into windows like that of a host") {
    const Directory directory;
    const std::string scenario = directory.file("servers.scenario", servers);
    const fs::path capture = directory.path / "capture";
    const Done done =
        credit2_sim("run " + scenario + " --layout core --quiet --capture " + capture.string());
    INFO(done.output);
    REQUIRE(done.status == 0);
    CHECK(done.output.empty());

    auto host = intellisched::CaptureHost::open(capture);
    REQUIRE(host);
    CHECK((*host)->manifest().complete());
    CHECK((*host)->manifest().pool() == "Pool-0");
    CHECK((*host)->manifest().note() == "scenario servers, seed 5");
    CHECK((*host)->info().boot.layout == intellisched::Layout::socket);
    std::vector<intellisched::WindowStats> windows;
    const auto observed = intellisched::observe(
        **host, {}, [&](const intellisched::WindowStats& stats) { windows.push_back(stats); });
    REQUIRE(observed);
    CHECK(observed->stream.lost == 0);
    REQUIRE(windows.size() == 2);
    double running_s = 0;
    double waiting_s = 0;
    double wakeups = 0;
    for (const intellisched::WindowStats& window : windows) {
        CHECK(window.facts.in_force.layout == intellisched::Layout::core);
        CHECK(window.facts.runqueues_in_force.size() == 8);
        CHECK(window.facts.can_rearrange);
        running_s += window.running / window.tsc_hz;
        waiting_s += window.waiting / window.tsc_hz;
        wakeups += static_cast<double>(window.wakeups);
    }

    // The trace tells what the simulator counted itself.
    auto reader = intellisched::RecordReader::open(capture / truth_file, truth_format);
    REQUIRE(reader);
    proto::Truth truth;
    REQUIRE(reader->next(truth).value());
    CHECK(truth.seconds() == doctest::Approx(2));
    REQUIRE(truth.guests_size() == 3);
    double run_s = 0;
    double runnable_s = 0;
    for (const proto::GuestTruth& guest : truth.guests()) {
        run_s += guest.run_ns() / 1e9;
        runnable_s += guest.runnable_ns() / 1e9;
    }
    CHECK(running_s == doctest::Approx(run_s).epsilon(0.01));
    CHECK(waiting_s == doctest::Approx(runnable_s).epsilon(0.01));
    CHECK(wakeups == doctest::Approx(truth.pools(0).wakeups()).epsilon(0.01));
    CHECK(truth.guests(1).requests() == doctest::Approx(18000).epsilon(0.05));
    CHECK(truth.guests(1).response().p50_us() > 150);
    CHECK(truth.guests(2).requests() == 0);
    // What a host sees of demand is what the simulator knows where loads are closed.
    double demand_s = 0;
    for (const intellisched::WindowStats& window : windows)
        demand_s += window.domains.at(2).demand / window.tsc_hz;
    CHECK(demand_s == doctest::Approx(truth.guests(2).demand_ns() / 1e9).epsilon(0.01));
}

TEST_CASE("credit2-sim: demand is what guests would run alone") {
    const Directory directory;
    const auto beside_a_hog = [&](const std::string& load) {
        const std::string scenario = directory.file(
            "demand.scenario", "machine { sockets: 1 cores: 1 threads: 1 } warmup_s: 1 "
                               "measured_s: 4 xen_args: 'sched_ratelimit_us=10000' "
                               "guests { name: 'a' vcpus: 1 phases { loads { " +
                                   load +
                                   " } } } "
                                   "guests { name: 'hog' vcpus: 1 phases { loads { hog {} } } }");
        return truth_of("run " + scenario);
    };
    // A server that is offered 0.03 CPUs and waits for most of a rate limit each time.
    const auto open =
        beside_a_hog("open_server { requests_per_s: 100 service { mean_us: 300 shape: FIXED } }");
    const proto::GuestTruth& server = open.guests(1);
    CHECK(server.runnable_ns() > 5 * server.run_ns());
    CHECK(server.demand_ns() == doctest::Approx(server.work_ns()).epsilon(0.02));
    CHECK(open.guests(2).demand_ns() == doctest::Approx(4e9).epsilon(0.001));
    // One that is offered more than it can do: what is not done yet is wanted as well.
    const auto full =
        beside_a_hog("open_server { requests_per_s: 900 service { mean_us: 1000 shape: FIXED } }");
    CHECK(full.guests(1).run_ns() < 2.2e9);
    CHECK(full.guests(1).demand_ns() == doctest::Approx(0.9 * 4e9).epsilon(0.1));
    // A client that thinks for as long as it is served: half of the time, when nobody is in the
    // way.
    const auto closed = beside_a_hog("closed_server { clients: 1 think { mean_us: 2000 } "
                                     "service { mean_us: 2000 } }");
    CHECK(closed.guests(1).run_ns() < 1.8e9);
    CHECK(closed.guests(1).demand_ns() == doctest::Approx(2e9).epsilon(0.1));
}

TEST_CASE("credit2-sim: demand is the same under every layout and rate limit, whatever the load") {
    const Directory directory;
    const std::vector<std::string> loads{
        "hog { }",
        "open_server { requests_per_s: 3000 service { mean_us: 200 } burst: 3 }",
        "closed_server { clients: 9 think { mean_us: 900 } service { mean_us: 300 } }",
        "ring { tokens: 2 hop { mean_us: 80 } }",
        "build { width: 6 job { mean_us: 5000 } io_per_job: 3 io { mean_us: 700 } }",
        "periodic { period_us: 4000 run { mean_us: 900 } }",
        "database { work { mean_us: 200 } critical { mean_us: 60 } think { mean_us: 500 } }",
        "boot { boots: 1000 work_ms: 40 stretch { mean_us: 300 } io { mean_us: 400 } }",
        "frontend { work { mean_us: 150 } backend_work { mean_us: 30 } device { mean_us: 200 } }",
        "replay { vcpus { block_us: [500] run_us: [3000000] } }"};
    std::string guests;
    for (const std::string& load : loads)
        guests += "guests { name: '" + load.substr(0, load.find(' ')) +
                  "' vcpus: 4 phases { loads { " + load + " } } } ";
    std::map<std::string, double> demand;
    unsigned runs = 0, waited = 0;
    for (const std::string layout : {"cpu", "core", "all"})
        for (const std::string limit : {"0", "1000", "10000"}) {
            const std::string scenario = directory.file(
                "demand.scenario", "machine { sockets: 2 cores: 2 threads: 2 } warmup_s: 0.5 "
                                   "measured_s: 0.5 xen_args: 'sched_ratelimit_us=" +
                                       limit + "' " + guests);
            const proto::Truth truth = truth_of("run " + scenario + " --layout " + layout);
            ++runs;
            for (const proto::GuestTruth& guest : truth.guests()) {
                CAPTURE(guest.name());
                CAPTURE(layout);
                CAPTURE(limit);
                waited += guest.runnable_ns() > 0.2 * guest.run_ns() ? 1 : 0;
                const auto [first, fresh] = demand.try_emplace(guest.name(), guest.demand_ns());
                CHECK(guest.demand_ns() == doctest::Approx(first->second).epsilon(0.01));
                CHECK(guest.demand_ns() > 0.01e9);
            }
        }
    CHECK(waited > runs * loads.size() / 2); // or there was nothing to be put right
    CHECK(demand.at("hog") == doctest::Approx(4 * 0.5e9).epsilon(0.001));
    CHECK(demand.at("periodic") == doctest::Approx(4 * 0.5e9 * 900 / 4000).epsilon(0.05));
}

TEST_CASE("credit2-sim: vCPUs spin for others that Xen has preempted, and for no others") {
    const Directory directory;
    // What the build does, in CPUs.
    const auto done = [&](const std::string& costs, const std::string& machine, bool hogs) {
        const std::string scenario = directory.file(
            "spin.scenario",
            "machine { " + machine + " threads: 1 } warmup_s: 0.5 measured_s: 2 costs { " + costs +
                " } xen_args: 'sched_ratelimit_us=10000' guests { name: 'build' vcpus: 4 phases { "
                "loads { build { job { mean_us: 3000 } } } } } " +
                (hogs ? "guests { name: 'hogs' vcpus: 4 phases { loads { hog {} } } } "
                        "guests { name: 'wakes' vcpus: 4 phases { loads { open_server { "
                        "requests_per_s: 8000 service { mean_us: 50 } } } } }"
                      : ""));
        const proto::GuestTruth build = truth_of("run " + scenario).guests(1);
        CHECK(build.name() == "build");
        return build.work_ns() / 2e9;
    };
    // To wait, for the others or for a CPU that was yielded, is no work.
    const std::string four = "sockets: 1 cores: 4";
    const double none = done("spin_us: 0", four, true);
    CHECK(done("shootdown_ms: 0", four, true) == none);
    CHECK(done("shootdown_ms: 2", four, true) < 0.99 * none);
    // Where each has a CPU nobody waits.
    const std::string twelve = "sockets: 1 cores: 12";
    CHECK(done("shootdown_ms: 2", twelve, true) ==
          doctest::Approx(done("spin_us: 0", twelve, true)).epsilon(1e-4));
}

TEST_CASE("credit2-sim: the same scenario and seed give the same bytes") {
    const Directory directory;
    const std::string scenario = directory.file("servers.scenario", servers);
    const auto capture = [&](const std::string& name, const std::string& options) {
        const fs::path path = directory.path / name;
        const Done done =
            credit2_sim("run " + scenario + " --quiet --capture " + path.string() + options);
        INFO(done.output);
        REQUIRE(done.status == 0);
        return path;
    };
    const fs::path one = capture("one", "");
    const fs::path same = capture("same", "");
    const fs::path other = capture("other", " --seed 6");
    for (const char* file : {"manifest.pb", "host.pb", "counters.pb", "trace.zst", "truth.pb"}) {
        CAPTURE(file);
        REQUIRE(fs::exists(one / file));
        CHECK(slurp(one / file) == slurp(same / file));
    }
    CHECK(slurp(one / "trace.zst") != slurp(other / "trace.zst"));
}

TEST_CASE("credit2-sim: tracing costs hardly anything") {
    const Directory directory;
    const std::string scenario = directory.file("servers.scenario", servers);
    const std::string with = (directory.path / "with").string();
    const auto traced = truth_of("run " + scenario + " --capture " + with);
    const auto untraced = truth_of("run " + scenario);
    CHECK(static_cast<double>(traced.guests(1).requests()) ==
          doctest::Approx(untraced.guests(1).requests()).epsilon(0.005));
    CHECK(traced.guests(2).work_ns() ==
          doctest::Approx(untraced.guests(2).work_ns()).epsilon(0.005));
}

TEST_CASE("credit2-sim: without costs it is the closed queue M/M/c//N") {
    const Directory directory;
    const std::string scenario = directory.file(
        "closed.scenario",
        "machine { sockets: 1 cores: 4 threads: 1 } measured_s: 20 "
        "guests { name: 'web' vcpus: 12 phases { loads { closed_server { clients: 12 "
        "think { mean_us: 800 } service { mean_us: 200 } } } } }");
    const std::string costs = directory.file(
        "none.costs",
        "smt_speed: 1 refill_core_us: 0 refill_socket_us: 0 refill_memory_us: 0 "
        "refill_remote_us: 0 "
        "numa_remote_speed: 1 context_switch_us: 0 ipi_us: 0 idle_exit_us: 0 block_ns: 0 "
        "lock_transfer_core_ns: 0 lock_transfer_socket_ns: 0 lock_transfer_llc_ns: 0 "
        "lock_transfer_remote_ns: 0 hypercall_us: 0");
    const auto truth = truth_of("run " + scenario + " --costs " + costs);
    CHECK(truth.guests(1).work_ns() / 20e9 == doctest::Approx(2.366).epsilon(0.01));
    CHECK(static_cast<double>(truth.guests(1).requests()) / 20 ==
          doctest::Approx(2.366 / 200e-6).epsilon(0.01));
}

TEST_CASE("credit2-sim: guests come and go, pools and layouts change, on real Xen code") {
    const Directory directory;
    const std::string scenario = directory.file(
        "busy.scenario",
        "machine { sockets: 2 cores: 4 threads: 2 } pools { name: 'batch' cpus: '12-15' "
        "arrangement { layout: 'cpu' } } measured_s: 3 "
        "guests { name: 'web' vcpus: 6 phases { loads { ring { tokens: 3 hop { mean_us: 90 } } } } "
        "phases { at_s: 2 loads { frontend { work { mean_us: 200 } backend_work { mean_us: 40 } } "
        "} "
        "loads { hog { threads: 2 } } } } "
        "guests { name: 'night' pool: 'batch' vcpus: 4 cap: 150 start_s: 0.5 stop_s: 3.2 "
        "phases { loads { build { job { mean_us: 3000 } io_per_job: 2 io { mean_us: 500 } } } } } "
        "actions { at_s: 2.0 set_arrangement { arrangement { layout: 'all' } } } "
        "actions { at_s: 2.4 move_cpu { cpu: 11 } } actions { at_s: 2.6 move_cpu { cpu: 11 pool: "
        "'batch' } } actions { at_s: 2.8 set_scheduling { guest: 'night' weight: 1024 cap: 0 } } "
        "actions { at_s: 3.0 move_guest { guest: 'web' pool: 'batch' } } "
        "actions { at_s: 3.5 move_guest { guest: 'web' pool: 'Pool-0' } }");
    const fs::path capture = directory.path / "capture";
    const auto truth = truth_of("run " + scenario + " --capture " + capture.string());
    REQUIRE(truth.guests_size() == 3);
    CHECK(truth.guests(1).requests() > 10000);
    CHECK(truth.guests(2).name() == "night");
    CHECK(truth.guests(2).requests() > 500);
    CHECK(truth.guests(0).work_ns() > 1e7); // the back-end
    auto host = intellisched::CaptureHost::open(capture);
    REQUIRE(host);
    unsigned windows = 0;
    CHECK(intellisched::observe(**host, {}, [&](const auto&) { ++windows; }));
    CHECK(windows > 0);
}

TEST_CASE("credit2-sim: an interrupted run leaves a whole, shorter capture") {
    const Directory directory;
    const std::string scenario = directory.file("servers.scenario", servers);
    const fs::path capture = directory.path / "capture";
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::execl(CREDIT2_SIM, CREDIT2_SIM, "run", scenario.c_str(), "--quiet", "--seconds", "900",
                "--capture", capture.c_str(), nullptr);
        ::_exit(127);
    }
    while (!fs::exists(capture / "manifest.pb")) ::usleep(10'000);
    ::usleep(300'000);
    REQUIRE(::kill(child, SIGINT) == 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    auto host = intellisched::CaptureHost::open(capture);
    REQUIRE(host);
    CHECK((*host)->manifest().complete());
    CHECK(intellisched::observe(**host, {}, [](const auto&) {}));
    CHECK(fs::exists(capture / truth_file));
}

TEST_CASE("credit2-sim: wrong usage and failures have their statuses and a line") {
    const Directory directory;
    const std::string good = directory.file("servers.scenario", servers);
    const std::string bad = directory.file("bad.scenario", "machine { sockets: 9 }");
    const std::string refused =
        directory.file("refused.scenario", servers + "xen_args: 'credit2_runqueue=row'");
    struct Wrong {
        std::string arguments;
        int status;
        std::string fragment;
    };
    for (const Wrong& wrong : {
             Wrong{"", 2, "--help"},
             Wrong{"run", 2, "scenario"},
             Wrong{"run " + good + " --seconds nan", 2, "--seconds"},
             Wrong{"run " + good + " --layout row", 1, "--layout row"},
             Wrong{"run " + good + " --layout core:0", 1, "'0' is no cap"},
             Wrong{"run " + good + " --seed -1", 2, "--seed"},
             Wrong{"run " + bad, 1, "machine.sockets is 9"},
             Wrong{"run " + refused, 1, "credit2_runqueue=row"},
             Wrong{"run /nonexistent", 1, "/nonexistent"},
             Wrong{"run " + good + " --costs " + good, 1, ":1: "},
             Wrong{"run " + good + " --capture " + directory.path.string(), 1, "not empty"},
             Wrong{"serve " + good, 2, "fd"},
             Wrong{"serve " + good + " --fd 77", 1, "cannot read from the client"},
             Wrong{"check " + good + " " + bad, 1, "1 of 2"},
             Wrong{"generate --family disco --out /tmp", 2, "disco"},
             Wrong{"generate --topology 2s8c --out /tmp", 2, "'2s8c' is no topology"},
         }) {
        CAPTURE(wrong.arguments);
        const Done done = credit2_sim(wrong.arguments);
        CAPTURE(done.output);
        CHECK(done.status == wrong.status);
        CHECK(done.output.find(wrong.fragment) != std::string::npos);
    }
    CHECK(credit2_sim("check " + good).status == 0);
    CHECK(credit2_sim("costs").output.find("smt_speed") != std::string::npos);
}

TEST_CASE("credit2-sim: the ready-made scenarios are right") {
    unsigned count = 0;
    for (const auto& entry : fs::directory_iterator(SCENARIOS)) {
        if (entry.path().extension() != ".scenario") continue;
        const Done done = credit2_sim("check " + entry.path().string());
        INFO(done.output);
        CHECK(done.status == 0);
        ++count;
    }
    CHECK(count == 6);
}

TEST_CASE("credit2-sim serve: a client steps it and changes the layout") {
    const Directory directory;
    const std::string scenario = directory.file("servers.scenario", servers);
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::close(ends[0]);
        ::execl(CREDIT2_SIM, CREDIT2_SIM, "serve", scenario.c_str(), "--fd",
                std::to_string(ends[1]).c_str(), nullptr);
        ::_exit(127);
    }
    ::close(ends[1]);
    const auto ask = [&](const proto::SimRequest& request) {
        const std::string message = request.SerializeAsString();
        std::string bytes;
        for (unsigned i = 0; i < 4; ++i) bytes += static_cast<char>(message.size() >> (8 * i));
        bytes += message;
        REQUIRE(::send(ends[0], bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(bytes.size()));
        std::array<unsigned char, 4> head{};
        REQUIRE(::recv(ends[0], head.data(), 4, MSG_WAITALL) == 4);
        const std::size_t length =
            head[0] | head[1] << 8U | head[2] << 16U | static_cast<std::size_t>(head[3]) << 24U;
        std::string answer(length, '\0');
        REQUIRE(::recv(ends[0], answer.data(), length, MSG_WAITALL) ==
                static_cast<ssize_t>(length));
        proto::SimReply reply;
        REQUIRE(reply.ParseFromString(answer));
        CHECK(reply.error().empty());
        return reply;
    };
    proto::SimRequest request;
    request.set_hello(true);
    const auto hello = ask(request);
    CHECK(hello.snapshot().cpus_size() == 16);
    CHECK(hello.info().tsc_khz() > 0);
    CHECK(hello.info().boot().layout() == "socket");
    std::size_t traced = 0;
    bool ended = false;
    for (unsigned step = 0; step < 100 && !ended; ++step) {
        request.mutable_advance()->set_ns(100'000'000);
        const auto reply = ask(request);
        traced += reply.trace().size();
        ended = reply.ended();
        CHECK(reply.has_counters());
        if (step != 10) continue;
        request.mutable_set_layout()->mutable_arrangement()->set_layout("cpu");
        const auto set = ask(request);
        CHECK(set.in_force().arrangement().layout() == "cpu");
        CHECK(set.in_force().runqueues() == 16);
        REQUIRE(set.has_snapshot());
        CHECK(set.snapshot().pools(0).arrangement().layout() == "cpu");
    }
    CHECK(ended);
    CHECK(traced > 100'000);
    request.set_get_truth(true);
    const auto truth = ask(request).truth();
    CHECK(truth.seconds() == doctest::Approx(2));
    CHECK(truth.guests(1).requests() > 10000);
    ::close(ends[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}
