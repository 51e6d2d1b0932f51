// SPDX-License-Identifier: MIT
// Hosts: snapshots are checked as data from outside, a capture plays back as a host, and the parts
// of the live host that need no Xen do theirs.
#include "collector/counters/backends.hpp"
#include "collector/counters/moment.hpp"
#include "collector/trace/live.hpp"
#include "src/host/capture_host.hpp"
#include "src/host/open_host.hpp"
#include "src/host/piped_trace.hpp"
#include "src/host/unknown_cpus.hpp"
#include "src/host/xl.hpp"
#include "tests/support/capture_files.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace intellisched;
using namespace intellisched::test;
namespace fs = std::filesystem;

namespace {

void add_cpu(proto::HostSnapshot& snapshot, unsigned id, unsigned socket = 0) {
    proto::Cpu& cpu = *snapshot.add_cpus();
    cpu.set_id(id);
    cpu.set_core(id);
    cpu.set_socket(socket);
}

proto::Pool& add_pool(proto::HostSnapshot& snapshot, unsigned id, const std::string& name,
                      std::initializer_list<unsigned> cpus) {
    proto::Pool& pool = *snapshot.add_pools();
    pool.set_id(id);
    pool.set_name(name);
    pool.set_scheduler("credit2");
    pool.set_granularity("cpu");
    for (const unsigned cpu : cpus) pool.add_cpus(cpu);
    return pool;
}

proto::HostSnapshot two_pools() {
    proto::HostSnapshot snapshot;
    for (unsigned id : {3, 1, 0, 2}) add_cpu(snapshot, id, id / 2);
    add_pool(snapshot, 0, "Pool-0", {1, 0});
    add_pool(snapshot, 4, "batch", {2, 3});
    return snapshot;
}

} // namespace

TEST_CASE("snapshot: a pool of CPUs that the host has not") {
    auto pools = two_pools();
    pools.mutable_pools(1)->add_cpus(7);
    CHECK(contains(error_of(pools_of(pools)), "pool 'batch' has CPU 7, which the host has not"));
}

TEST_CASE("unknown CPUs: records and affinities of CPUs that no snapshot has are told, once") {
    UnknownCpus unknown;
    auto host = two_pools();
    unknown.add(host);
    const auto record = [&](unsigned cpu) {
        unknown.add(trace::Record{1, 0x28004, static_cast<std::uint16_t>(cpu), 0, nullptr});
    };
    for (unsigned cpu = 0; cpu < 4; ++cpu) record(cpu);
    CHECK(unknown.told().empty());
    for (const unsigned cpu : {4, 5, 6, 9, 9, 65535}) record(cpu);
    REQUIRE(unknown.told().size() == 1);
    CHECK(contains(unknown.told()[0],
                   "6 records of the trace are of CPUs 4-6,9,65535, which the host has not"));
    // They were about to come.
    for (const unsigned cpu : {4, 5, 6, 65535}) add_cpu(host, cpu);
    unknown.add(host);
    CHECK(contains(unknown.told()[0], "2 records of the trace are of CPU 9, "));

    for (unsigned id = 0; id < 6; ++id) {
        proto::Domain& domain = *host.add_domains();
        domain.set_id(id);
        domain.add_vcpus()->add_hard_affinity(id < 3 ? 0 : 4000 + id);
    }
    unknown.add(host);
    CHECK(unknown.told().size() == 4);
    CHECK(unknown.told()[1] == "domain 3 has affinity to CPU 4003, which the host has not");
    // However many.
    for (unsigned cpu = 0; cpu < 65536; cpu += 2) record(cpu);
    CHECK(unknown.told()[0].size() < 250);
}

TEST_CASE("snapshot: topology and pools come out in order") {
    const auto topology = topology_of(two_pools());
    REQUIRE(topology);
    REQUIRE(topology->cpus.size() == 4);
    for (unsigned id = 0; id < 4; ++id) CHECK(topology->cpus[id].id == id);
    CHECK(topology->cpus[3].socket == 1);

    const auto pools = pools_of(two_pools());
    REQUIRE(pools);
    CHECK((*pools)[0].cpus == std::vector<unsigned>{0, 1});
    CHECK((*pools)[1].scheduler == "credit2");
}

