// SPDX-License-Identifier: MIT
#include "bench/import/xl_text.hpp"

#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::imported;

namespace {

XlText read(std::string_view text) {
    XlText to;
    const auto done = read_xl_text(text, "all.txt", to);
    REQUIRE_MESSAGE(done, done.error().message);
    return to;
}

std::string refused(std::string_view text) {
    XlText to;
    const auto done = read_xl_text(text, "all.txt", to);
    REQUIRE_FALSE(done);
    CHECK(done.error().message.find('\n') == std::string::npos);
    return done.error().message;
}

const std::string vcpu_head = "Name                                ID  VCPU   CPU State   Time(s) "
                              "Affinity (Hard / Soft)\n";
const std::string topology_head = "cpu:    core    socket     node\n";

} // namespace

TEST_CASE("xl text: xl info -n, with what stands around its tables") {
    const XlText text =
        read("host                   : dom0\n"
             "nr_cpus                : 4\n"
             "max_cpu_id             : 7\n"
             "cores_per_socket       : 4\n"
             "threads_per_core       : 2\n"
             "cpu_mhz                : 2593.006\n"
             "virt_caps              : pv hvm hvm_directio\n"
             "cpu_topology           :\n"
             "cpu:    core    socket     node\n"
             "  0:       0        0        0\n"
             "  2:       1        0        0\n"
             "  4:       0        1        1\r\n"
             "  6:       1        1        1\n"
             "device topology        :\n"
             "device           node\n"
             "0000:00:00.0      0\n"
             "numa_info              :\n"
             "node:    memsize    memfree    distances\n"
             "   0:     16384       1024      10,20\n"
             "xen_extra              : .4-pre\n"
             "xen_version            : 4.19.4-pre\n"
             "xen_scheduler          : credit2\n"
             "xen_commandline        : placeholder smt=off credit2_runqueue=core x=a:b\n"
             "cc_compile_date        : Tue Mar  4 13:20:05 UTC 2025\n"
             "xenstore_features      : 0x00000003\n");
    REQUIRE(text.cpus.size() == 4);
    CHECK(text.cpus.at(4) == Cpu{4, 0, 1, 1});
    CHECK(text.nr_cpus == 4);
    CHECK(text.cpu_khz == 2593006);
    CHECK(text.xen_version == "4.19.4-pre");
    CHECK(text.scheduler == "credit2");
    CHECK(text.command_line == "placeholder smt=off credit2_runqueue=core x=a:b");
    CHECK(text.pools.empty());
}

TEST_CASE("xl text: pools, of both forms of cpupool-list") {
    const XlText text = read("Name               CPU list\n"
                             "Pool-0             0,1,2,3\n"
                             "big pool 2         4,5,8\n"
                             "empty 7            \n"
                             "none at all\n"
                             "\n"
                             "Name               CPUs   Sched     Active   Domain count\n"
                             "Pool-0               4   credit2       y          3\n"
                             "big pool 2           3   arinc653       y          0\n"
                             "empty 7              0    credit       y          0\n");
    REQUIRE(text.pools.size() == 4);
    CHECK(text.pools[0].first == "Pool-0");
    CHECK(text.pools[0].second.cpus == CpuRanges{{0, 3}});
    CHECK(text.pools[0].second.cpu_count == 4);
    CHECK(text.pools[0].second.scheduler == "credit2");
    CHECK(text.pools[1].first == "big pool 2");
    CHECK(text.pools[1].second.cpus == CpuRanges{{4, 5}, {8, 8}});
    CHECK(text.pools[1].second.scheduler == "arinc653");
    CHECK(text.pools[2].first == "empty 7");
    CHECK(text.pools[2].second.cpus == CpuRanges{});
    CHECK(text.pools[3].first == "none at all");
    CHECK(text.pool_cpus);
    CHECK(text.pool_schedulers);
}

TEST_CASE("xl text: a pool's name that runs into its CPUs") {
    const std::string head = "Name               CPU list\n";
    CHECK(refused(head + "a-very-long-pool-name0,1,2\n").find("put a blank between") !=
          std::string::npos);
    CHECK(read(head + "a-very-long-pool-name 0,1,2\n").pools[0].first == "a-very-long-pool-name");
    // Reflowed by whatever it was pasted through.
    CHECK(read("Name CPU list\nPool-0 0,1\n").pools[0].second.cpus == CpuRanges{{0, 1}});
}

TEST_CASE("xl text: vCPUs, offline ones and names of several words among them") {
    const XlText text =
        read(vcpu_head +
             "Domain-0                             0     0    3   -b-      21.4  all / all\n"
             "my web server / 2                    7     0    12   r--   10000.9  0-3,8 / 0-7\n"
             "my web server / 2                    7     1     -   --p       0.0  all / none\n");
    REQUIRE(text.vcpus.size() == 3);
    CHECK(text.names.at(7) == "my web server / 2");
    CHECK(text.vcpus.at({0, 0}).cpu == 3);
    CHECK_FALSE(text.vcpus.at({0, 0}).hard);
    CHECK(text.vcpus.at({7, 0}).hard == CpuRanges{{0, 3}, {8, 8}});
    CHECK(text.vcpus.at({7, 0}).soft == CpuRanges{{0, 7}});
    CHECK_FALSE(text.vcpus.at({7, 1}).cpu);
    CHECK(text.vcpus.at({7, 1}).soft == CpuRanges{});
}

