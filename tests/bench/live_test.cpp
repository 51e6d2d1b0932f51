// SPDX-License-Identifier: MIT
// The benchmark on a live host that is made up here: what it measures, and that it leaves the pool
// as it was.
#include "bench/experiment/live.hpp"
#include "bench/experiment/report.hpp"
#include "tests/support/capture_files.hpp"
#include "tests/support/fake_world.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <thread>
#include <unistd.h>

using namespace intellisched;
using namespace intellisched::test;

namespace {

namespace fs = std::filesystem;

/// Two sockets of two cores with two guests; 100 ms of virtual time a call of next().
class FakeLive final : public Host, public Configurator {
  public:
    FakeLive() { info_.tsc_khz = fake_tsc_khz; }
    std::vector<Layout> set;          ///< in order
    unsigned fail_set = 0;            ///< the how manieth set fails; 0: none
    std::size_t end_after = SIZE_MAX; ///< pieces of trace
    Arrangement in_force{Layout::node, 8};
    fs::path restore; ///< must be there whenever a layout is set that is not the first one's

    [[nodiscard]] const HostInfo& info() const override { return info_; }
    [[nodiscard]] Result<std::optional<HostItem>> next() override {
        if (std::exchange(changed_, false)) return HostItem(*view_of(snapshot()));
        if (pieces_++ >= end_after) return fail("the trace buffers are gone");
        const std::uint64_t from = now_;
        now_ += 100'000'000;
        return HostItem(TraceBytes{fake_trace(from, now_, 2)});
    }
    [[nodiscard]] Result<InForce> layout(const Pool& pool) override {
        const auto runqueues = partition(view_of(snapshot())->topology, pool, in_force);
        return InForce{in_force, static_cast<unsigned>(runqueues.size())};
    }
    [[nodiscard]] Result<InForce> set_layout(const Pool& pool, const Arrangement& wanted) override {
        set.push_back(wanted.layout);
        if (set.size() == fail_set) return fail("no memory");
        if (!restore.empty()) CHECK(fs::exists(restore));
        in_force = wanted;
        changed_ = true;
        return layout(pool);
    }
    [[nodiscard]] Result<unsigned> rate_limit(const Pool&) override { return 1000U; }
    [[nodiscard]] Result<unsigned> set_rate_limit(const Pool&, unsigned) override {
        return fail("not asked for by a benchmark");
    }
    [[nodiscard]] Result<void> set_weight(unsigned, unsigned) override {
        return fail("not asked for by a benchmark");
    }

  private:
    [[nodiscard]] proto::HostSnapshot snapshot() const {
        return fake_snapshot(now_, 2, 2, 1, 2, message_of(in_force));
    }
    HostInfo info_;
    std::uint64_t now_ = fake_start_ns;
    std::size_t pieces_ = 0;
    bool changed_ = true;
};

struct LiveBench {
    Directory directory;
    bench::Plan plan;
    std::vector<bench::Entry> entries{{"web", "servers", "lab", "Pool-0", {}}};
    std::atomic<bool> stop = false;
    fs::path restore = directory.path / bench::restore_name;

    LiveBench() {
        plan.entries.emplace_back().mutable_live()->set_name("web");
        plan.layouts.assign(all_layouts.begin(), all_layouts.end());
        plan.intents.assign(all_intents.begin(), all_intents.end());
        plan.repeats = 3;
        plan.warmup_s = 1;
        plan.measured_s = 2;
    }
    [[nodiscard]] bench::Results results() const {
        auto opened = bench::Results::open(directory.path);
        REQUIRE(opened);
        return std::move(*opened);
    }
    bench::LiveOptions options;

    [[nodiscard]] Result<std::string> run(FakeLive& host, bench::Results& results) {
        host.restore = restore;
        options.stop = &stop;
        return bench::run_live(host, host, plan, entries, results, directory.path, options);
    }
};

} // namespace

TEST_CASE("live bench: every partition in each repeat, in random order, and back again") {
    LiveBench bench;
    FakeLive host;
    auto results = bench.results();
    REQUIRE(error_of(bench.run(host, results)).empty());
    // Where one repeat ends with what the next begins with, there is nothing to set.
    CHECK(host.set.size() <= 3 * 3 + 1);
    CHECK(host.set.size() >= 3 * 2 + 2);
    for (unsigned repeat = 0; repeat < 3; ++repeat)
        for (const Layout layout : {Layout::cpu, Layout::socket, Layout::all})
            CHECK(results.find({"web", layout, repeat})->result.size() == 2);
    CHECK(host.in_force == Arrangement{Layout::node, 8});
    CHECK(!fs::exists(bench.restore));

    const bench::RunResult* outcome = results.find({"web", Layout::socket, 1});
    REQUIRE(outcome);
    CHECK(outcome->windows.size() == 2);
    const GuestResult& guest = outcome->result.at("g1");
    CHECK(guest.work == doctest::Approx(0.5e9).epsilon(0.01));
    CHECK(guest.wake_p99_us == doctest::Approx(100).epsilon(0.03));
    CHECK(guest.wakeups_per_s == doctest::Approx(1000).epsilon(0.01));
    const auto report = bench::make_report(bench.plan, bench.entries, results);
    CHECK(report.failures().empty());
    CHECK(report.samples() == 3 * 3 * 2);

    // Nothing is left to do, so nothing is changed.
    FakeLive again;
    REQUIRE(bench.run(again, results));
    CHECK(again.set.empty());
}

