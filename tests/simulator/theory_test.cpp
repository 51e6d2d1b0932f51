// SPDX-License-Identifier: GPL-2.0-only
// What must come out whatever Xen's code does in detail: queueing theory, weights, caps, speeds.
#include "tests/simulator/support.hpp"

#include <numeric>
#include <tuple>

using namespace sim;

namespace {

constexpr double second = 1e9;

/// Mean number of busy servers of the closed queue M/M/c//N: from its birth-death balance
/// equations.
double busy_servers(unsigned servers, unsigned clients, double run, double think) {
    double weight = 1, sum = 0, busy = 0;
    for (unsigned n = 0; n <= clients; ++n) {
        if (n > 0) weight *= (clients - n + 1) / think * run / std::min(n, servers);
        sum += weight;
        busy += weight * std::min(n, servers);
    }
    return busy / sum;
}

double busy_cpus(const MachineOptions& options, unsigned vcpus, double seconds) {
    auto machine = booted(options);
    Bursty clients(0, vcpus, 200, 800, 7);
    created(*machine, domain_of(0, vcpus), clients);
    run(*machine, 1.5);
    machine->reset_truth();
    run(*machine, seconds);
    const auto truth = machine->truth();
    CHECK(truth.guests(0).work_ns() == doctest::Approx(truth.guests(0).run_ns()).epsilon(1e-4));
    return truth.guests(0).run_ns() / (truth.seconds() * second);
}

/// Sizes of a core's cache and of a last-level cache with each core's part of it, and working sets
/// that are touched at once.
void set_caches(Costs& costs, double l2_kb, double llc_core_kb) {
    costs.l2_kb = l2_kb;
    costs.llc_core_kb = llc_core_kb;
    costs.refill_reference_kb = 256;
    costs.touch_kb_per_us = 1000;
}

std::vector<double> work_of(const Machine& machine) {
    std::vector<double> work;
    const auto truth = machine.truth();
    for (const auto& guest : truth.guests()) work.push_back(guest.work_ns());
    return work;
}

} // namespace

TEST_CASE("bursty vCPUs are the clients of a closed queue") {
    const char* args =
        "credit2_runqueue=all sched_credit2_max_cpus_runqueue=256 sched_ratelimit_us=0";
    CHECK(busy_servers(32, 96, 200, 800) == doctest::Approx(19.200).epsilon(1e-4));
    CHECK(busy_cpus(options_of(2, 16, 1, 2, args), 96, 10) ==
          doctest::Approx(19.200).epsilon(0.01));
    CHECK(busy_servers(4, 12, 200, 800) == doctest::Approx(2.366).epsilon(1e-3));
    CHECK(busy_cpus(options_of(1, 4, 1, 1, args), 12, 40) == doctest::Approx(2.366).epsilon(0.01));
}

TEST_CASE("hogs in one runqueue share it by weight") {
    auto machine = booted(options_of(1, 4, 1, 1, "credit2_runqueue=all"));
    Hog hogs;
    const std::vector<unsigned> weights{128, 256, 512, 1024};
    for (unsigned i = 0; i < weights.size(); ++i)
        created(*machine, domain_of(i, 4, weights[i]), hogs);
    run(*machine, 3);
    machine->reset_truth();
    run(*machine, 60);
    const auto work = work_of(*machine);
    const double all = std::accumulate(work.begin(), work.end(), 0.0);
    CHECK(all == doctest::Approx(4 * 60 * second).epsilon(1e-3));
    for (unsigned i = 0; i < weights.size(); ++i)
        CHECK(work[i] / all == doctest::Approx(weights[i] / 1920.0).epsilon(0.01));
}

TEST_CASE("a cap is kept") {
    auto machine = booted(options_of(1, 4, 1, 1));
    Hog hogs;
    auto domain = domain_of(0, 2);
    domain.cap = 50;
    created(*machine, domain, hogs);
    run(*machine, 2);
    machine->reset_truth();
    run(*machine, 20);
    CHECK(work_of(*machine)[0] == doctest::Approx(0.5 * 20 * second).epsilon(0.02));
    REQUIRE(machine->set_scheduling(0, {}, 0).has_value());
    machine->reset_truth();
    run(*machine, 5);
    CHECK(work_of(*machine)[0] == doctest::Approx(2 * 5 * second).epsilon(0.02));
}

