// SPDX-License-Identifier: GPL-2.0-only
// Every kind of load on an ideal machine, held against what queueing theory or plain arithmetic
// says.
#include "bench/simulator/loads/backend.hpp"
#include "bench/simulator/loads/kind.hpp"
#include "bench/simulator/scenario.hpp"
#include "tests/simulator/ideal_machine.hpp"

#include <doctest/doctest.h>
#include <google/protobuf/text_format.h>
#include <string>

using namespace sim;

namespace {

/// Guests (after Domain-0) given as text of their phases, on `cpus` ideal CPUs.
struct Bench {
    IdealMachine machine;
    proto::Scenario scenario;
    std::vector<std::unique_ptr<GuestOs>> guests;

    Bench(unsigned cpus, const std::vector<std::pair<unsigned, std::string>>& vcpus_and_phases)
        : machine(cpus) {
        scenario.set_seed(7);
        scenario.mutable_costs()->set_spin_us(0); // what theory knows nothing of
        scenario.mutable_machine()->set_sockets(1);
        scenario.mutable_machine()->set_cores(cpus);
        scenario.mutable_machine()->set_threads(1);
        for (const auto& [vcpus, phases] : vcpus_and_phases) {
            proto::Guest guest;
            REQUIRE(google::protobuf::TextFormat::ParseFromString(phases, &guest));
            guest.set_name("guest" + std::to_string(scenario.guests_size() + 1));
            guest.set_vcpus(vcpus);
            *scenario.add_guests() = guest;
        }
        scenario = completed(scenario);
        for (int i = 0; i < scenario.guests_size(); ++i)
            guests.push_back(
                std::make_unique<GuestOs>(static_cast<std::uint32_t>(i), scenario, machine.now()));
        std::vector<GuestOs*> all;
        for (const auto& guest : guests) all.push_back(guest.get());
        for (GuestOs* guest : all) guest->meet(all);
    }

    void start() {
        for (std::size_t i = 0; i < guests.size(); ++i) {
            DomainOptions options;
            options.guest = static_cast<std::uint32_t>(i);
            options.vcpus = guests[i]->vcpus();
            REQUIRE(machine.create_domain(options, *guests[i]));
        }
    }
    void run(double seconds) {
        REQUIRE(machine.advance(machine.now() + static_cast<Nanoseconds>(seconds * 1e9)));
    }
    /// The results of `guest` in the next `seconds`.
    proto::GuestTruth measure(double seconds, std::size_t guest = 1) {
        for (const auto& one : guests) one->results = {};
        machine.reset_truth();
        run(seconds);
        proto::GuestTruth truth;
        guests[guest]->results_by_now().put(truth);
        return truth;
    }
};

/// One guest, started and in its steady state.
Bench one_guest(unsigned cpus, unsigned vcpus, const std::string& load) {
    Bench bench(cpus, {{vcpus, "phases { loads { " + load + " } }"}});
    bench.start();
    bench.run(0.5);
    return bench;
}

void check_close(double value, double expected, double part) {
    CAPTURE(value);
    CAPTURE(expected);
    CHECK(value == doctest::Approx(expected).epsilon(part));
}

} // namespace

TEST_CASE("guest: a vCPU that ran before the guest was started is roused by the start") {
    // Xen unpauses a domain's vCPUs one by one, and the first ones run meanwhile.
    struct Recorder final : Platform {
        std::vector<std::uint32_t> notified;
        [[nodiscard]] Nanoseconds now() const override { return 1'000'000; }
        void notify(VcpuId to) override { notified.push_back(to.vcpu); }
        void set_timer(VcpuId, Nanoseconds) override {}
        [[nodiscard]] Nanoseconds waiting_since(VcpuId) const override { return 0; }
        void call_outside(std::uint32_t, Nanoseconds, std::uint64_t) override {}
    } platform;
    Bench bench(2, {{2, "phases { loads { boot { work_ms: 20 stretch { mean_us: 500 } } } }"}});
    GuestOs& guest = *bench.guests[1];
    CHECK(guest.next(0, platform).kind == Step::Kind::block);
    guest.start(platform);
    CHECK(platform.notified == std::vector<std::uint32_t>{0}); // vCPU 1 has its first run to come
    CHECK(guest.next(0, platform).kind == Step::Kind::compute);
    CHECK(guest.next(1, platform).kind == Step::Kind::compute);
}

