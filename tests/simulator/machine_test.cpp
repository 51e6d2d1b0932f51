// SPDX-License-Identifier: GPL-2.0-only
#include "src/layout/snapshot.hpp"
#include "tests/simulator/support.hpp"

#include <algorithm>
#include <set>

using namespace sim;
namespace trace = intellisched::trace;

namespace {

/// The runqueues that Xen's SCHEDULE records show.
intellisched::Partition scheduled(const std::string& bytes) {
    std::map<unsigned, std::set<unsigned>> by_runqueue;
    trace::TraceStream stream("simulator");
    const auto handler = [&](const trace::Record& record) {
        visit(record, trace::Visitor{[&](const trace::Schedule& event) {
                                         by_runqueue[event.runqueue].insert(event.cpu);
                                     },
                                     [](const auto&) {}});
    };
    REQUIRE(stream.feed(std::as_bytes(std::span(bytes)), handler).has_value());
    stream.finish(handler);
    intellisched::Partition partition;
    for (const auto& [runqueue, cpus] : by_runqueue)
        partition.emplace_back(cpus.begin(), cpus.end());
    std::sort(partition.begin(), partition.end());
    return partition;
}

/// The runqueues of a pool as Xen has them.
intellisched::Partition formed(const Machine& machine, int pool) {
    std::map<std::uint32_t, std::vector<unsigned>> by_number;
    const auto truth = machine.truth();
    const auto& numbers = truth.pools(pool).runqueue();
    for (int cpu = 0; cpu < numbers.size(); ++cpu)
        if (numbers[cpu] != 0) by_number[numbers[cpu]].push_back(static_cast<unsigned>(cpu));
    intellisched::Partition partition;
    for (auto& [number, cpus] : by_number) partition.push_back(std::move(cpus));
    std::sort(partition.begin(), partition.end());
    return partition;
}

/// ... as they should be by src/layout.
intellisched::Partition expected(const Machine& machine, std::size_t pool) {
    const auto snapshot = machine.snapshot();
    const auto topology = intellisched::topology_of(snapshot);
    const auto pools = intellisched::pools_of(snapshot);
    REQUIRE(topology.has_value());
    REQUIRE(pools.has_value());
    return partition(*topology, pools->at(pool), *pools->at(pool).arrangement);
}

proto::Arrangement arrangement(const std::string& layout, unsigned max_cpus) {
    proto::Arrangement wanted;
    wanted.set_layout(layout);
    wanted.set_max_cpus(max_cpus);
    return wanted;
}

std::string one_run(const Costs& costs, std::uint64_t seed) {
    auto options = options_of(2, 4, 2, 2);
    options.costs = costs;
    auto machine = booted(options);
    Bursty clients(0, 40, 150, 400, seed);
    created(*machine, domain_of(0, 40), clients);
    std::string all;
    for (int i = 0; i < 10; ++i) {
        run(*machine, 0.02);
        all += machine->drain_trace();
        if (i == 4) REQUIRE(machine->set_layout(0, arrangement("core", 16)).has_value());
    }
    machine->set_tracing(false);
    return all + machine->truth().SerializeAsString() + machine->counters().SerializeAsString();
}

/// One vCPU that computes at the same time of every period.
class EachPeriod : public Workload {
  public:
    EachPeriod(std::uint32_t guest, Nanoseconds first, Nanoseconds period, Nanoseconds run)
        : guest_(guest), next_(first), period_(period), run_(run) {}
    void start(Platform&) override {}
    void outside(std::uint64_t, Platform&) override {}
    Step next(std::uint32_t vcpu, Platform& platform) override {
        if (platform.now() < next_) {
            platform.set_timer({guest_, vcpu}, next_);
            return {Step::Kind::block, 0};
        }
        next_ += period_;
        return {Step::Kind::compute, run_};
    }

  private:
    std::uint32_t guest_;
    Nanoseconds next_, period_, run_;
};

} // namespace