TEST_CASE("siblings slow each other, and memory on another node does") {
    auto options = options_of(1, 1, 2, 1);
    options.costs.smt_speed = 0.66;
    Hog hogs;
    {
        auto machine = booted(options);
        created(*machine, domain_of(0, 2), hogs);
        run(*machine, 2);
        CHECK(work_of(*machine)[0] == doctest::Approx(1.32 * 2 * second).epsilon(0.001));
        CHECK(machine->truth().pools(0).smt_ns() ==
              doctest::Approx(0.68 * 2 * second).epsilon(0.001));
    }
    {
        auto machine = booted(options);
        created(*machine, domain_of(0, 1), hogs);
        run(*machine, 2);
        CHECK(work_of(*machine)[0] == doctest::Approx(2 * second).epsilon(0.001));
    }
    options = options_of(2, 1, 1, 2);
    options.costs.numa_remote_speed = 0.8;
    auto machine = booted(options);
    auto domain = domain_of(0, 1);
    domain.memory_share = 0.5;
    domain.soft = {{0}}; // its memory is on node 0, but it may only run on node 1
    domain.hard = {{1}};
    created(*machine, domain, hogs);
    run(*machine, 2);
    CHECK(work_of(*machine)[0] == doctest::Approx(2 * second / (0.5 + 0.5 / 0.8)).epsilon(0.001));
}

TEST_CASE("memory is spread over the nodes that a domain may be on") {
    auto options = options_of(2, 2, 1, 2);
    options.costs.numa_remote_speed = 0.8;
    Hog hogs;
    const auto speed = [&](auto soft, auto hard) {
        auto machine = booted(options);
        auto domain = domain_of(0, 2);
        domain.memory_share = 0.5;
        domain.soft = soft;
        domain.hard = hard;
        created(*machine, domain, hogs);
        run(*machine, 2);
        return work_of(*machine)[0] / (2 * 2 * second);
    };
    using Lists = std::vector<std::vector<unsigned>>;
    const auto near = [](double value) { return doctest::Approx(value).epsilon(0.001); };
    const double half = 1 / (1 + 0.5 * 0.5 * (1 / 0.8 - 1));
    CHECK(speed(Lists{}, Lists{}) == near(half));         // wherever they are
    CHECK(speed(Lists{}, Lists{{0}, {2}}) == near(half)); // one on each node
    CHECK(speed(Lists{{0, 1}}, Lists{{0, 1}}) == near(1));
    CHECK(speed(Lists{{0, 1, 2, 3}}, Lists{{0, 1}}) == near(half)); // as it likes to
    CHECK(speed(Lists{}, Lists{{0, 1}}) == near(1));
}

TEST_CASE("another node of the same socket is between the own node and another socket") {
    auto options = options_of(2, 2, 1, 4); // a node has one CPU
    options.costs.numa_remote_speed = 0.8;
    options.costs.near_node_part = 0.25;
    Hog hogs;
    const double slower[] = {0, 0.25, 1, 1}; // on CPU 0 to 3, of what another socket costs
    for (unsigned cpu = 0; cpu < 4; ++cpu) {
        CAPTURE(cpu);
        auto machine = booted(options);
        auto domain = domain_of(0, 1);
        domain.memory_share = 0.5;
        domain.soft = {{0}}; // where its memory is
        domain.hard = {{cpu}};
        created(*machine, domain, hogs);
        run(*machine, 2);
        const double memory_time = 1 + slower[cpu] * (1 / 0.8 - 1);
        CHECK(work_of(*machine)[0] ==
              doctest::Approx(2 * second / (0.5 + 0.5 * memory_time)).epsilon(0.001));
    }
    // Three hogs on the two CPUs of a socket move between them.
    options = options_of(1, 2, 1, 1, "credit2_runqueue=socket");
    set_caches(options.costs, 1024, 8192);
    options.costs.refill_remote_us = 100;
    options.costs.near_node_part = 0.5;
    for (const unsigned nodes : {1U, 2U}) {
        CAPTURE(nodes);
        options.nodes = nodes;
        auto machine = booted(options);
        auto domain = domain_of(0, 3);
        domain.working_set_kb = options.costs.refill_reference_kb;
        created(*machine, domain, hogs);
        run(*machine, 1);
        machine->reset_truth();
        run(*machine, 5);
        const intellisched::proto::PoolTruth pool = machine->truth().pools(0);
        REQUIRE(pool.migrations_socket() > 50);
        CHECK(pool.migrations_remote() == 0);
        CHECK(pool.refill_ns() ==
              doctest::Approx(nodes == 1 ? 0 : 50e3 * static_cast<double>(pool.migrations_socket()))
                  .epsilon(0.02));
    }
}

