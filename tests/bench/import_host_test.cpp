// SPDX-License-Identifier: MIT
#include "bench/import/host_of.hpp"
#include "src/layout/snapshot.hpp"
#include "tests/support/fake_world.hpp"
#include "tests/support/trace_bytes.hpp"

#include <algorithm>
#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::imported;

namespace {

const std::string topology = "nr_cpus                : 4\n"
                             "threads_per_core       : 2\n"
                             "cpu_mhz                : 1000.000\n"
                             "cpu:    core    socket     node\n"
                             "  0:       0        0        0\n"
                             "  1:       0        0        0\n"
                             "  2:       0        1        1\n"
                             "  3:       0        1        1\n";
const std::string info = "\nxen_version            : 4.17.5\n"
                         "xen_scheduler          : credit2\n"
                         "xen_commandline        : credit2_runqueue=core sched-gran=core "
                         "sched_credit2_max_cpus_runqueue=8\n";
const std::string pools = "\nName               CPU list\n"
                          "Pool-0             0,1\n"
                          "other              2,3\n";
const std::string vcpus = "\nName ID VCPU CPU State Time(s) Affinity (Hard / Soft)\n"
                          "Domain-0             0     0     1   -b-       1.0  all / all\n"
                          "web                  1     0     0   -b-       1.0  0-1,64 / 0-3\n"
                          "web                  1     1     -   --p       0.0  0-1 / none\n"
                          "db                   2     0     3   -b-       1.0  all / 2-3\n";
const std::string weights = "\nCpupool Pool-0: ratelimit=1000us\n"
                            "Name ID Weight Cap\n"
                            "Domain-0  0 256 0\n"
                            "web       1 512 50\n"
                            "Cpupool other: ratelimit=5000us\n"
                            "Name ID Weight Cap\n"
                            "db        2 256 0\n";

/// Guests 1, 2, ... on CPUs 0, 1, ...
TraceSurvey survey(unsigned guests = 2) {
    TraceSurvey trace("trace");
    REQUIRE(trace.feed(test::fake_trace(5'000'000, 50'000'000, guests)));
    trace.finish();
    return trace;
}

Result<ImportedHost> made(const std::string& pasted, const TraceSurvey& trace) {
    XlText text;
    const auto done = read_xl_text(pasted, "all.txt", text);
    REQUIRE_MESSAGE(done, done.error().message);
    return host_of(text, trace);
}

std::string refused(const std::string& pasted, unsigned guests = 2) {
    const auto host = made(pasted, survey(guests));
    REQUIRE_FALSE(host);
    return host.error().message;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("import: the host that all outputs tell") {
    const auto host = made(topology + info + pools + vcpus + weights, survey());
    REQUIRE_MESSAGE(host, host.error().message);
    CHECK(host->info.xen_version == "4.17.5");
    CHECK(host->info.boot == Arrangement{Layout::core, 8});
    CHECK(host->info.tsc_khz == 1'000'000);
    CHECK(host->snapshot.tsc() == 5'000'010);
    CHECK(host->snapshot.threads_per_core() == 2);
    const auto found = pools_of(host->snapshot);
    REQUIRE(found);
    REQUIRE(found->size() == 2);
    CHECK((*found)[1].name == "other");
    CHECK((*found)[1].cpus == std::vector<unsigned>{2, 3});
    CHECK((*found)[1].scheduler == "credit2");
    CHECK((*found)[1].granularity == Granularity::core);
    CHECK((*found)[1].arrangement == Arrangement{Layout::core, 8});
    CHECK_FALSE((*found)[1].can_rearrange);
    CHECK((*found)[1].rate_limit_us == 5000);
    REQUIRE(host->snapshot.domains_size() == 3);
    const proto::Domain& web = host->snapshot.domains(1);
    CHECK(web.name() == "web");
    CHECK(web.weight() == 512);
    CHECK(web.cap() == 50);
    REQUIRE(web.vcpus_size() == 2);
    CHECK(web.vcpus(0).online());
    CHECK_FALSE(web.vcpus(1).online());
    CHECK(web.vcpus(0).hard_affinity_size() == 2); // CPU 64 is offline
    CHECK(web.vcpus(0).soft_affinity_size() == 0); // all of them
    const proto::Domain& db = host->snapshot.domains(2);
    CHECK(db.pool_id() == 1);
    CHECK(db.vcpus(0).hard_affinity_size() == 0);
    CHECK(db.vcpus(0).soft_affinity_size() == 2);
    // Domain 2 runs in Pool-0 in this trace, and is told to be in the other one: xl is believed.
    CHECK(host->assumed.empty());
}

TEST_CASE("import: what is missing is asked for by name, with what is taken for it") {
    const auto host = made(topology, survey());
    REQUIRE_MESSAGE(host, host.error().message);
    const auto told = [&](const std::string& part) {
        return std::any_of(host->assumed.begin(), host->assumed.end(),
                           [&](const std::string& line) { return has(line, part); });
    };
    CHECK(told("`xl cpupool-list -c`: all 4 CPUs are taken to be in Pool-0"));
    CHECK(told("`xl cpupool-list`: Pool-0 is taken to run credit2"));
    CHECK(told("xen_commandline"));
    CHECK(told("`xl vcpu-list`"));
    CHECK(told("`xl sched-credit2`"));
    CHECK(host->assumed.size() == 5);
    // vCPUs are those that ran.
    REQUIRE(host->snapshot.domains_size() == 2);
    CHECK(host->snapshot.domains(0).id() == 1);
    CHECK(host->snapshot.domains(0).vcpus_size() == 1);
    CHECK(host->snapshot.domains(0).weight() == 0);
}

TEST_CASE("import: a domain that came after `xl vcpu-list` is told, and is there") {
    const auto host = made(topology + info + vcpus, survey(3));
    REQUIRE_MESSAGE(host, host.error().message);
    CHECK(std::any_of(host->assumed.begin(), host->assumed.end(), [](const std::string& line) {
        return has(line, "lacks domains that ran in the trace (3)");
    }));
    CHECK(host->snapshot.domains(3).id() == 3);
}

TEST_CASE("import: a domain without a weight is in the pool of the CPU that it is on") {
    const auto host = made(topology + info + pools + vcpus, survey());
    REQUIRE_MESSAGE(host, host.error().message);
    CHECK(host->snapshot.domains(1).pool_id() == 0);
    CHECK(host->snapshot.domains(2).pool_id() == 1);
}

TEST_CASE("import: no topology, or less than all of it") {
    CHECK(has(refused(vcpus), "needs the output of `xl info -n`"));
    const std::string cut = topology.substr(0, topology.rfind("  3:"));
    CHECK(has(refused(cut), "has 3 CPUs, and nr_cpus of `xl info` is 4"));
}

TEST_CASE("import: with hyperthreads off the table has CPUs that are not online") {
    std::string off = topology;
    off.replace(off.find(": 4"), 3, ": 2");
    const std::string cpu_list = "\nName               CPU list\nPool-0             0,2\n";
    const std::string list = off + info + cpu_list;
    TraceSurvey idle("trace"); // nobody ran on the others
    REQUIRE(idle.feed(test::fake_trace(5'000'000, 50'000'000, 1)));
    idle.finish();
    for (const std::string& pasted : {list, off + info}) {
        const auto host = made(pasted, idle);
        REQUIRE_MESSAGE(host, host.error().message);
        REQUIRE(host->snapshot.cpus_size() == 2);
        CHECK(host->snapshot.cpus(0).id() == 0);
        CHECK(host->snapshot.cpus(1).id() == 2);
        CHECK(host->snapshot.threads_per_core() == 2); // the processor's, whatever is on
        CHECK(host->snapshot.pools(0).cpus_size() == 2);
    }
    // Pinned to CPUs of which one is offline.
    const std::string vcpus =
        "\nName                                ID  VCPU   CPU State   Time(s) Affinity (Hard / "
        "Soft)\n"
        "web                                  1     0     0   r--       1.0  0-1 / 1-3\n";
    const auto pinned = made(list + vcpus, idle);
    REQUIRE_MESSAGE(pinned, pinned.error().message);
    for (const proto::Domain& domain : pinned->snapshot.domains())
        for (const proto::Vcpu& vcpu : domain.vcpus()) {
            if (domain.id() != 1) continue;
            REQUIRE(vcpu.hard_affinity_size() == 1);
            CHECK(vcpu.hard_affinity(0) == 0);
            REQUIRE(vcpu.soft_affinity_size() == 1);
            CHECK(vcpu.soft_affinity(0) == 2);
        }
    CHECK(has(made(list + std::string(vcpus).replace(vcpus.find("0-1 /"), 3, "1,3"), idle)
                  .error()
                  .message,
              "none is online"));
    // The first threads were not those that were on.
    TraceSurvey second("trace");
    REQUIRE(second.feed(test::bytes_of({test::Window(1).record(0x28004, 5'000'000, {1, 0})})));
    second.finish();
    const auto contradicted = made(off + info, second);
    REQUIRE_FALSE(contradicted);
    CHECK(has(contradicted.error().message, "nothing else says which"));
    // Pools have CPUs that are told to be offline.
    const std::string all = "\nName               CPU list\nPool-0             0-3\n";
    const auto offline = made(off + info + all, idle);
    REQUIRE_FALSE(offline);
    CHECK(has(offline.error().message, "pool 'Pool-0' has CPU 1, which is offline by nr_cpus"));
    off.replace(off.find(": 2"), 3, ": 3");
    CHECK(has(refused(off + info, 1), "3 of 4 CPUs are online, and nothing else says which"));
}

TEST_CASE("import: CPUs that wrote records and are told to be offline are named") {
    std::string off = topology;
    off.replace(off.find(": 4"), 3, ": 2");
    const std::string cpu_list = "\nName               CPU list\nPool-0             0,2\n";
    // The trace is of CPUs 0 and 1, or of 0 to 2.
    CHECK(has(refused(off + cpu_list), "records of CPU 1, offline by nr_cpus"));
    CHECK(has(refused(off, 3), "records of CPUs 0-2, more than are online by nr_cpus"));
    // As many as are online, but others than those of the pool.
    CHECK(has(refused(off + "\nName CPU list\nPool-0 2,3\n"), "records of CPUs 0-1, offline"));
}

TEST_CASE("import: a vCPU that ran on a CPU of no pool, if not at the end") {
    test::Window first(0), other(2);
    first.runstate(6'000'000, 1, 0, trace::Runstate::runnable, trace::Runstate::running)
        .runstate(7'000'000, 1, 0, trace::Runstate::running, trace::Runstate::runnable);
    other.runstate(5'000'000, 1, 0, trace::Runstate::runnable, trace::Runstate::running)
        .runstate(5'500'000, 1, 0, trace::Runstate::running, trace::Runstate::runnable);
    TraceSurvey trace("trace");
    REQUIRE(trace.feed(test::bytes_of({first, other})));
    trace.finish();
    const auto host = made(topology + "\nName CPU list\nPool-0 0,1\n", trace);
    REQUIRE_FALSE(host);
    CHECK(has(host.error().message, "vCPU 0 of domain 1 ran on CPU 2, which is in no pool"));
}

TEST_CASE("import: pools that contradict the topology, each other or the trace") {
    const std::string head = "\nName               CPU list\n";
    CHECK(has(refused(topology + head + "Pool-0             0,1,9\n"), "CPU 9"));
    CHECK(has(refused(topology + head + "Pool-0             0,1,2\nb                  2,3\n"),
              "another pool"));
    CHECK(has(refused(topology + head + "Pool-0             2,3\n"), "which is in no pool"));
    CHECK(has(refused(topology + "\nName CPUs Sched Active Domain count\nPool-0 2 credit2 y 1\nb 2 "
                                 "null y 0\n"),
              "needs the output of `xl cpupool-list -c`: which CPUs pool 'Pool-0' has"));
    CHECK(has(refused(topology + "\nName CPUs Sched Active Domain count\nPool-0 3 credit2 y 1\n"),
              "`xl cpupool-list` says 3"));
}

TEST_CASE("import: records of CPUs that the topology lacks, and vCPUs pinned to others") {
    CHECK(
        has(refused(topology, 7), "records of the trace are of CPUs 4-6, which the host has not"));
    CHECK(has(refused(topology + "\nName ID VCPU CPU State Time(s) Affinity (Hard / Soft)\n"
                                 "web 1 0 0 -b- 1.0  32-40 / all\n"),
              "pinned to CPUs of which none is online in the topology"));
}

TEST_CASE("import: the trace is believed where `xl info` has another TSC") {
    const auto trace = [] {
        test::Window cpu(0);
        for (std::uint64_t t = 1'000'000; t < 101'000'000; t += 1'000'000)
            cpu.runstate(t, 1, 0, trace::Runstate::runnable, trace::Runstate::running)
                .record(0x2800e, t + 600'000, {1, 0, 300'000}) // 2 cycles a nanosecond
                .runstate(t + 600'000, 1, 0, trace::Runstate::running, trace::Runstate::blocked);
        TraceSurvey survey("trace");
        REQUIRE(survey.feed(test::bytes_of({cpu})));
        survey.finish();
        return survey;
    }();
    const auto host = made(topology + info, trace);
    REQUIRE_MESSAGE(host, host.error().message);
    CHECK(host->info.tsc_khz == 2'000'000);
    CHECK(std::any_of(host->assumed.begin(), host->assumed.end(),
                      [](const std::string& line) { return has(line, "TSC of 2000000 kHz"); }));
    const auto told = [](const char* mhz) {
        return topology.substr(0, topology.find("cpu_mhz")) + mhz +
               topology.substr(topology.find("cpu:"));
    };
    const auto near = made(told("cpu_mhz : 2000.123\n"), trace);
    REQUIRE(near);
    CHECK(near->info.tsc_khz == 2'000'123);
    const auto untold = made(told(""), trace);
    REQUIRE(untold);
    CHECK(untold->info.tsc_khz == 2'000'000);
    CHECK(has(refused(told("")), "needs the line cpu_mhz"));
}

TEST_CASE("import: a trace without records") {
    TraceSurvey trace("trace");
    trace.finish();
    const auto host = made(topology, trace);
    REQUIRE_FALSE(host);
    CHECK(has(host.error().message, "no records"));
}