TEST_CASE("runqueues are those of src/layout, booted and rearranged") {
    struct Shape {
        unsigned sockets, cores, threads, nodes;
    };
    for (const Shape s :
         {Shape{1, 4, 1, 1}, Shape{4, 2, 2, 2}, Shape{2, 8, 2, 2}, Shape{2, 10, 2, 1},
          Shape{4, 16, 2, 4}, Shape{4, 32, 2, 2}, Shape{1, 16, 2, 4}, Shape{2, 8, 2, 4}})
        for (const std::string args :
             {"", "credit2_runqueue=core", "sched_credit2_max_cpus_runqueue=0"}) {
            auto machine = booted(options_of(s.sockets, s.cores, s.threads, s.nodes, args));
            const unsigned cpus = s.sockets * s.cores * s.threads;
            Bursty load(0, 2 * cpus, 500, 500, 5); // enough for each CPU to schedule
            created(*machine, domain_of(0, 2 * cpus), load);
            run(*machine, 0.03);
            CHECK(scheduled(machine->drain_trace()) == expected(*machine, 0));
            for (const auto layout : intellisched::all_layouts)
                for (const unsigned max_cpus : {16U, 0U}) {
                    const auto wanted = arrangement(std::string(to_string(layout)), max_cpus);
                    const auto set = machine->set_layout(0, wanted);
                    REQUIRE(set.has_value());
                    run(*machine, 0.001); // records of the old ones
                    (void)machine->drain_trace();
                    run(*machine, 0.03);
                    const auto partition = expected(*machine, 0);
                    CHECK(set->runqueues() == partition.size());
                    CHECK(scheduled(machine->drain_trace()) == partition);
                    CHECK(machine->layout(0)->arrangement().layout() == to_string(layout));
                }
        }
}

TEST_CASE("nodes finer than sockets divide the runqueues of sockets") {
    const auto machine = booted(options_of(2, 8, 2, 4));
    const auto runqueues = [&](const std::string& layout) {
        REQUIRE(machine->set_layout(0, arrangement(layout, 0)).has_value());
        machine->reset_truth();
        CHECK(formed(*machine, 0) == expected(*machine, 0));
        return formed(*machine, 0);
    };
    const auto nodes = runqueues("node");
    const auto sockets = runqueues("socket");
    REQUIRE(sockets.size() == 2);
    REQUIRE(nodes.size() == 4);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        CHECK(nodes[i].size() == 8);
        CHECK(std::ranges::includes(sockets[i / 2], nodes[i]));
    }
}

TEST_CASE("the trace tells the running times that the machine counts") {
    for (const bool costs : {false, true}) {
        auto options = options_of(2, 4, 2, 2);
        if (costs) options.costs = Costs();
        auto machine = booted(options);
        Bursty clients(0, 40, 150, 400, 11);
        Hog hogs;
        created(*machine, domain_of(0, 40), clients);
        created(*machine, domain_of(1, 3, 100), hogs);
        TraceTimes times;
        for (int i = 0; i < 20; ++i) {
            run(*machine, 0.1);
            times.feed(machine->drain_trace());
        }
        times.finish();
        CHECK(times.stats().lost == 0);
        CHECK(times.stats().late == 0);
        CHECK(times.stats().damaged == 0);
        const auto truth = machine->truth();
        for (const auto& guest : truth.guests()) {
            std::uint64_t ticks = 0;
            for (const auto& [key, running] : times.running)
                if (key >> 16 == guest.domid()) ticks += running;
            // Nobody's last stretch is quite in the trace.
            CHECK(static_cast<double>(ticks) / 2 == doctest::Approx(guest.run_ns()).epsilon(2e-3));
            const proto::DomainCounters counters =
                machine->counters().domains(static_cast<int>(guest.domid()));
            CHECK(static_cast<double>(counters.cpu_ns()) ==
                  doctest::Approx(guest.run_ns()).epsilon(1e-3));
        }
        // Without costs, records of different CPUs have the same time, and no order.
        if (costs) CHECK(times.mismatches() == 0);
    }
}