TEST_CASE("slow cores take longer for the same work, and have one thread") {
    auto options = options_of(2, 4, 2, 2);
    options.slow_cores = 2;
    options.slow_speed = 0.5;
    options.costs.smt_speed = 0.8;
    Hog hogs;
    const auto work_on = [&](const std::vector<unsigned>& cpus) {
        auto machine = booted(options);
        auto domain = domain_of(0, static_cast<unsigned>(cpus.size()));
        for (const unsigned cpu : cpus) domain.hard.push_back({cpu});
        created(*machine, domain, hogs);
        run(*machine, 2);
        const auto& pool = machine->truth().pools(0);
        return std::tuple{work_of(*machine)[0] / second, pool.slow_ns() / second,
                          pool.smt_ns() / second};
    };
    const auto near = [](double value) { return doctest::Approx(value).epsilon(0.001); };
    // Of each socket: CPUs 0 to 3 are threads of two cores, 4 and 5 slow cores.
    for (const unsigned first : {0U, 6U}) {
        CAPTURE(first);
        const auto [fast, fast_slow, fast_smt] = work_on({first});
        CHECK(fast == near(2));
        CHECK(fast_slow == 0);
        const auto [threads, threads_slow, threads_smt] = work_on({first + 2, first + 3});
        CHECK(threads == near(2 * 2 * 0.8));
        CHECK(threads_smt == near(2 * 2 * 0.2));
        const auto [slow, slow_slow, slow_smt] = work_on({first + 4, first + 5});
        CHECK(slow == near(2 * 2 * 0.5));
        CHECK(slow_slow == near(2 * 2 * 0.5));
        CHECK(slow_smt == 0);
    }
    const auto machine = booted(options);
    const auto host = machine->snapshot();
    REQUIRE(host.cpus_size() == 12);
    CHECK(host.threads_per_core() == 2); // the processor's
    const unsigned cores[] = {0, 0, 1, 1, 2, 3};
    for (int cpu = 0; cpu < 12; ++cpu) {
        CHECK(host.cpus(cpu).core() == cores[cpu % 6]);
        CHECK(host.cpus(cpu).socket() == static_cast<unsigned>(cpu / 6));
        CHECK(host.cpus(cpu).node() == static_cast<unsigned>(cpu / 6));
    }
}

TEST_CASE("two hogs on a CPU fetch anew what has no room in its caches beside the other's") {
    Hog hogs;
    const auto refill_of_a_turn = [&](double working_set_kb) {
        auto options = options_of(1, 1, 1, 1);
        set_caches(options.costs, 256, 1024);
        options.costs.refill_core_us = 100;
        options.costs.refill_memory_us = 200;
        auto machine = booted(options);
        auto domain = domain_of(0, 2);
        domain.working_set_kb = working_set_kb;
        created(*machine, domain, hogs);
        run(*machine, 2);
        machine->reset_truth();
        run(*machine, 10);
        const intellisched::proto::PoolTruth pool = machine->truth().pools(0);
        REQUIRE(pool.context_switches() > 100);
        CHECK(work_of(*machine)[0] ==
              doctest::Approx(10 * second - pool.refill_ns()).epsilon(1e-3));
        return pool.refill_ns() / static_cast<double>(pool.context_switches());
    };
    const auto near = [](double value) { return doctest::Approx(value).epsilon(0.02); };
    CHECK(refill_of_a_turn(128) == 0);
    CHECK(refill_of_a_turn(192) == near(128 / 256.0 * 100e3)); // 2 x 192 - 256
    CHECK(refill_of_a_turn(512) == near(100e3));               // the whole of the core's cache
    // 2 x 1000 - 1024 from memory; of the 256 that the core has room for, the rest is in the last
    // level
    CHECK(refill_of_a_turn(1000) == near(976 / 256.0 * 200e3 + 256 * 0.024 / 256 * 100e3));
    CHECK(refill_of_a_turn(8192) == near(1024 / 256.0 * 200e3));
}