TEST_CASE("snapshot: what no host has is refused") {
    proto::HostSnapshot empty;
    CHECK(contains(error_of(topology_of(empty)), "has no CPUs"));

    proto::HostSnapshot twice = two_pools();
    add_cpu(twice, 3);
    CHECK(contains(error_of(topology_of(twice)), "CPU 3 twice"));

    proto::HostSnapshot far = two_pools();
    add_cpu(far, 4096);
    CHECK(contains(error_of(topology_of(far)), "CPU 4096"));

    proto::HostSnapshot many;
    for (unsigned id = 0; id < 4097; ++id) add_cpu(many, id % 4096);
    CHECK(contains(error_of(topology_of(many)), "4097 CPUs"));
    many.mutable_cpus()->RemoveLast();
    CHECK(topology_of(many));

    proto::HostSnapshot pools = two_pools();
    add_pool(pools, 4, "again", {});
    CHECK(contains(error_of(pools_of(pools)), "pool 4 twice"));

    pools = two_pools();
    pools.mutable_pools(1)->add_cpus(1);
    CHECK(contains(error_of(pools_of(pools)), "pool 'batch' has CPU 1, which a pool has already"));

    pools = two_pools();
    pools.mutable_pools(0)->add_cpus(5000);
    CHECK(contains(error_of(pools_of(pools)), "CPU 5000, which is not possible"));

    pools = two_pools();
    pools.mutable_pools(0)->set_granularity("galaxy\n");
    CHECK(contains(error_of(pools_of(pools)), "granularity 'galaxy?'"));
    pools.mutable_pools(0)->set_granularity("");
    CHECK_FALSE(pools_of(pools));

    pools = two_pools();
    pools.mutable_pools(1)->mutable_arrangement()->set_layout("galaxy\n");
    CHECK(contains(error_of(pools_of(pools)), "pool 'batch' has the unknown layout 'galaxy?'"));

    pools = two_pools();
    pools.mutable_pools(1)->set_rate_limit_us(99);
    CHECK(contains(error_of(pools_of(pools)), "pool 'batch' has a rate limit of 99 us"));
}

TEST_CASE("snapshot: a pool tells its own rate limit, of which 0 is one") {
    auto snapshot = two_pools();
    snapshot.mutable_pools(1)->set_rate_limit_us(0);
    const auto pools = pools_of(snapshot);
    REQUIRE(pools);
    CHECK_FALSE((*pools)[0].rate_limit_us);
    CHECK((*pools)[1].rate_limit_us == 0);
}

TEST_CASE("snapshot: a pool tells its own layout, an older one's is that of the boot") {
    auto snapshot = two_pools();
    auto& told = *snapshot.mutable_pools(1);
    told.mutable_arrangement()->set_layout("core");
    told.set_can_rearrange(true);
    const auto pools = pools_of(snapshot);
    REQUIRE(pools);
    CHECK_FALSE((*pools)[0].arrangement);
    CHECK_FALSE((*pools)[0].can_rearrange);
    CHECK((*pools)[1].arrangement == Arrangement{Layout::core, no_cap});
    CHECK((*pools)[1].can_rearrange);
}

TEST_CASE("find_pool: by name or id as xl takes them; the error says what there is") {
    auto snapshot = two_pools();
    add_pool(snapshot, 7, "4", {});
    const auto pools = pools_of(snapshot);
    REQUIRE(pools);
    CHECK(find_pool(*pools, "batch")->id == 4);
    CHECK(find_pool(*pools, "0")->name == "Pool-0");
    CHECK(find_pool(*pools, "4")->name == "batch"); // an id before a name
    CHECK(find_pool(*pools, "7")->name == "4");
    for (const char* wrong :
         {"Pool-1", "pool-0", "", "1", "0x0", "-1", "4 ", "99999999999999999999"})
        CHECK(error_of(find_pool(*pools, wrong)) ==
              fmt::format("unknown cpupool '{}'; there are: Pool-0 (0), batch (4), 4 (7)", wrong));
    CHECK(error_of(find_pool({}, "a\nb")) == "unknown cpupool 'a?b'; there is none at all");
}