TEST_CASE("live bench: the order is the seed's") {
    const auto order = [](std::uint64_t seed) {
        LiveBench bench;
        bench.plan.seed = seed;
        FakeLive host;
        auto results = bench.results();
        REQUIRE(bench.run(host, results));
        return host.set;
    };
    CHECK(order(1) == order(1));
    CHECK(order(1) != order(2));
}

TEST_CASE("live bench: put back after a stop and after an error of the host") {
    LiveBench bench;
    FakeLive host;
    host.end_after = 45; // in the second trial
    auto results = bench.results();
    CHECK(error_of(bench.run(host, results)) == "the trace buffers are gone");
    CHECK(host.set.size() == 3);
    CHECK(host.in_force == Arrangement{Layout::node, 8});
    CHECK(!fs::exists(bench.restore));

    FakeLive other;
    bench.stop = true;
    CHECK(bench.run(other, results));
    CHECK(other.in_force == Arrangement{Layout::node, 8});
}

TEST_CASE("live bench: put back at the next start after a kill") {
    LiveBench bench;
    FakeLive host;
    host.fail_set = 3; // the one that puts it back: as if killed before
    host.end_after = 45;
    auto results = bench.results();
    const std::string message = error_of(bench.run(host, results));
    CHECK(contains(message, "node capped at 8 could not be put back: no memory"));
    CHECK(contains(message, "--layout node --max-cpus 8"));
    CHECK(fs::exists(bench.restore));

    FakeLive left;
    left.in_force = host.in_force;
    bench.stop = true; // it puts back first of all
    CHECK(bench.run(left, results));
    CHECK(left.in_force == Arrangement{Layout::node, 8});
    CHECK(!fs::exists(bench.restore));

    spill(bench.restore, "no record");
    CHECK(!bench.run(left, results));
}

TEST_CASE("live bench: a layout that cannot be given is a failure, and the others go on") {
    LiveBench bench;
    FakeLive host;
    host.fail_set = 2;
    auto results = bench.results();
    REQUIRE(bench.run(host, results));
    const auto report = bench::make_report(bench.plan, bench.entries, results);
    REQUIRE(report.failures_size() == 2);
    CHECK(report.failures(0).error() == "no memory");
    CHECK(report.failures(1).error() == "no scores: no memory");
    CHECK(host.in_force == Arrangement{Layout::node, 8});
}

namespace {

/// A load of commands that leave traces in a file.
struct LoadBench : LiveBench {
    fs::path log = directory.path / "log";
    LoadBench() {
        plan.repeats = 1;
        entries[0].start = "echo start >>" + log.string();
        entries[0].stop = "echo stop >>" + log.string();
    }
    [[nodiscard]] std::string logged() const {
        const auto bytes = read_file(log, 4096);
        return bytes ? std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size())
                     : std::string();
    }
};

bool runs(const std::string& pid) {
    const auto bytes = read_file("/proc/" + pid + "/stat", 4096);
    if (!bytes) return false;
    const std::string stat(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    return !contains(stat, ") Z ") && !contains(stat, ") X ");
}

} // namespace

TEST_CASE("live bench: an entry's load runs while its trials do, and nothing of it afterwards") {
    LoadBench bench;
    bench.entries[0].start += "; trap '' TERM; sleep 1000 & trap - TERM; echo $! >>" +
                              bench.log.string() + "; echo complaint >&2";
    FakeLive host;
    auto results = bench.results();
    const auto undone = bench.run(host, results);
    REQUIRE(undone);
    CHECK(*undone == "Pool-0 has node capped at 8 again, the stop command has run");
    const std::string logged = bench.logged();
    REQUIRE(logged.starts_with("start\n"));
    CHECK(logged.ends_with("\nstop\n"));
    const std::string pid = logged.substr(6, logged.find('\n', 6) - 6);
    CHECK(std::stoul(pid) > 1);
    CHECK(!runs(pid)); // although it does not heed SIGTERM
    CHECK(bench::make_report(bench.plan, bench.entries, results).failures().empty());

    // No trials to make, no load.
    REQUIRE(bench.run(host, results));
    CHECK(bench.logged() == logged);
}