TEST_CASE("with all costs, each vCPU's runstates follow each other") {
    for (const std::string layout : {"core", "all"}) {
        auto options = options_of(2, 8, 2, 2);
        options.costs = Costs();
        auto machine = booted(options);
        if (layout == "all") // the most CPUs at a lock
            REQUIRE(machine->set_layout(0, arrangement(layout, 0)).has_value());
        Bursty clients(0, 96, 200, 800, 7);
        created(*machine, domain_of(0, 96), clients);
        TraceTimes times;
        for (int i = 0; i < 10; ++i) {
            run(*machine, 0.1);
            times.feed(machine->drain_trace());
        }
        times.finish();
        CHECK(times.stats().lost == 0);
        CHECK(times.stats().late == 0);
        CHECK(times.changes() > 300'000);
        CHECK(times.mismatches() == 0); // taken by their times
        CHECK(machine->truth().pools(0).lock_wait_ns() > 0);
    }
}

TEST_CASE("a run can be repeated to the bit") {
    const std::string first = one_run(Costs(), 1);
    CHECK(first == one_run(Costs(), 1));
    CHECK(first != one_run(Costs(), 2));
}

TEST_CASE("a full trace buffer tells what it lost") {
    TraceBuffers buffers(2);
    const std::uint32_t word = 3U << 16 | 1; // domain 3, vCPU 1
    std::uint64_t added = 0;
    for (; added < 2'000'000; ++added) buffers.add(1, 1000 + added, 0x21011, true, 4, &word, word);
    std::string stream = buffers.drain();
    buffers.add(1, 5'000'000, 0x21011, true, 4, &word, word);
    stream += buffers.drain();
    TraceTimes times;
    times.feed(stream);
    times.finish();
    CHECK(times.stats().lost > 0);
    CHECK(times.stats().lost < added);
    CHECK(times.stats().damaged == 0);
}

namespace {

/// Sleeps until an event comes, and counts.
class Sleeper : public Workload {
  public:
    void start(Platform& platform) override {
        platform.call_outside(1, platform.now() + 5'000'000, 42);
    }
    void outside(std::uint64_t token, Platform&) override { outside_calls += token == 42; }
    Step next(std::uint32_t, Platform&) override {
        ++asked;
        return {Step::Kind::block, 0};
    }
    unsigned asked = 0, outside_calls = 0;
};

} // namespace

TEST_CASE("no event is lost with its CPU, none outlives its domain") {
    auto machine = booted(options_of(1, 2, 1, 1));
    Hog hogs;
    auto domain = domain_of(0, 1);
    domain.hard = {{0}};
    created(*machine, domain, hogs);
    Sleeper sleeper, other;
    const auto domid = created(*machine, domain_of(1, 1), sleeper);
    run(*machine, 0.001);
    CHECK(sleeper.asked == 1);
    machine->notify({1, 0});
    run(*machine, 0.001);
    CHECK(sleeper.asked == 2);
    machine->notify({1, 0}); // an interrupt on CPU 1, where it ran
    REQUIRE(machine->move_cpu(1, std::nullopt).has_value());
    run(*machine, 0.1);
    CHECK(sleeper.asked == 3);
    CHECK(sleeper.outside_calls == 1);
    REQUIRE(machine->destroy_domain(domid).has_value());

    const auto again = created(*machine, domain_of(1, 1), sleeper);
    REQUIRE(machine->destroy_domain(again).has_value());
    created(*machine, domain_of(1, 1), other); // of the same number
    run(*machine, 0.1);
    CHECK(sleeper.outside_calls == 1);
    CHECK(other.outside_calls == 1);
    machine->notify({7, 0}); // nobody
    machine->notify({1, 9});
    run(*machine, 0.01);
}

TEST_CASE("what makes no sense is refused, and nothing has changed") {
    CHECK_FALSE(Machine::boot(options_of(0, 4, 1, 1)).has_value());
    CHECK_FALSE(Machine::boot(options_of(1, 4, 3, 1)).has_value());
    CHECK_FALSE(Machine::boot(options_of(4, 64, 2, 1)).has_value());
    CHECK_FALSE(Machine::boot(options_of(65536, 65536, 1, 1)).has_value());
    CHECK_FALSE(Machine::boot(options_of(4, 4, 1, 3)).has_value());
    CHECK_FALSE(Machine::boot(options_of(1, 4, 1, 3)).has_value());
    CHECK_FALSE(Machine::boot(options_of(1, 128, 1, 128)).has_value()); // more nodes than Xen has
    CHECK_FALSE(Machine::boot(options_of(1, 4, 1, 1, "sched=credit")).has_value());
    const auto misspelt = Machine::boot(options_of(1, 4, 1, 1, "credit2_runqueue=sockets"));
    REQUIRE_FALSE(misspelt.has_value());
    CHECK(misspelt.error().message.find("credit2_runqueue=sockets") != std::string::npos);

    auto machine = booted(options_of(2, 2, 2, 2));
    CHECK_FALSE(Machine::boot(options_of(1, 1, 1, 1)).has_value()); // a second one
    Hog hogs;
    created(*machine, domain_of(0, 2), hogs);
    const auto before = machine->snapshot();
    const auto refused = [&](const DomainOptions& options) {
        return !machine->create_domain(options, hogs).has_value();
    };
    auto bad = domain_of(1, 0);
    CHECK(refused(bad));
    bad = domain_of(1, 1, 70000);
    CHECK(refused(bad));
    bad = domain_of(1, 1);
    bad.pool_id = 9;
    CHECK(refused(bad));
    bad = domain_of(1, 1);
    bad.hard = {{}};
    CHECK(refused(bad));
    bad.hard = {{8}};
    CHECK(refused(bad));
    bad = domain_of(1, 1);
    bad.cap = 101;
    CHECK(refused(bad));
    CHECK(refused(domain_of(0, 1))); // its guest has one
    CHECK_FALSE(machine->destroy_domain(0).has_value());
    CHECK_FALSE(machine->destroy_domain(77).has_value());
    CHECK_FALSE(machine->move_domain(0, 5).has_value());
    CHECK_FALSE(machine->move_cpu(0, std::nullopt).has_value());
    CHECK_FALSE(machine->move_cpu(8, 0).has_value());
    CHECK_FALSE(machine->move_cpu(1, 3).has_value());
    CHECK_FALSE(machine->destroy_pool(0).has_value());
    CHECK_FALSE(machine->create_pool("Pool-0", {}).has_value());
    CHECK_FALSE(machine->create_pool("other", arrangement("rack", 0)).has_value());
    CHECK_FALSE(machine->set_layout(0, arrangement("sockets", 0)).has_value());
    CHECK_FALSE(machine->set_layout(4, arrangement("core", 0)).has_value());
    CHECK_FALSE(machine->set_rate_limit(0, 99).has_value());
    CHECK_FALSE(machine->set_rate_limit(4, 1000).has_value());
    auto after = machine->snapshot();
    after.set_tsc(before.tsc());
    after.set_monotonic_ns(before.monotonic_ns());
    CHECK(after.SerializeAsString() == before.SerializeAsString());
}

TEST_CASE("the rate limit is Xen's own, and counts at once") {
    // Three hogs on a CPU take turns as long as it says; in 4.17 two do not.
    auto machine = booted(options_of(1, 1, 1, 1, "sched_ratelimit_us=2000"));
    Hog hogs;
    created(*machine, domain_of(0, 3), hogs);
    CHECK(machine->snapshot().pools(0).rate_limit_us() == 2000);
    run(*machine, 1);
    for (const unsigned us : {1000U, 5000U, 1000U}) {
        CHECK(machine->set_rate_limit(0, us) == us);
        CHECK(machine->rate_limit(0) == us);
        run(*machine, 0.1);
        machine->reset_truth();
        run(*machine, 2);
        CHECK(static_cast<double>(machine->truth().pools(0).context_switches()) ==
              doctest::Approx(2e6 / us).epsilon(0.05));
    }
    CHECK(machine->set_rate_limit(0, 0) == 0U);
    const auto told = machine->snapshot().pools(0);
    CHECK(told.has_rate_limit_us());
    CHECK(told.rate_limit_us() == 0);
}

TEST_CASE("a rearrangement that runs out of memory changes nothing") {
    auto machine = booted(options_of(2, 4, 2, 2));
    Bursty load(0, 24, 500, 500, 5);
    created(*machine, domain_of(0, 24), load);
    run(*machine, 0.01);
    const auto socket = machine->layout(0)->SerializeAsString();
    const auto runqueues = expected(*machine, 0);
    unsigned failures = 0;
    for (unsigned nth = 1;; ++nth) {
        machine->fail_allocation(nth);
        const auto set = machine->set_layout(0, arrangement("cpu", 0));
        machine->fail_allocation(0);
        if (set) break;
        ++failures;
        CHECK(machine->layout(0)->SerializeAsString() == socket);
        (void)machine->drain_trace();
        run(*machine, 0.03);
        CHECK(scheduled(machine->drain_trace()) == runqueues);
    }
    // A runqueue for each of 16 CPUs, and each attempt leaves those that it has got to the next
    // one.
    CHECK(failures >= 5);
    CHECK(machine->layout(0)->arrangement().layout() == "cpu");
}

TEST_CASE("pools have their own CPUs, layouts and domains") {
    auto machine = booted(options_of(2, 4, 2, 2));
    Hog hogs;
    Bursty clients(1, 12, 300, 300, 9);
    created(*machine, domain_of(0, 16), hogs);
    const auto pool = machine->create_pool("batch", arrangement("core", 0));
    REQUIRE(pool.has_value());
    CHECK_FALSE(machine->move_domain(0, *pool).has_value()); // it has no CPU
    for (unsigned cpu = 8; cpu < 16; ++cpu) REQUIRE(machine->move_cpu(cpu, *pool).has_value());
    auto domain = domain_of(1, 12);
    domain.pool_id = *pool;
    const auto domid = created(*machine, domain, clients);
    (void)machine->drain_trace();
    run(*machine, 0.5);
    const auto truth = machine->truth();
    CHECK(truth.pools(1).runqueue(8) != 0);
    CHECK(truth.pools(1).runqueue(7) == 0);
    CHECK(machine->layout(*pool)->runqueues() == 4);
    CHECK(machine->layout(0)->arrangement().layout() == "socket");
    REQUIRE(machine->move_domain(domid, 0).has_value());
    run(*machine, 0.1);
    machine->reset_truth();
    run(*machine, 0.5);
    CHECK(machine->truth().pools(1).context_switches() == 0);
    REQUIRE(machine->move_cpu(15, std::nullopt).has_value());
    CHECK(machine->snapshot().cpus_size() == 15);
    REQUIRE(machine->destroy_pool(*pool).has_value());
    REQUIRE(machine->move_cpu(15, 0).has_value());
    for (unsigned cpu = 8; cpu < 15; ++cpu) REQUIRE(machine->move_cpu(cpu, 0).has_value());
    CHECK(machine->snapshot().pools(0).cpus_size() == 16);
    REQUIRE(machine->destroy_domain(domid).has_value());
    run(*machine, 0.1);
    CHECK(machine->snapshot().domains_size() == 1);
}

TEST_CASE("siblings are scheduled together with sched-gran=core") {
    // Two domains of one vCPU never share a core; two of two vCPUs have it in turns.
    const auto run_seconds = [](const char* args, unsigned vcpus) {
        auto options = options_of(1, 1, 2, 1, args);
        options.costs = Costs();
        auto machine = booted(options);
        Hog hogs;
        created(*machine, domain_of(0, vcpus), hogs);
        created(*machine, domain_of(1, vcpus), hogs);
        run(*machine, 1);
        machine->reset_truth();
        run(*machine, 4);
        const auto truth = machine->truth();
        CHECK(truth.guests(0).run_ns() == doctest::Approx(truth.guests(1).run_ns()).epsilon(0.05));
        return (truth.guests(0).run_ns() + truth.guests(1).run_ns()) / 1e9;
    };
    CHECK(run_seconds("", 1) == doctest::Approx(8).epsilon(0.01));
    CHECK(run_seconds("sched-gran=core", 1) == doctest::Approx(4).epsilon(0.01));
    CHECK(run_seconds("sched-gran=core", 2) == doctest::Approx(8).epsilon(0.01));
}

TEST_CASE("an idle CPU takes a vCPU whose credit is at the bottom") {
    auto machine = booted(options_of(1, 2, 1, 1, "credit2_runqueue=all"));
    // The two CPUs are busy in turns, so one of them is always there for the third vCPU, which has
    // used up its credit whenever it sleeps: its weight is next to nothing.
    std::vector<std::unique_ptr<EachPeriod>> loads;
    for (std::uint32_t guest = 0; guest < 3; ++guest) {
        const bool third = guest == 2;
        loads.push_back(std::make_unique<EachPeriod>(guest, third ? 0 : guest * 4'000'000,
                                                     third ? 700'000 : 8'000'000,
                                                     third ? 100'000 : 3'800'000));
        auto domain = domain_of(guest, 1, third ? 1 : 65535);
        if (!third) domain.hard = {{guest}};
        created(*machine, domain, *loads.back());
    }
    run(*machine, 1);
    machine->reset_truth();
    run(*machine, 4);
    const auto& light = machine->truth().guests(2);
    CHECK(light.work_ns() == doctest::Approx(4e9 / 7).epsilon(0.01));
    CHECK(light.wake_to_run().max_us() < 1);
}

TEST_CASE("machine: Xen forms the runqueues that src/layout says, on 10,000 topologies") {
    std::mt19937_64 random(17);
    const auto any = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
    constexpr unsigned machines = 250, of_each = 40;
    const char* const granularities[] = {"", "sched-gran=core", "sched-gran=socket"};
    const unsigned caps[] = {0, 1, 2, 3, 4, 5, 6, 8, 12, 16, 16, 16, 24};
    unsigned one_thread = 0, finer = 0, hybrid = 0;
    for (unsigned i = 0; i < machines; ++i) {
        auto options = options_of(1 + any(4), 1 + any(9), 1 + any(2), 1);
        std::vector<unsigned> nodes{1};
        if (options.sockets % 2 == 0) nodes.push_back(options.sockets / 2);
        for (unsigned of_socket = 1; of_socket <= options.cores; ++of_socket)
            if (options.cores % of_socket == 0) nodes.push_back(options.sockets * of_socket);
        options.nodes = nodes[any(static_cast<unsigned>(nodes.size()))];
        if (options.threads == 2 && any(4) == 0) options.slow_cores = any(options.cores);
        if (options.nodes <= options.sockets && any(4) == 0) options.llcs = options.cores;
        options.xen_args = granularities[any(8) < 6 ? 0 : 1 + any(2)];
        options.tracing = false;
        auto machine = booted(options);
        Bursty idle(0, 1, 50, 50, 1);
        created(*machine, domain_of(0, 1), idle);
        const auto cpus = static_cast<unsigned>(machine->snapshot().cpus_size());
        finer += options.nodes > options.sockets;
        hybrid += options.slow_cores > 0;
        for (unsigned k = 0; k < of_each; ++k) {
            const bool firsts_only = // as with smt=off
                options.threads == 2 && options.slow_cores == 0 && any(3) == 0;
            for (unsigned cpu = 1; cpu < cpus; ++cpu) {
                const bool off = firsts_only ? cpu % 2 == 1 : any(5) == 0;
                // One that cannot be moved just now stays: that is a topology too.
                (void)machine->move_cpu(cpu, off ? std::optional<std::uint32_t>() : 0);
            }
            const unsigned cap = caps[any(std::size(caps))];
            const auto layout = std::string(to_string(intellisched::all_layouts[any(5)]));
            // To another one first: one that gives the same runqueues would leave them as they
            // grew.
            (void)machine->set_layout(0, arrangement(layout == "cpu" ? "all" : "cpu", 0));
            REQUIRE(machine->set_layout(0, arrangement(layout, cap)).has_value());
            machine->reset_truth();
            const auto topology = intellisched::topology_of(machine->snapshot());
            REQUIRE(topology.has_value());
            CAPTURE(i);
            CAPTURE(k);
            CHECK(formed(*machine, 0) == expected(*machine, 0));
            const auto& online = topology->cpus;
            one_thread +=
                options.threads == 2 && std::adjacent_find(online.begin(), online.end(),
                                                           intellisched::same_core) == online.end();
        }
    }
    CHECK(one_thread > 900); // of these only the processor can tell
    CHECK(finer > 50);
    CHECK(hybrid > 15);
}
