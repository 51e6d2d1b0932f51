// SPDX-License-Identifier: MIT
#include "bench/replay/scenario.hpp"
#include "collector/trace/stream.hpp"
#include "tests/support/trace_bytes.hpp"

#include <doctest/doctest.h>
#include <google/protobuf/text_format.h>

using namespace intellisched;
using intellisched::test::bytes_of;
using intellisched::test::Window;
using trace::Runstate;

namespace {

constexpr auto running = Runstate::running, runnable = Runstate::runnable,
               blocked = Runstate::blocked;
constexpr std::uint32_t d1v0 = 1U << 16;

/// A host that was recorded: one snapshot, maybe a second one, then the trace. 1 MHz: a cycle is a
/// microsecond.
struct Recorded final : Host {
    explicit Recorded(const std::vector<Window>& windows) : trace{bytes_of(windows)} {
        told.tsc_khz = 1000;
        told.boot = {Layout::core, 16};
        told.xen_command_line = "console=com1 credit2_runqueue=socket sched_ratelimit_us=500 x";
        for (unsigned i = 0; i < 8; ++i) {
            proto::Cpu& cpu = *snapshot.add_cpus();
            cpu.set_id(i);
            cpu.set_core(i / 2 % 2);
            cpu.set_socket(i / 4);
            cpu.set_node(i / 4);
        }
        add_pool(0, "Pool-0", {0, 1, 2, 3, 4, 5});
        add_domain(0, "Domain-0", 2);
        add_domain(1, "web", 2);
    }
    void add_pool(unsigned id, const std::string& name, const std::vector<unsigned>& cpus) {
        proto::Pool& pool = *snapshot.add_pools();
        pool.set_id(id);
        pool.set_name(name);
        pool.set_scheduler("credit2");
        pool.set_granularity("cpu");
        for (const unsigned cpu : cpus) pool.add_cpus(cpu);
    }
    proto::Domain& add_domain(unsigned id, const std::string& name, unsigned vcpus) {
        proto::Domain& domain = *snapshot.add_domains();
        domain.set_id(id);
        domain.set_name(name);
        domain.set_weight(256);
        for (unsigned i = 0; i < vcpus; ++i) domain.add_vcpus()->set_id(i);
        return domain;
    }
    [[nodiscard]] const HostInfo& info() const override { return told; }
    [[nodiscard]] Result<std::optional<HostItem>> next() override {
        switch (given++) {
        case 0:
            return TRY(view_of(snapshot));
        case 1:
            return TRY(view_of(second ? *second : snapshot));
        case 2:
            return TraceBytes{trace};
        default:
            return std::nullopt;
        }
    }

    HostInfo told;
    proto::HostSnapshot snapshot;
    std::optional<proto::HostSnapshot> second;
    std::vector<std::byte> trace;
    int given = 0;
};

/// d1v0 on CPU 0: seen from 1000 on, 300 in all; wakes at 1500 and waits for 40, is preempted for
/// 60 and ran 210; wakes at 2000 and still runs at the end, 2100.
std::vector<Window> three_stretches() {
    return {Window(0)
                .runstate(1000, 1, 0, runnable, running)
                .runstate(1300, 1, 0, running, blocked)
                .runstate(1540, 1, 0, runnable, running)
                .runstate(1600, 1, 0, running, runnable)
                .runstate(1660, 1, 0, runnable, running)
                .runstate(1810, 1, 0, running, blocked)
                .runstate(2000, 1, 0, blocked, runnable)
                .runstate(2001, 1, 0, runnable, running)
                .record(0x22209, 2100),
            Window(3).runstate(1500, 1, 0, blocked, runnable)};
}

Result<proto::Scenario> scenario_of(Recorded& host, bool closed = false) {
    const auto recording = replay::read_recording(host, "a");
    if (!recording) return tl::unexpected(recording.error());
    return replay::scenario_of(*recording, "a", closed);
}

void check_refused(Recorded& host, const std::string& fragment) {
    const auto scenario = scenario_of(host);
    REQUIRE_FALSE(scenario);
    CAPTURE(scenario.error().message);
    CHECK(scenario.error().message.find(fragment) != std::string::npos);
}

std::vector<double> values(const google::protobuf::RepeatedField<double>& field) {
    return {field.begin(), field.end()};
}

} // namespace

TEST_CASE("replay: a stretch is from a wake-up to the next block, without the waits") {
    Recorded host(three_stretches());
    const auto recording = replay::read_recording(host, "a");
    REQUIRE(recording);
    const auto& mine = recording->collected.stretches().at(d1v0);
    REQUIRE(mine.size() == 3);
    CHECK(mine[0].woken == 1000);
    CHECK(mine[0].ran == 300);
    CHECK(mine[0].blocked == 1300);
    CHECK(mine[1].woken == 1500);
    CHECK(mine[1].ran == 60 + 150);
    CHECK(mine[1].blocked == 1810);
    CHECK(mine[2].woken == 2000);
    CHECK(mine[2].ran == 99); // up to the last record
    CHECK(recording->collected.mismatches() == 0);
    CHECK(recording->seconds() == doctest::Approx(1.1e-3));
}