TEST_CASE("live bench: a load that cannot be started is its entry's failure") {
    LoadBench bench;
    SUBCASE("by its status") { bench.entries[0].start += "; echo why >&2; echo no >&2; exit 3"; }
    SUBCASE("by the limit") {
        bench.entries[0].start += "; echo no >&2; sleep 1000";
        bench.options.command_limit = std::chrono::milliseconds(300);
    }
    bench.entries[0].stop += "; exit 1"; // there is nothing to stop
    bench.entries.push_back({"other", "servers", "lab", "Pool-0", {}});
    FakeLive host;
    auto results = bench.results();
    REQUIRE(error_of(bench.run(host, results)).empty());
    CHECK(bench.logged() == "start\nstop\n");
    const auto report = bench::make_report(bench.plan, bench.entries, results);
    REQUIRE(report.failures_size() == 2);
    CHECK(report.failures(0).entry() == "web");
    const std::string error = report.failures(0).error();
    CHECK((error == "the start command ended with status 3: no" ||
           contains(error, "the start command has not ended within 1 s: no; ")));
    CHECK(contains(report.failures(1).error(), "no scores"));
    CHECK(results.find({"other", Layout::cpu, 0})->error.empty());
    CHECK(!fs::exists(bench.restore));
}

TEST_CASE("live bench: a stop while the load starts is no failure") {
    LoadBench bench;
    bench.entries[0].start += "; sleep 1000";
    FakeLive host;
    auto results = bench.results();
    std::thread interrupter([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        bench.stop = true;
    });
    const auto undone = bench.run(host, results);
    interrupter.join();
    REQUIRE(undone);
    CHECK(contains(*undone, "stop command has run"));
    CHECK(bench.logged() == "start\nstop\n");
    CHECK(host.set.empty());
    CHECK(bench::make_report(bench.plan, bench.entries, results).runs() == 2); // equivalent ones
}

TEST_CASE("live bench: the stop command of a killed benchmark is run at the next start") {
    LoadBench bench;
    FakeLive host;
    host.fail_set = 3; // the one that puts it back
    host.end_after = 45;
    auto results = bench.results();
    CHECK(contains(error_of(bench.run(host, results)), "could not be put back"));
    CHECK(bench.logged() == "start\nstop\n"); // all the same
    REQUIRE(fs::exists(bench.restore));

    FakeLive left;
    left.in_force = host.in_force;
    bench.stop = true;
    CHECK(bench.run(left, results));
    CHECK(bench.logged() == "start\nstop\nstop\n");
    CHECK(left.in_force == Arrangement{Layout::node, 8});
    CHECK(!fs::exists(bench.restore));
}

TEST_CASE("live bench: a stop command that fails is said, and tried again at the next start") {
    LoadBench bench;
    bench.entries[0].stop +=
        "; echo stuck >&2; test -e " + (bench.directory.path / "free").string();
    FakeLive host;
    auto results = bench.results();
    const std::string message = error_of(bench.run(host, results));
    CHECK(contains(message, "web: its stop command ended with status 1: stuck; the layout is put "
                            "back; end the load by hand and remove "));
    CHECK(host.in_force == Arrangement{Layout::node, 8});
    CHECK(fs::exists(bench.restore));
    spill(bench.directory.path / "free", "");
    CHECK(bench.run(host, results));
    CHECK(bench.logged() == "start\nstop\nstop\n");
    CHECK(!fs::exists(bench.restore));
}

TEST_CASE("live bench: no command is run that the plan at hand does not have") {
    LoadBench bench;
    const fs::path ran = bench.directory.path / "ran";
    proto::Restore planted;
    planted.set_pool("Pool-0");
    planted.mutable_arrangement()->set_layout("core");
    planted.set_entry("web");
    // Where the command once stood: field 4, a string.
    const std::string command = "touch " + ran.string();
    const std::string payload =
        planted.SerializeAsString() + '\x22' + static_cast<char>(command.size()) + command;
    FakeLive host;
    auto results = bench.results();
    bench.stop = true;
    SUBCASE("for an entry of the plan") {
        spill(bench.restore, encode_header(bench::restore_format) + *encode_record(payload));
        CHECK(bench.run(host, results));
        CHECK(bench.logged() == "stop\n"); // the plan's
    }
    SUBCASE("for one that it does not have") {
        bench.entries[0].name = "other";
        spill(bench.restore, encode_header(bench::restore_format) + *encode_record(payload));
        CHECK(bench.run(host, results));
        CHECK(bench.logged().empty());
    }
    if (::geteuid() == 0) {
        SUBCASE("and nothing is put back as others than root say") {
            spill(bench.restore, encode_header(bench::restore_format) + *encode_record(payload));
            REQUIRE(::chown(bench.restore.c_str(), 65534, 65534) == 0);
            CHECK(contains(error_of(bench.run(host, results)), "others than root can change it"));
            CHECK(host.set.empty());
        }
    }
    CHECK(!fs::exists(ran));
}
