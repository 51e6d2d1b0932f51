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

Result<proto::Scenario> scenario_of(Recorded& host, replay::Wakes wakes = replay::Wakes::open) {
    const auto recording = replay::read_recording(host, "a");
    if (!recording) return tl::unexpected(recording.error());
    return replay::scenario_of(*recording, recording->collected.stretches(), "a", wakes);
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
    const auto& mine = recording->collected.stretches().by_vcpu.at(d1v0);
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
    const auto closed = scenario_of(host, replay::Wakes::closed);
    REQUIRE(closed);
    const auto& vcpu = closed->guests(1).phases(0).loads(0).replay().vcpus(0);
    CHECK(vcpu.wake_us_size() == 0);
    CHECK(values(vcpu.block_us()) == std::vector<double>{0, 200, 190});

    proto::Scenario again;
    REQUIRE(google::protobuf::TextFormat::ParseFromString(replay::text_of(*open), &again));
    CHECK(again.SerializeAsString() == open->SerializeAsString());
}

/// Two vCPUs of d1 and one of Domain-0 on four CPUs: d1v0 wakes d1v1 after 40 of its cycles, which
/// wakes Domain-0; a device wakes d1v1 on CPU 2, and its own timer where it ran last.
std::vector<Window> woken_by_each_other() {
    return {Window(0)
                .runstate(1000, 1, 0, runnable, running)
                .runstate(1040, 1, 1, blocked, runnable)
                .runstate(1100, 1, 0, running, blocked),
            Window(1)
                .runstate(1001, 1, 1, runnable, running)
                .runstate(1010, 1, 1, running, blocked)
                .runstate(1041, 1, 1, runnable, running)
                .runstate(1050, 0, 0, blocked, runnable)
                .runstate(1060, 1, 1, running, blocked)
                .runstate(1200, 1, 1, blocked, runnable)
                .runstate(1200, 1, 1, runnable, running)
                .runstate(1230, 1, 1, running, blocked)
                .runstate(1301, 1, 1, runnable, running)
                .runstate(1320, 1, 1, running, blocked)
                .record(0x22209, 1400),
            Window(2).runstate(1300, 1, 1, blocked, runnable),
            Window(3)
                .runstate(1002, 0, 0, runnable, running)
                .runstate(1003, 0, 0, running, blocked)
                .runstate(1051, 0, 0, runnable, running)
                .runstate(1055, 0, 0, running, blocked)};
}

TEST_CASE("replay: what woke a vCPU is told by the CPU that the record is of") {
    Recorded host(woken_by_each_other());
    const auto recording = replay::read_recording(host, "a");
    REQUIRE(recording);
    const auto& all = recording->collected.stretches().by_vcpu;
    const auto& mine = all.at(d1v0 + 1);
    REQUIRE(mine.size() == 4);
    CHECK(mine[0].cause == replay::Cause::timer); // the first is nobody's
    CHECK(mine[1].cause == replay::Cause::vcpu);
    CHECK(mine[1].by == d1v0);
    CHECK(mine[1].by_ran == 40);
    CHECK(mine[2].cause == replay::Cause::timer);
    CHECK(mine[3].cause == replay::Cause::outside);
    CHECK(all.at(0).at(1).by == d1v0 + 1);
    CHECK(all.at(0).at(1).by_ran == 9 + 9);

    host.given = 0;
    const auto scenario = scenario_of(host, replay::Wakes::causal);
    REQUIRE(scenario);
    const auto& web = scenario->guests(1).phases(0).loads(0).replay();
    CHECK(web.round_us() == 400);
    CHECK(values(web.vcpus(0).send_us()) == std::vector<double>{40});
    CHECK(web.vcpus(0).send_guest(0) == 1);
    CHECK(web.vcpus(0).send_vcpu(0) == 1);
    CHECK(web.vcpus(0).rest_us() == 300);
    CHECK(values(web.vcpus(1).block_us()) == std::vector<double>{1, 0, 140, 300});
    CHECK(values(web.vcpus(1).send_us()) == std::vector<double>{18});
    CHECK(web.vcpus(1).send_guest(0) == 0);
    CHECK(web.vcpus(1).rest_us() == 80 + 1);
    CHECK(scenario->measured_s() == doctest::Approx(400e-6)); // a whole round
}

TEST_CASE("replay: parts have the whole, each of its time") {
    Recorded host(woken_by_each_other());
    const auto recording = replay::read_recording(host, "a");
    REQUIRE(recording);
    const auto& whole = recording->collected.stretches();
    for (const unsigned count : {1U, 2U, 3U, 7U}) {
        CAPTURE(count);
        const auto parts = replay::cut(whole, count);
        REQUIRE(parts.size() == count);
        std::map<std::uint32_t, std::uint64_t> ran, sum;
        for (const auto& [key, stretches] : whole.by_vcpu)
            for (const auto& stretch : stretches) ran[key] += stretch.ran;
        for (const auto& part : parts)
            for (const auto& [key, stretches] : part.by_vcpu) {
                CHECK(stretches.front().cause == replay::Cause::timer);
                for (const auto& stretch : stretches) {
                    CHECK(stretch.woken >= part.begin);
                    CHECK(stretch.blocked <= part.end);
                    if (stretch.cause == replay::Cause::vcpu)
                        CHECK(part.by_vcpu.contains(stretch.by));
                    sum[key] += stretch.ran;
                }
            }
        for (const auto& [key, all] : ran) // but for what is behind the last whole cycle
            CHECK(sum[key] + count >= all);
    }
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
    const auto& mine = recording->collected.stretches().by_vcpu.at(d1v0);
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
    const auto recording = replay::read_recording(changed, "a");
    REQUIRE(recording);
    CHECK(recording->changes == 1); // it is of the host from there on
    CHECK(recording->host.snapshot.domains(1).weight() == 300);
    changed.given = 0;
    changed.second->mutable_domains(1)->set_weight(256);
    changed.second->set_tsc(5); // only looked at again
    const auto same = replay::read_recording(changed, "a");
    REQUIRE(same);
    CHECK(same->changes == 0);

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