TEST_CASE("xl text: weights by pool, and what a patched Xen says of its runqueues") {
    const XlText text =
        read("Cpupool Pool-0: ratelimit=1000us\n"
             "Name                                ID Weight  Cap\n"
             "Domain-0                             0    256    0\n"
             "build box                            3    512   50\n"
             "Cpupool batch: ratelimit=500us runqueue=core max-cpus=none nr-runqueues=4\n"
             "Name                                ID Weight  Cap\n"
             "x                                    4    128    0\n"
             "Cpupool old: tslice=30ms ratelimit=1000us migration-delay=0us\n"
             "Name                                ID Weight  Cap\n"
             "y                                    5    256    0\n");
    CHECK(text.weights.at(3) == XlWeight{"Pool-0", 512, 50});
    CHECK(text.weights.at(4) == XlWeight{"batch", 128, 0});
    CHECK(text.names.at(3) == "build box");
    REQUIRE(text.pools.size() == 3);
    CHECK(text.pools[0].second.scheduler == "credit2");
    CHECK_FALSE(text.pools[0].second.arrangement);
    CHECK(text.pools[0].second.rate_limit_us == 1000);
    CHECK(text.pools[1].second.rate_limit_us == 500);
    CHECK_FALSE(text.pools[2].second.rate_limit_us); // of sched-credit: not ours
    CHECK(text.pools[1].second.arrangement == Arrangement{Layout::core, no_cap});
    CHECK(text.pools[2].second.scheduler == "credit");
}

TEST_CASE("xl text: outputs follow each other behind prompts, empty lines or each other") {
    const XlText text = read("[root@h ~]# xl info -n | grep -A5 core\n" + topology_head +
                             "  0:       0        0        0\n"
                             "root@h:~# xl vcpu-list\n" +
                             vcpu_head + "a     1 0 0 -b- 1.0  all / all\n" +
                             "Name                                ID Weight  Cap\n"
                             "a                                    1    256    0\n"
                             "h:~ $\n" +
                             "something else 1 2 3\n");
    CHECK(text.cpus.size() == 1);
    CHECK(text.vcpus.size() == 1);
    CHECK(text.weights.size() == 1);
}

TEST_CASE("xl text: a line that is cut or is none of an output's is told by file and line") {
    CHECK(refused(topology_head + "  0:       0        0\n")
              .starts_with("all.txt:2: no line of `xl info -n`"));
    CHECK(
        refused(vcpu_head + "a  1 0 0 -b- 1.0  all / all\nb   2   0\n").starts_with("all.txt:3: "));
    CHECK(refused(vcpu_head + "a  1 0 0 -b- 1.0  3-1 / all\n").starts_with("all.txt:2: "));
    CHECK(refused(vcpu_head + "a  1 0 0 -b- 1.0  0-9999 / all\n").starts_with("all.txt:2: "));
    CHECK(refused("Name               CPU list\nPool-0             3,1,2\n")
              .starts_with("all.txt:2: "));
}

TEST_CASE("xl text: numbers that no host has, and outputs that contradict each other") {
    CHECK(refused(topology_head + "4096: 0 0 0\n").find("CPU 4096") != std::string::npos);
    CHECK(refused(topology_head + "0: 0 0 0\n0: 1 0 0\n").find("twice") != std::string::npos);
    CHECK(read(topology_head + "0: 0 0 0\n\n" + topology_head + "0: 0 0 0\n").cpus.size() == 1);
    CHECK(refused(vcpu_head + "a 40000 0 0 -b- 1.0  all / all\n").find("40000") !=
          std::string::npos);
    CHECK(refused(vcpu_head + "a 1 0 0 -b- 1.0  all / all\nb 1 1 0 -b- 1.0  all / all\n")
              .find("domain 1") != std::string::npos);
    CHECK(refused("nr_cpus : 4\nnr_cpus : 8\n").find("nr_cpus") != std::string::npos);
    CHECK(refused("nr_cpus : many\n").find("xl info -n") != std::string::npos);
    CHECK(refused("cpu_mhz : 2593\n").find("cpu_mhz") != std::string::npos);
    for (const char* wrong : {"50us", "1000", "us", "600000us"})
        CHECK(refused(fmt::format("Cpupool p: ratelimit={}\n", wrong))
                  .starts_with(fmt::format("all.txt:1: '{}' is no rate limit", wrong)));
    CHECK(refused("Name ID Weight Cap\na 1 70000 0\n").find("70000") != std::string::npos);
    std::string pools = "Name               CPU list\n";
    for (int i = 0; i < 300; ++i) pools += fmt::format("p{}\n", i);
    CHECK(refused(pools).find("256 cpupools") != std::string::npos);
}

TEST_CASE("xl text: names that are no UTF-8 become such") {
    const XlText text = read(vcpu_head + "a\xff\x80z 1 0 0 -b- 1.0  all / all\n");
    CHECK(text.names.at(1) == "a??z");
}