TEST_CASE("a stretch of work fetches what it touches, and no more") {
    // A token goes back and forth between two vCPUs on a CPU: each touches 50 kB of a working set
    // that the cache holds half of, and what is missing first.
    class Token : public Workload {
      public:
        void start(Platform&) override {}
        void outside(std::uint64_t, Platform&) override {}
        Step next(std::uint32_t vcpu, Platform& platform) override {
            if (vcpu != turn_) return {Step::Kind::block, 0};
            if (!worked_) return worked_ = true, Step{Step::Kind::compute, 50'000};
            worked_ = false;
            turn_ = 1 - turn_;
            platform.notify({0, turn_});
            return {Step::Kind::block, 0};
        }

      private:
        std::uint32_t turn_ = 0;
        bool worked_ = false;
    };
    auto options = options_of(1, 1, 1, 1, "sched_ratelimit_us=0");
    set_caches(options.costs, 256, 1024);
    options.costs.touch_kb_per_us = 1;
    options.costs.refill_core_us = 128;
    auto machine = booted(options);
    Token token;
    auto domain = domain_of(0, 2);
    domain.working_set_kb = 256;
    created(*machine, domain, token);
    run(*machine, 1);
    machine->reset_truth();
    run(*machine, 2);
    const intellisched::proto::PoolTruth pool = machine->truth().pools(0);
    // 50 us of work and 50 kB at 0.5 us.
    CHECK(static_cast<double>(pool.context_switches()) == doctest::Approx(2 / 75e-6).epsilon(0.01));
    CHECK(pool.refill_ns() ==
          doctest::Approx(25e3 * static_cast<double>(pool.context_switches())).epsilon(0.01));
}

TEST_CASE("a move to another last-level cache fetches all from memory, one under it does not") {
    Hog hogs;
    for (const unsigned llcs : {1U, 2U}) {
        CAPTURE(llcs);
        auto options = options_of(1, 2, 1, 1, "credit2_runqueue=socket");
        options.llcs = llcs;
        set_caches(options.costs, 256, 4096);
        options.costs.refill_socket_us = 50;
        options.costs.refill_memory_us = 200;
        auto machine = booted(options);
        auto domain = domain_of(0, 3); // three hogs on two CPUs move between them
        domain.working_set_kb = 1024;
        created(*machine, domain, hogs);
        run(*machine, 1);
        machine->reset_truth();
        run(*machine, 5);
        const intellisched::proto::PoolTruth pool = machine->truth().pools(0);
        REQUIRE(pool.migrations_socket() > 50);
        CHECK(pool.migrations_llc() == (llcs == 2 ? pool.migrations_socket() : 0));
        const double us = llcs == 2 ? 4 * 200 : 50;
        CHECK(pool.refill_ns() ==
              doctest::Approx(us * 1000 * static_cast<double>(pool.migrations_socket()))
                  .epsilon(0.02));
    }
}

TEST_CASE("the time of CPUs adds up") {
    MachineOptions options = options_of(1, 4, 2, 1);
    options.costs = Costs();
    auto machine = booted(options);
    Bursty clients(0, 24, 200, 800, 3);
    created(*machine, domain_of(0, 24), clients);
    run(*machine, 1);
    machine->reset_truth();
    run(*machine, 2);
    const auto truth = machine->truth();
    const auto& pool = truth.pools(0);
    const auto& guest = truth.guests(0);
    CHECK(pool.cpu_ns() == doctest::Approx(8 * 2 * second).epsilon(1e-9));
    CHECK(guest.run_ns() < pool.cpu_ns());
    // What a vCPU has a CPU for: work, what slows it, and interrupts of Xen's while it is there.
    const double used = guest.work_ns() + pool.refill_ns() + pool.smt_ns() + pool.numa_ns();
    CHECK(used < guest.run_ns());
    CHECK(used + pool.path_ns() + pool.switch_ns() + pool.lock_wait_ns() > guest.run_ns());
    CHECK(guest.wake_to_run().count() == doctest::Approx(pool.wakeups()).epsilon(0.01));
}