TEST_CASE("loads: hogs take all the CPU time there is") {
    auto bench = one_guest(2, 4, "hog {}");
    bench.measure(1);
    check_close(bench.machine.work_s(1), 2.0, 0.01);
}

TEST_CASE("loads: a guest's threads share its vCPUs evenly, in slices") {
    // Three endless threads on one vCPU, and one that plays: it waits for at most three slices.
    Bench bench(1, {{1, "phases { loads { hog { threads: 3 } } loads { periodic { period_us: 20000 "
                        "run { mean_us: 1000 shape: FIXED } } } }"}});
    bench.start();
    bench.run(0.5);
    const auto truth = bench.measure(10);
    CHECK(truth.deadlines() == doctest::Approx(500).epsilon(0.01));
    CHECK(truth.misses() == 0);
    CHECK(truth.response().max_us() <= 3 * 3000 + 1000);
    CHECK(truth.response().max_us() > 6000);
}

TEST_CASE("loads: an open server with one vCPU is an M/M/1 queue") {
    auto bench = one_guest(1, 1, "open_server { requests_per_s: 700 service { mean_us: 1000 } }");
    const auto truth = bench.measure(2000);
    check_close(static_cast<double>(truth.requests()), 700 * 2000, 0.005);
    check_close(truth.response().mean_us(), 1e6 / (1000 - 700), 0.03);
    // Response times are exponential: quantile q at -ln(1 - q) times the mean.
    check_close(truth.response().p50_us(), 1e6 / 300 * 0.6931, 0.03);
    check_close(truth.response().p99_us(), 1e6 / 300 * 4.6052, 0.05);
}