TEST_CASE("capture as a host: a snapshot first, all by time, then the trace") {
    const Directory directory;
    const fs::path path = directory.path / "capture";
    proto::CaptureManifest manifest;
    manifest.set_xen_command_line("placeholder credit2_runqueue=core sched_ratelimit_us=300");
    manifest.set_boot_layout("node");
    manifest.set_max_cpus_runqueue(8);
    manifest.set_tsc_khz(2'600'000);
    auto writer = capture::Writer::create(path, manifest);
    REQUIRE(writer);
    auto snapshot = two_pools();
    proto::CounterSample sample;
    sample.set_tsc(90); // before the snapshot, which still comes first
    REQUIRE(writer->counters(sample));
    for (const unsigned tsc : {100, 200}) {
        snapshot.set_tsc(tsc);
        REQUIRE(writer->snapshot(snapshot));
        snapshot.mutable_pools(1)->set_rate_limit_us(5000); // a recorder of old did not tell it
    }
    for (const unsigned tsc : {150, 250}) {
        sample.set_tsc(tsc);
        REQUIRE(writer->counters(sample));
    }
    const std::vector<std::byte> trace(600'000, std::byte{42});
    REQUIRE(writer->trace(trace));
    REQUIRE(writer->finish(300, 0));

    auto host = open_host("capture:" + path.string());
    REQUIRE_MESSAGE(host, host.error().message);
    CHECK((*host)->info().boot.layout == Layout::node);
    CHECK((*host)->info().boot.max_cpus == 8);
    CHECK((*host)->info().tsc_khz == 2'600'000);
    std::string order;
    std::vector<unsigned> rate_limits;
    std::vector<std::byte> played;
    for (;;) {
        auto item = (*host)->next();
        REQUIRE(item);
        if (!*item) break;
        if (const auto* s = std::get_if<HostView>(&**item)) {
            order += fmt::format("s{} ", s->snapshot.tsc());
            rate_limits.push_back(s->pools[1].rate_limit_us.value_or(0));
        } else if (const auto* c = std::get_if<proto::CounterSample>(&**item))
            order += fmt::format("c{} ", c->tsc());
        else {
            const auto& bytes = std::get<TraceBytes>(**item).bytes;
            if (played.empty()) order += "trace";
            played.insert(played.end(), bytes.begin(), bytes.end());
        }
    }
    CHECK(order == "s100 c90 c150 s200 c250 trace");
    CHECK(rate_limits == std::vector<unsigned>{300, 5000});
    CHECK(played == trace);
}

TEST_CASE("capture as a host: one without a snapshot or with an unknown layout is refused") {
    const Directory directory;
    proto::CaptureManifest manifest;
    REQUIRE(capture::Writer::create(directory.path / "a", manifest)->finish(1, 0));
    auto host = CaptureHost::open(directory.path / "a");
    REQUIRE(host);
    CHECK((*host)->info().boot.layout == Layout::socket);
    CHECK(contains(error_of((*host)->next()), "has no snapshot of the host"));

    manifest.set_boot_layout("galaxy");
    REQUIRE(capture::Writer::create(directory.path / "b", manifest));
    CHECK(contains(error_of(CaptureHost::open(directory.path / "b")), "unknown layout 'galaxy'"));

    manifest.clear_boot_layout();
    manifest.set_tsc_khz(1); // a window would be a thousand cycles
    REQUIRE(capture::Writer::create(directory.path / "c", manifest));
    CHECK(contains(error_of(CaptureHost::open(directory.path / "c")), "a TSC of 1 kHz"));
}

TEST_CASE("open_host: an unknown host is answered with those that are known") {
    CHECK(error_of(open_host("kvm:x\n")) ==
          "unknown host 'kvm:x?'; xen, capture:PATH and sim:SCENARIO are accepted");
    CHECK(contains(error_of(open_host("capture:")), "needs a path"));
    CHECK(contains(error_of(open_host("capture:/nonexistent")), "no such capture"));
    if (!trace::LiveTrace::available()) {
        CHECK(contains(error_of(open_host("")), "no host named, and none here: this is not a Xen"));
        CHECK(contains(error_of(open_host("xen")), "this is not a Xen dom0"));
        CHECK(contains(error_of(trace::LiveTrace::open()), "this is not a Xen dom0"));
    }
    CHECK(contains(error_of(open_host("xen", {.duty_ms = 0})), "duty cycle of 0 ms"));
    CHECK(contains(error_of(open_host("xen", {.duty_ms = 1001})), "duty cycle of 1001 ms"));
    CHECK(contains(error_of(open_host("xen", {.duty_ms = 500, .trace_from = "-"})), "live trace"));
    CHECK(
        contains(error_of(open_host("xen", {.interval = std::chrono::milliseconds(0)})), "short"));
}

TEST_CASE("Xen's command line: the last known granularity counts") {
    CHECK(granularity_at_boot("") == "cpu");
    CHECK(granularity_at_boot("console=com1 sched-gran=core") == "core");
    CHECK(granularity_at_boot("sched-gran=core x sched-gran=socket sched-gran=galaxy ") ==
          "socket");
    CHECK(granularity_at_boot("no-sched-gran=core") == "cpu");
}

TEST_CASE("text from a guest: only UTF-8 gets into a message") {
    CHECK(valid_utf8("plain") == "plain");
    CHECK(valid_utf8("b\xc3\xbcro \xe2\x82\xac \xf0\x9f\x90\xa7") ==
          "b\xc3\xbcro \xe2\x82\xac \xf0\x9f\x90\xa7");
    CHECK(valid_utf8("\xff\xc3") == "??");           // no such byte; cut short
    CHECK(valid_utf8("\xc0\xaf") == "??");           // overlong
    CHECK(valid_utf8("\xed\xa0\x80") == "???");      // surrogate
    CHECK(valid_utf8("\xf4\x90\x80\x80") == "????"); // past the last code point
    CHECK(valid_utf8("\xe2\x82z") == "??z");
}

TEST_CASE("moment: both clocks run forward at a fixed ratio") {
    const auto a = counters::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto b = counters::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const auto c = counters::now();
    const double first = double(b.tsc - a.tsc) / double(b.monotonic_ns - a.monotonic_ns);
    const double second = double(c.tsc - b.tsc) / double(c.monotonic_ns - b.monotonic_ns);
    CHECK(first == doctest::Approx(second).epsilon(0.01));
}

TEST_CASE("backends: network and block counters of every guest") {
    const Directory sysfs;
    const auto attribute = [&](const std::string& path, unsigned value) {
        spill(sysfs.path / path, fmt::format("{}\n", value));
    };
    for (const unsigned vif : {0, 1}) {
        const std::string net = fmt::format("vif-5-{}/net/renamed{}/statistics/", vif, vif);
        attribute(net + "rx_bytes", 1000 + vif);
        attribute(net + "tx_bytes", 2000 + vif);
        attribute(net + "rx_packets", 10);
        attribute(net + "tx_packets", 20);
    }
    attribute("vbd-5-51712/statistics/rd_req", 1);
    attribute("vbd-5-51712/statistics/wr_req", 2);
    attribute("vbd-5-51712/statistics/rd_sect", 3);
    attribute("vbd-5-51712/statistics/wr_sect", 4);
    attribute("vbd-6-51712/statistics/rd_req", 99); // a domain that has gone
    attribute("vbd-x-1/statistics/rd_req", 99);
    attribute("vbd05-1/statistics/rd_req", 99);
    attribute("vbd-5", 99);
    attribute("vfb-5-0/statistics/rd_req", 99);

    proto::CounterSample sample;
    sample.add_domains()->set_id(0);
    sample.add_domains()->set_id(5);
    CHECK(counters::add_backends(sysfs.path, sample));
    const proto::DomainCounters& guest = sample.domains(1);
    CHECK(guest.network_tx_bytes() == 2001); // what dom0 received
    CHECK(guest.network_rx_bytes() == 4001);
    CHECK(guest.network_tx_packets() == 20);
    CHECK(guest.network_rx_packets() == 40);
    CHECK(guest.block_read_requests() == 1);
    CHECK(guest.block_write_requests() == 2);
    CHECK(guest.block_read_sectors() == 3);
    CHECK(guest.block_write_sectors() == 4);
    CHECK(sample.domains(0).ByteSizeLong() == 0);
    CHECK_FALSE(counters::add_backends(sysfs.path / "nothing", sample));
}

TEST_CASE("piped trace: a FIFO waits for its writer and ends with it") {
    using std::chrono::milliseconds;
    const Directory directory;
    const std::string path = (directory.path / "fifo").string();
    CHECK(contains(error_of(PipedTrace::open(path)), "start `xentrace -e 0x2f000 "));
    CHECK(contains(error_of(PipedTrace::open(directory.path)), "neither a file nor a pipe"));
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    auto trace = PipedTrace::open(path);
    REQUIRE(trace);
    std::vector<std::byte> out;
    CHECK(*trace->read(out, milliseconds(1))); // nobody there yet
    CHECK(out.empty());
    {
        const FileDescriptor writer(::open(path.c_str(), O_WRONLY));
        REQUIRE(::write(writer.get(), "abc", 3) == 3);
        CHECK(*trace->read(out, milliseconds(1)));
        CHECK(out.size() == 3);
        CHECK(*trace->read(out, milliseconds(1)));
    }
    CHECK_FALSE(*trace->read(out, milliseconds(1)));
    CHECK(out.size() == 3);
}

TEST_CASE("piped trace: a file is followed as it grows") {
    using std::chrono::milliseconds;
    const Directory directory;
    const fs::path path = directory.path / "trace";
    spill(path, "abc");
    auto trace = PipedTrace::open(path);
    REQUIRE(trace);
    std::vector<std::byte> out;
    CHECK(*trace->read(out, milliseconds(1)));
    CHECK(*trace->read(out, milliseconds(1)));
    std::ofstream(path, std::ios::app) << "def";
    CHECK(*trace->read(out, milliseconds(1)));
    CHECK(std::memcmp(out.data(), "abcdef", 6) == 0);
    CHECK(out.size() == 6);
}
