// SPDX-License-Identifier: MIT
// What real Xen wrote, against what we believe about it: every shipped capture of tests/data.
#include "collector/window/features.hpp"
#include "src/host/capture_host.hpp"
#include "src/host/observe.hpp"
#include "test_paths.hpp"

#include <cmath>
#include <doctest/doctest.h>
#include <filesystem>
#include <map>
#include <set>

using namespace intellisched;
namespace fs = std::filesystem;

namespace {

struct Recorded {
    std::string name;
    proto::CaptureManifest manifest;
    HostView host;
    std::vector<WindowStats> windows;
    Observed observed;
};

Recorded read(const fs::path& path) {
    Recorded recorded;
    recorded.name = path.filename();
    auto host = CaptureHost::open(path);
    REQUIRE_MESSAGE(host, path.string());
    recorded.manifest = (*host)->manifest();
    ObserveOptions options;
    options.tap = [&](const HostItem& item) -> Result<void> {
        if (const auto* now = std::get_if<HostView>(&item)) recorded.host = *now;
        return {};
    };
    auto observed = observe(**host, options,
                            [&](const WindowStats& stats) { recorded.windows.push_back(stats); });
    REQUIRE_MESSAGE(observed, path.string());
    recorded.observed = *observed;
    return recorded;
}

const std::vector<Recorded>& captures() {
    static const std::vector<Recorded> all = [] {
        std::vector<Recorded> read_in;
        for (const auto& entry : fs::directory_iterator(INTELLISCHED_CAPTURES))
            read_in.push_back(read(entry.path()));
        return read_in;
    }();
    return all;
}

bool credit2(const Recorded& recorded) {
    return recorded.host.snapshot.pools(0).scheduler() == "credit2";
}

} // namespace

TEST_CASE("captures: there are several, of several machines, one with losses") {
    CHECK(captures().size() >= 4);
    std::set<int> sizes;
    bool lossy = false;
    for (const Recorded& recorded : captures()) {
        sizes.insert(recorded.host.snapshot.cpus_size());
        lossy = lossy || recorded.observed.stream.lost > 0;
        CHECK(recorded.manifest.complete());
        CHECK(recorded.observed.stream.lost == recorded.manifest.lost_records());
    }
    CHECK(sizes.size() >= 2);
    CHECK(lossy);
}

TEST_CASE("captures: the runqueues in SCHEDULE records are those of the layout") {
    for (const Recorded& recorded : captures()) {
        if (!credit2(recorded)) continue;
        CAPTURE(recorded.name);
        std::map<unsigned, std::vector<unsigned>> by_runqueue;
        std::map<unsigned, unsigned> runqueue_of;
        for (const WindowStats& window : recorded.windows)
            for (const auto& [cpu, runqueue] : window.runqueue_of) runqueue_of[cpu] = runqueue;
        for (const auto& [cpu, runqueue] : runqueue_of) by_runqueue[runqueue].push_back(cpu);
        Partition seen;
        for (const auto& [runqueue, cpus] : by_runqueue) seen.push_back(cpus);
        std::sort(seen.begin(), seen.end());

        const auto layout = layout_from_string(recorded.manifest.boot_layout());
        REQUIRE(layout);
        CHECK(seen == partition(recorded.host.topology, recorded.host.pools.front(),
                                {*layout, recorded.manifest.max_cpus_runqueue()}));
    }
}

TEST_CASE("captures: records are those that are known") {
    for (const Recorded& recorded : captures()) {
        INFO(recorded.name);
        CHECK(recorded.observed.misfits.empty());
    }
}

TEST_CASE("captures: records arrive in order and whole") {
    for (const Recorded& recorded : captures()) {
        CAPTURE(recorded.name);
        CHECK(recorded.observed.stream.late == 0);
        CHECK(recorded.observed.stream.damaged == 0);
        CHECK(recorded.observed.stream.records > 1000);
        CHECK(recorded.windows.size() >= 3);
    }
}

TEST_CASE("captures: the TSC frequency recovered from the trace is the host's") {
    for (const Recorded& recorded : captures()) {
        if (!credit2(recorded)) continue;
        CAPTURE(recorded.name);
        // The same capture, its frequency taken away.
        struct Nameless final : Host {
            explicit Nameless(const fs::path& path) : host(std::move(*CaptureHost::open(path))) {
                copy = host->info();
                copy.tsc_khz = 0;
            }
            const HostInfo& info() const override { return copy; }
            Result<std::optional<HostItem>> next() override { return host->next(); }
            std::unique_ptr<CaptureHost> host;
            HostInfo copy;
        } host(fs::path(INTELLISCHED_CAPTURES) / recorded.name);
        const auto observed = observe(host, {}, [](const WindowStats&) {});
        REQUIRE(observed);
        CHECK(static_cast<double>(observed->tsc_khz) ==
              doctest::Approx(static_cast<double>(recorded.manifest.tsc_khz())).epsilon(0.01));
    }
}

TEST_CASE("captures: features are what their units say") {
    const auto schema = feature_schema();
    for (const Recorded& recorded : captures())
        for (const WindowStats& window : recorded.windows) {
            const auto values = feature_vector(window).values;
            for (std::size_t i = 0; i < values.size(); ++i) {
                CAPTURE(recorded.name);
                CAPTURE(schema[i].name);
                if (std::isnan(values[i])) continue;
                CHECK(std::isfinite(values[i]));
                CHECK(values[i] >= 0);
                if (schema[i].unit == "fraction" || schema[i].unit == "0 or 1")
                    CHECK(values[i] <= 1.0001F);
            }
            // CPUs cannot run more than one vCPU at a time.
            CHECK(window.running <= window.observed * 1.0001);
            if (credit2(recorded))
                CHECK(window.decisions > 0);
            else
                CHECK(window.decisions == 0);
        }
}

TEST_CASE("captures: running time by trace and by xenstat agree") {
    for (const Recorded& recorded : captures()) {
        double traced = 0, counted = 0;
        for (const WindowStats& window : recorded.windows) {
            if (std::isnan(window.counted_cpu) || window.lost > 0) continue;
            traced += window.running / window.tsc_hz / window.seconds();
            counted += window.counted_cpu;
        }
        if (counted <= 0) continue;
        CAPTURE(recorded.name);
        // Two clocks, and samples that are not taken exactly at the windows' ends.
        CHECK(traced == doctest::Approx(counted).epsilon(0.1));
    }
}