TEST_CASE("loads: what an overloaded server does not get to counts with its age") {
    Bench bench(1,
                {{1, "phases { loads { open_server { requests_per_s: 2000 service { mean_us: 1000 "
                     "} } } }"}});
    bench.start();
    // What was done at time t came at t / 2; the rest has come since half of the time.
    const auto truth = bench.measure(10);
    check_close(static_cast<double>(truth.requests()), 10'000, 0.05);
    check_close(static_cast<double>(truth.response().count()), 20'000, 0.05);
    check_close(truth.response().max_us(), 5e6, 0.1);
    check_close(truth.response().p50_us(), 2.5e6, 0.1);
}

TEST_CASE("loads: an open server with four vCPUs is an M/M/4 queue") {
    // Offered load 3 of 4: Erlang's C is 0.50943, the wait C / (4 mu - lambda).
    auto bench = one_guest(4, 4, "open_server { requests_per_s: 3000 service { mean_us: 1000 } }");
    const auto truth = bench.measure(500);
    check_close(truth.response().mean_us(), 1000 + 0.50943 * 1e6 / (4000 - 3000), 0.02);
}

TEST_CASE("loads: requests come in bursts of the mean asked for") {
    // M[X]/M/1, sizes geometric with mean b: the mean response is b / (mu (1 - rho)).
    auto bench =
        one_guest(1, 1, "open_server { requests_per_s: 500 service { mean_us: 1000 } burst: 4 }");
    const auto truth = bench.measure(3000);
    check_close(static_cast<double>(truth.requests()), 500 * 3000, 0.01);
    check_close(truth.response().mean_us(), 4 * 1000 / 0.5, 0.04);
}

TEST_CASE("loads: a closed server is the closed queue M/M/c//N") {
    // 12 clients, 200 us run, 800 us away: with 4 CPUs 2.366 of them are busy on average.
    auto bench = one_guest(
        4, 12, "closed_server { clients: 12 think { mean_us: 800 } service { mean_us: 200 } }");
    const auto truth = bench.measure(100);
    check_close(static_cast<double>(truth.requests()) / 100, 2.366 / 200e-6, 0.003);
    // Little: clients = rate (think + response).
    check_close(truth.response().mean_us(), 12 / (2.366 / 200) - 800, 0.02);
}

TEST_CASE("loads: one token makes a wake chain, a hop after the other") {
    auto bench = one_guest(4, 4, "ring { hop { mean_us: 50 shape: FIXED } }");
    const auto truth = bench.measure(1);
    check_close(static_cast<double>(truth.requests()), 20000, 0.001);
    CHECK(truth.response().max_us() == 50);
}

TEST_CASE("loads: a ring of tokens is the closed queueing network") {
    // n exponential stations, k tokens: each is busy k / (n + k - 1) of the time.
    auto bench = one_guest(8, 4, "ring { tokens: 3 hop { mean_us: 100 } }");
    const auto truth = bench.measure(60);
    check_close(static_cast<double>(truth.requests()) / 60, 4 * 1e4 * 3 / (4 + 3 - 1), 0.01);
}

TEST_CASE("loads: a build takes its work over its width") {
    const std::string load = "build { width: 6 job { mean_us: 5000 shape: FIXED } ";
    auto busy = one_guest(8, 8, load + "}");
    check_close(static_cast<double>(busy.measure(10).requests()), 10 * 6 / 5e-3, 0.001);
    // Two waits of 1 ms in each job.
    auto waiting = one_guest(8, 8, load + "io_per_job: 2 io { mean_us: 1000 shape: FIXED } }");
    const auto truth = waiting.measure(10);
    check_close(static_cast<double>(truth.requests()), 10 * 6 / 7e-3, 0.001);
    check_close(truth.response().mean_us(), 7000, 0.001);
    // Fewer CPUs than width: the CPUs are what counts.
    auto crowded = one_guest(3, 8, load + "}");
    check_close(static_cast<double>(crowded.measure(10).requests()), 10 * 3 / 5e-3, 0.002);
}

TEST_CASE("loads: periodic jobs meet their deadlines when there is room, and only then") {
    const std::string load = "periodic { period_us: 10000 run { mean_us: 6000 shape: FIXED } }";
    auto roomy = one_guest(2, 2, load);
    const auto met = roomy.measure(10);
    CHECK(met.deadlines() == doctest::Approx(2000).epsilon(0.002));
    CHECK(met.misses() == 0);
    CHECK(met.response().max_us() == 6000);
    // 1.2 CPUs wanted of one: every job counts, done or left out, and the CPU is never idle.
    auto tight = one_guest(1, 2, load);
    const auto missed = tight.measure(10);
    CHECK(missed.deadlines() == doctest::Approx(2000).epsilon(0.01));
    CHECK(missed.misses() > 300);
    CHECK(missed.requests() == doctest::Approx(10 / 6e-3).epsilon(0.02));
}

TEST_CASE("loads: a saturated lock lets one critical section through after the other") {
    auto bench = one_guest(8, 8,
                           "database { threads: 16 work { mean_us: 100 } "
                           "critical { mean_us: 50 shape: FIXED } }");
    check_close(static_cast<double>(bench.measure(5).requests()), 5 / 50e-6, 0.001);
    // Four locks, few threads: only work and critical section count.
    auto free =
        one_guest(8, 8,
                  "database { threads: 1 locks: 4 work { mean_us: 100 shape: FIXED } "
                  "critical { mean_us: 50 shape: FIXED } think { mean_us: 50 shape: FIXED } }");
    const auto truth = free.measure(5);
    check_close(static_cast<double>(truth.requests()), 5 / 200e-6, 0.001);
    CHECK(truth.response().max_us() == 150);
}

TEST_CASE("loads: what does not come to its end counts with its age, whatever the load") {
    const std::string slow = "{ mean_us: 1e9 shape: FIXED }";
    for (const std::string& load : std::vector<std::string>{
             "open_server { requests_per_s: 1000 service " + slow + " }",
             "closed_server { clients: 3 think { mean_us: 10 } service " + slow + " }",
             "ring { hop " + slow + " }", "build { job " + slow + " }",
             "database { work " + slow + " critical { mean_us: 10 } }",
             "boot { boots: 1 work_ms: 1e6 stretch " + slow + " io { mean_us: 10 } }"}) {
        CAPTURE(load);
        const auto truth = one_guest(1, 1, load).measure(1.5);
        CHECK(truth.requests() == 0);
        CHECK(truth.response().count() > 0);
        check_close(truth.response().max_us(), 2e6, 0.01);
    }
    Bench asks(2, {{1, "phases { loads { frontend { work { mean_us: 10 } backend_work " + slow +
                           " } } }"}});
    auto backend = std::make_unique<Backend>(*asks.guests[0], 1);
    asks.guests[1]->connect("Domain-0", *backend);
    asks.guests[0]->add_service(std::move(backend));
    asks.start();
    check_close(asks.measure(2).response().max_us(), 2e6, 0.01);
}

TEST_CASE("loads: a guest boots as often as asked, then is idle") {
    Bench bench(4, {{4, "phases { loads { boot { boots: 3 work_ms: 80 stretch { mean_us: 2000 "
                        "shape: FIXED } io { mean_us: 1000 shape: FIXED } } } }"}});
    bench.start();
    // Each of 4 vCPUs: 20 ms in 10 stretches with 9 waits: 29 ms a boot.
    const auto truth = bench.measure(1);
    CHECK(truth.requests() == 3);
    check_close(truth.response().mean_us(), 29000, 0.001);
    check_close(bench.machine.work_s(1), 3 * 0.080, 0.001);
    const auto after = bench.machine.events;
    bench.run(10);
    CHECK(bench.machine.events == after);
}

TEST_CASE("loads: a front-end waits for its back-end in Domain-0 and for the device") {
    Bench bench(4, {{2, "phases { loads { frontend { threads: 1 work { mean_us: 100 shape: FIXED } "
                        "backend_work { mean_us: 30 shape: FIXED } "
                        "device { mean_us: 70 shape: FIXED } } } }"}});
    auto backend = std::make_unique<Backend>(*bench.guests[0], 1);
    bench.guests[1]->connect("Domain-0", *backend);
    bench.guests[0]->add_service(std::move(backend));
    bench.start();
    bench.run(0.1);
    const auto truth = bench.measure(2);
    check_close(static_cast<double>(truth.requests()), 2 / 200e-6, 0.001);
    CHECK(truth.response().max_us() == 100);
    check_close(bench.machine.work_s(0), 2 * 30.0 / 200, 0.001);
}

TEST_CASE("loads: a back-end without a device answers at once, one request at a time") {
    Bench bench(8, {{4, "phases { loads { frontend { work { mean_us: 1 shape: FIXED } "
                        "backend_work { mean_us: 50 shape: FIXED } } } }"}});
    auto backend = std::make_unique<Backend>(*bench.guests[0], 1);
    bench.guests[1]->connect("Domain-0", *backend);
    bench.guests[0]->add_service(std::move(backend));
    bench.start();
    check_close(static_cast<double>(bench.measure(2).requests()), 2 / 50e-6, 0.001);
    CHECK_FALSE(bench.guests[0]->results.requests); // they are the front-end's
}

TEST_CASE("loads: requests on their way at a time, threads of the back-end, events for several") {
    const auto per_s = [](unsigned queues, const std::string& more) {
        Bench bench(8, {{1, "phases { loads { frontend { work { mean_us: 10 shape: FIXED } "
                            "backend_work { mean_us: 20 shape: FIXED } device { mean_us: 1000 "
                            "shape: FIXED } " +
                                more + " } } }"}});
        auto backend = std::make_unique<Backend>(*bench.guests[0], queues);
        bench.guests[1]->connect("Domain-0", *backend);
        bench.guests[0]->add_service(std::move(backend));
        bench.start();
        bench.run(0.1);
        return static_cast<double>(bench.measure(2).requests()) / 2;
    };
    check_close(per_s(1, ""), 1e6 / 1030, 0.01);
    check_close(per_s(1, "depth: 8"), 8e6 / 1030, 0.01);
    check_close(per_s(1, "depth: 256"), 1e6 / 20, 0.01); // what one thread serves
    check_close(per_s(3, "depth: 256"), 1e6 / 10, 0.01); // what the guest asks for
    check_close(per_s(1, "coalesce_us: 70"), 1e6 / 1100, 0.01);
    check_close(per_s(1, "coalesce_us: 70 depth: 8"), 8e6 / 1100, 0.03);
}

TEST_CASE("loads: a replay computes what was recorded, when it was recorded") {
    // Stretches at 0, 1, 1.5 and 10 ms; the second is not done when the third is due.
    const std::string run = "run_us: [100, 800, 50, 20] } } } }";
    Bench open(2, {{2, "phases { loads { replay { vcpus { wake_us: [0, 1000, 500, 8500] " + run}});
    open.start();
    const auto truth = open.measure(1);
    CHECK(truth.requests() == 4);
    check_close(open.machine.work_s(1), 970e-6, 1e-9);
    // From when they were due: 100, 800, 50 after the 300 that it was late, 20.
    check_close(truth.response().mean_us(), (100 + 800 + 350 + 20) / 4.0, 1e-9);
    CHECK(truth.response().max_us() == 800);
    const auto after = open.machine.events;
    open.run(10);
    CHECK(open.machine.events == after); // it is over
}

TEST_CASE("loads: a replay from block to wake-up moves on when it is late") {
    // Two vCPUs on one CPU, both with 300 us every 300 us after they blocked: each takes 600 us for
    // a stretch when the other wants the CPU at the same time.
    const std::string vcpu = "vcpus { block_us: [1000, 100, 100] run_us: [300, 300, 300] } ";
    Bench closed(1, {{2, "phases { loads { replay { " + vcpu + vcpu + "} } }"}});
    closed.start();
    const auto truth = closed.measure(1);
    CHECK(truth.requests() == 6);
    check_close(closed.machine.work_s(1), 6 * 300e-6, 1e-9);
    // The second is 300 us behind the first, whose next stretch, due 100 us after it blocked, has
    // to wait for it: the CPU is never idle from 1 to 2.8 ms, and every wait but the first is 200
    // us.
    check_close(truth.response().mean_us(), (300 + 600 + 4 * 500) / 6.0, 1e-9);
}

TEST_CASE("loads: in a causal replay a vCPU is woken when its waker has got as far") {
    // Guest 1's vCPU computes 400 us every 2 ms and wakes that of guest 2 after 300 of them, which
    // computes 100 us and wakes vCPU 1 of guest 1 at its end. An outside event comes at 1.5 ms of
    // each round. Domain-0 is guest 0.
    const std::string web =
        "vcpus { block_us: 0 run_us: 400 cause: TIMER rest_us: 1600 send_us: 300 send_guest: 2 "
        "send_vcpu: 0 } vcpus { block_us: [0, 0, 1500] run_us: [1, 50, 20] cause: [TIMER, VCPU, "
        "OUTSIDE] rest_us: 480 }";
    const std::string store = "vcpus { block_us: [0, 0] run_us: [1, 100] cause: [TIMER, VCPU] "
                              "send_us: 101 send_guest: 1 send_vcpu: 1 }";
    Bench causal(4, {{2, "phases { loads { replay { round_us: 2000 " + web + "} } }"},
                     {1, "phases { loads { replay { round_us: 2000 " + store + "} } }"}});
    causal.start();
    causal.run(0.1);
    const auto truth = causal.measure(1);
    // 500 rounds, of a stretch of the first and three of the second vCPU.
    check_close(static_cast<double>(truth.requests()), 4 * 500, 0.01);
    CHECK(truth.response().max_us() < 401); // nothing is late
    check_close(causal.machine.work_s(1), 500 * 471e-6, 0.01);
    check_close(causal.machine.work_s(2), 500 * 101e-6, 0.01);

    // On one CPU with a hog that never sleeps, the waker gets to its sends later: what it wakes
    // comes later too, and not at the time at which it was recorded.
    Bench shared(1,
                 {{1, "phases { loads { replay { round_us: 1000 vcpus { block_us: 0 run_us: 1000 "
                      "cause: TIMER send_us: 500 send_guest: 2 send_vcpu: 0 } } } }"},
                  {1, "phases { loads { replay { round_us: 1000 vcpus { block_us: [0, 0] run_us: "
                      "[1, 10] cause: [TIMER, VCPU] } } } }"},
                  {1, "phases { loads { hog { } } }"}});
    shared.start();
    shared.run(0.5);
    const auto woken = shared.measure(2, 2);
    const double rounds = shared.machine.work_s(1) / 1e-3;
    CHECK(rounds < 1100); // about half of 2 s
    CHECK(static_cast<double>(woken.requests()) / 2 == doctest::Approx(rounds).epsilon(0.05));
}

TEST_CASE("loads: a replay is of its phase, and a vCPU without stretches does nothing") {
    Bench bench(2,
                {{3, "phases { at_s: 0.5 loads { replay { vcpus { } vcpus { wake_us: 2000 run_us: "
                     "400 } } } } phases { at_s: 0.501 }"}});
    bench.start();
    CHECK(bench.measure(0.4).requests() == 0);
    CHECK(bench.measure(1).requests() == 0); // the phase was over when it was woken
    CHECK(bench.machine.work_s(1) == 0);
}

TEST_CASE("loads: phases follow each other, and the old threads are gone") {
    Bench bench(4, {{4, "phases { at_s: 1 loads { hog { threads: 2 } } } "
                        "phases { at_s: 2 loads { ring { hop { mean_us: 100 shape: FIXED } } } } "
                        "phases { at_s: 3 }"}});
    bench.start();
    bench.measure(1);
    CHECK(bench.machine.work_s(1) == 0);
    bench.measure(1);
    check_close(bench.machine.work_s(1), 2, 0.01);
    const auto ring = bench.measure(1);
    check_close(static_cast<double>(ring.requests()), 1e4, 0.01);
    bench.measure(0.01); // what was begun comes to its end
    bench.measure(1);
    CHECK(bench.machine.work_s(1) == 0);
}

TEST_CASE("loads: what is asked does not depend on how many CPUs there are") {
    const std::string load =
        "open_server { requests_per_s: 1000 service { mean_us: 500 } burst: 2 }";
    const auto few = one_guest(1, 4, load).measure(10);
    const auto many = one_guest(4, 4, load).measure(10);
    CHECK(few.response().mean_us() > many.response().mean_us());
    CHECK(std::abs(static_cast<double>(few.requests()) - static_cast<double>(many.requests())) <
          50);
}

TEST_CASE("loads: a stopped guest asks for nothing more") {
    auto bench = one_guest(2, 2,
                           "closed_server { clients: 4 think { mean_us: 100 } "
                           "service { mean_us: 100 } }");
    bench.guests[1]->stop();
    bench.run(0.1);
    const auto truth = bench.measure(1);
    CHECK(truth.requests() == 0);
    CHECK(bench.machine.work_s(1) == 0);
}

TEST_CASE("random: every shape has the mean asked for, whatever the seed") {
    for (const char* text :
         {"mean_us: 100", "mean_us: 100 shape: FIXED", "mean_us: 100 shape: PARETO alpha: 2.5",
          "mean_us: 100 shape: LOGNORMAL sigma: 0.7"}) {
        CAPTURE(text);
        proto::Times times;
        REQUIRE(google::protobuf::TextFormat::ParseFromString(text, &times));
        Random random = Random::stream({1, 2, 3});
        double sum = 0;
        for (int i = 0; i < 1'000'000; ++i) sum += static_cast<double>(random.draw(times));
        check_close(sum / 1e6, 100e3, 0.01);
    }
}

TEST_CASE("random: streams of different keys are different, of the same key the same") {
    CHECK(Random::stream({1, 2}).next() == Random::stream({1, 2}).next());
    CHECK(Random::stream({1, 2}).next() != Random::stream({2, 1}).next());
    CHECK(Random::stream({1, 2}).next() != Random::stream({1, 3}).next());
    CHECK(Random::stream({1, 0}).next() != Random::stream({1}).next());
}

TEST_CASE("results: quantiles are within 1% of the true ones") {
    Durations durations;
    CHECK(durations.quantiles().count() == 0);
    for (Nanoseconds i = 1; i <= 1'000'000; ++i) durations.add(i);
    const auto quantiles = durations.quantiles();
    CHECK(quantiles.count() == 1'000'000);
    check_close(quantiles.mean_us(), 500.0005, 1e-6);
    check_close(quantiles.p50_us(), 500, 0.01);
    check_close(quantiles.p99_us(), 990, 0.01);
    CHECK(quantiles.max_us() == 1000);
}