TEST_CASE("replay: the scenario has the host and the times, open or closed") {
    Recorded host(three_stretches());
    const auto open = scenario_of(host);
    REQUIRE(open);
    CHECK(open->machine().sockets() == 2);
    CHECK(open->machine().cores() == 2);
    CHECK(open->machine().threads() == 2);
    CHECK(open->machine().nodes() == 2);
    CHECK(open->xen_args() ==
          "credit2_runqueue=core sched_credit2_max_cpus_runqueue=16 sched_ratelimit_us=500");
    REQUIRE(open->guests_size() == 2); // Domain-0 stays, though it never ran
    const proto::Guest& web = open->guests(1);
    CHECK(web.name() == "web");
    CHECK(web.vcpus() == 2);
    CHECK(web.soft_affinity(0) == "0-7");
    const auto& load = web.phases(0).loads(0).replay();
    REQUIRE(load.vcpus_size() == 2);
    CHECK(values(load.vcpus(0).wake_us()) == std::vector<double>{0, 500, 500});
    CHECK(values(load.vcpus(0).run_us()) == std::vector<double>{300, 210, 99});
    CHECK(load.vcpus(1).run_us_size() == 0);

    host.given = 0;
    const auto closed = scenario_of(host, true);
    REQUIRE(closed);
    const auto& vcpu = closed->guests(1).phases(0).loads(0).replay().vcpus(0);
    CHECK(vcpu.wake_us_size() == 0);
    CHECK(values(vcpu.block_us()) == std::vector<double>{0, 200, 190});

    proto::Scenario again;
    REQUIRE(google::protobuf::TextFormat::ParseFromString(replay::text_of(*open), &again));
    CHECK(again.SerializeAsString() == open->SerializeAsString());
}

TEST_CASE("replay: a host with several nodes a socket is replayed with them") {
    Recorded host(three_stretches());
    for (int i = 0; i < 8; ++i)
        host.snapshot.mutable_cpus(i)->set_node(static_cast<unsigned>(i) / 2);
    const auto replayed = scenario_of(host);
    REQUIRE(replayed);
    CHECK(replayed->machine().sockets() == 2);
    CHECK(replayed->machine().nodes() == 4);
}

TEST_CASE("replay: pools, caps, affinities and strange names are taken over") {
    Recorded host(three_stretches());
    host.add_pool(3, "batch", {6, 7});
    host.snapshot.mutable_pools(1)->mutable_arrangement()->set_layout("all");
    proto::Domain& web = *host.snapshot.mutable_domains(1);
    web.set_name("\x1b[1m");
    web.set_pool_id(3);
    web.set_weight(512);
    web.set_cap(50);
    web.mutable_vcpus(1)->add_hard_affinity(6);
    web.mutable_vcpus(1)->add_hard_affinity(7);
    const auto scenario = scenario_of(host);
    REQUIRE(scenario);
    REQUIRE(scenario->pools_size() == 1);
    CHECK(scenario->pools(0).cpus() == "6,7");
    CHECK(scenario->pools(0).arrangement().layout() == "all");
    const proto::Guest& guest = scenario->guests(1);
    CHECK(guest.name() == "domain-1");
    CHECK(guest.pool() == "batch");
    CHECK(guest.weight() == 512);
    CHECK(guest.cap() == 50);
    REQUIRE(guest.hard_affinity_size() == 2);
    CHECK(guest.hard_affinity(0) == "0-7");
    CHECK(guest.hard_affinity(1) == "6,7");
}

TEST_CASE("replay: a wake-up that is dated after its start is taken to be there") {
    Recorded host({Window(0)
                       .runstate(1000, 1, 0, runnable, running)
                       .runstate(1100, 1, 0, running, blocked)
                       .runstate(1500, 1, 0, runnable, running)
                       .runstate(1700, 1, 0, running, blocked),
                   Window(1).runstate(1505, 1, 0, blocked, runnable)});
    const auto recording = replay::read_recording(host, "a");
    REQUIRE(recording);
    const auto& mine = recording->collected.stretches().at(d1v0);
    REQUIRE(mine.size() == 2);
    CHECK(mine[1].woken == 1500);
    CHECK(mine[1].ran == 200);
    CHECK(recording->collected.mismatches() == 2);
}

TEST_CASE("replay: what cannot be replayed is refused with its reason") {
    Recorded lost({Window(0).runstate(1000, 1, 0, runnable, running).lost(1100, 1200, 7, 1, 0)});
    check_refused(lost, "a: 7 records were lost");

    Recorded changed(three_stretches());
    changed.second = changed.snapshot;
    changed.second->mutable_domains(1)->set_weight(300);
    check_refused(changed, "changed while it was recorded");
    changed.given = 0;
    changed.second->mutable_domains(1)->set_weight(256);
    changed.second->set_tsc(5); // only looked at again
    CHECK(scenario_of(changed));

    Recorded stranger(
        {Window(0).runstate(1000, 9, 0, runnable, running).runstate(1100, 9, 0, running, blocked)});
    check_refused(stranger, "vCPU 0 of domain 9 ran and is in no snapshot");

    Recorded other(three_stretches());
    other.snapshot.mutable_pools(0)->set_scheduler("credit");
    check_refused(other, "scheduler credit");

    Recorded offline(three_stretches());
    offline.snapshot.mutable_cpus()->RemoveLast();
    offline.snapshot.mutable_pools(0)->mutable_cpus()->RemoveLast();
    check_refused(offline, "all CPUs online");

    Recorded empty({});
    check_refused(empty, "has no trace");
}
