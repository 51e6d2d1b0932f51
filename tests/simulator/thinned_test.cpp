// SPDX-License-Identifier: GPL-2.0-only
// Features are of the time that was seen: a recorded trace with a part of it taken away has to give
// nearly the features of the whole. (Captures of the laboratory will not do: under an emulated
// processor a busy CPU can go without a record for much longer than credit2's longest slice.)
#include "collector/trace/stream.hpp"
#include "collector/window/features.hpp"
#include "collector/window/window.hpp"
#include "src/host/capture_host.hpp"
#include "tests/support/files.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <doctest/doctest.h>
#include <map>
#include <random>
#include <unistd.h>

using namespace intellisched;

namespace {

struct StoredRecord {
    std::uint64_t tsc = 0;
    std::uint32_t event = 0;
    std::uint16_t cpu = 0;
    std::vector<std::uint32_t> words;
};

struct Stored {
    HostView host;
    HostInfo info;
    std::vector<StoredRecord> records;
};

Stored stored(const std::string& name) {
    Stored result;
    const test::Directory folder;
    const std::string capture = folder.path / "capture";
    REQUIRE(std::system((std::string(CREDIT2_SIM) + " run " + SCENARIOS + "/" + name +
                         ".scenario --quiet --capture " + capture)
                            .c_str()) == 0);
    auto host = CaptureHost::open(capture);
    REQUIRE(host);
    result.info = (*host)->info();
    trace::TraceStream stream(name);
    const auto keep = [&](const trace::Record& r) {
        result.records.push_back({r.tsc, r.event, r.cpu, {r.word, r.word + r.words}});
    };
    for (;;) {
        auto item = (*host)->next();
        REQUIRE(item);
        if (!*item) break;
        if (const auto* now = std::get_if<HostView>(&**item)) result.host = *now;
        if (const auto* bytes = std::get_if<TraceBytes>(&**item))
            REQUIRE(stream.feed(bytes->bytes, keep));
    }
    stream.finish(keep);
    return result;
}

/// One stretch in which nothing is written of a CPU.
struct Hole {
    std::uint64_t begin = 0, end = 0;
};

/// The mean of each feature over the windows, with holes by CPU. `paused`: as a duty cycle leaves
/// them, otherwise as Xen's full buffers do.
std::vector<double> features_with(const Stored& stored,
                                  const std::map<unsigned, std::vector<Hole>>& holes, bool paused,
                                  double& coverage) {
    std::vector<double> sums(feature_schema().size(), 0), counts(sums.size(), 0);
    double seen = 0, windows = 0;
    WindowBuilder builder({1.0, stored.info.boot}, stored.info.tsc_khz,
                          [&](const WindowStats& stats) {
                              seen += stats.coverage();
                              ++windows;
                              const auto values = feature_vector(stats).values;
                              for (std::size_t i = 0; i < values.size(); ++i) {
                                  if (std::isnan(values[i])) continue;
                                  sums[i] += static_cast<double>(values[i]);
                                  ++counts[i];
                              }
                          });
    builder.add(stored.host);
    struct State {
        std::size_t hole = 0;
        bool inside = false;
        std::uint32_t lost = 0;
        std::uint32_t current = trace::idle_domain;
    };
    std::map<unsigned, State> states;
    std::vector<StoredRecord> all;
    for (const StoredRecord& record : stored.records) {
        State& cpu = states[record.cpu];
        const auto found = holes.find(record.cpu);
        if ((record.event & 0xffffccf) == 0x21001 && (record.event >> 4 & 3) == 0)
            cpu.current = record.words.at(0); // begins to run
        const auto mark = [&](std::uint32_t event, std::uint64_t tsc, std::uint64_t first) {
            // Xen's order of the two halves of a vCPU's number is another one here.
            const std::uint32_t who = cpu.current >> 16 | cpu.current << 16;
            all.push_back(
                {tsc,
                 event,
                 record.cpu,
                 {paused ? 0 : std::max(1U, cpu.lost), who, static_cast<std::uint32_t>(first),
                  static_cast<std::uint32_t>(first >> 32)}});
        };
        while (found != holes.end() && cpu.hole < found->second.size()) {
            const Hole& hole = found->second[cpu.hole];
            if (!cpu.inside && record.tsc >= hole.begin) {
                mark(trace::lost_records, hole.begin, hole.begin);
                cpu.inside = true;
                cpu.lost = 0;
            }
            if (!cpu.inside || record.tsc < hole.end) break;
            mark(trace::loss_end_event, hole.end, hole.begin);
            cpu.inside = false;
            ++cpu.hole;
        }
        if (cpu.inside)
            ++cpu.lost;
        else
            all.push_back(record);
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const auto& a, const auto& b) { return a.tsc < b.tsc; });
    for (const StoredRecord& r : all)
        builder.add(trace::Record{r.tsc, r.event, r.cpu, static_cast<std::uint8_t>(r.words.size()),
                                  r.words.data()});
    builder.finish();
    coverage = windows > 0 ? seen / windows : 0;
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] /= counts[i];
    return sums;
}

const std::vector<std::string> fractions{"load.busy_mean",      "load.busy_min",  "load.busy_max",
                                         "load.busy_deviation", "load.saturated", "load.hogs",
                                         "load.dom0",           "load.waiters",   "wait.share",
                                         "waste.smt",           "waste.idle",     "waste.stalled"};
const std::vector<std::string> rates{"events.switches", "events.wakeups", "events.tickles",
                                     "events.candidates"};

/// What is seen for a part of the time is a sample: of the 4,000 tickles that a fifth of a capture
/// has, one standard deviation is 1.6%.
void compare(const std::vector<double>& whole, const std::vector<double>& thinned,
             double part = 1) {
    for (const std::string& name : fractions) {
        CAPTURE(name);
        const std::size_t i = *feature_index(name);
        CAPTURE(whole[i]);
        CHECK(std::abs(thinned[i] - whole[i]) <= 0.02 / std::sqrt(part));
    }
    for (const std::string& name : rates) {
        CAPTURE(name);
        const std::size_t i = *feature_index(name);
        CHECK(thinned[i] == doctest::Approx(whole[i]).epsilon(0.02 / std::sqrt(part)));
    }
}

} // namespace

TEST_CASE("thinned: a duty cycle leaves the features as they are") {
    for (const char* name : {"server-and-hogs", "wake-chains", "build"}) {
        const Stored whole = stored(name);
        double coverage = 0;
        const auto truth = features_with(whole, {}, true, coverage);
        for (const double duty : {0.8, 0.5, 0.2}) {
            CAPTURE(name);
            CAPTURE(duty);
            // Shorter periods than the service's, since the captures are short.
            const auto period = static_cast<std::uint64_t>(whole.info.tsc_khz) * 250;
            std::map<unsigned, std::vector<Hole>> holes;
            for (std::uint64_t begin = whole.records.front().tsc; begin < whole.records.back().tsc;
                 begin += period)
                for (const auto& cpu : whole.host.topology.cpus)
                    holes[cpu.id].push_back(
                        {begin + static_cast<std::uint64_t>(duty * static_cast<double>(period)),
                         begin + period});
            const auto thinned = features_with(whole, holes, true, coverage);
            CHECK(coverage == doctest::Approx(1));
            compare(truth, thinned, duty);
        }
    }
}

TEST_CASE("thinned: losses down to what the gate accepts leave them as they are") {
    std::mt19937_64 random(5);
    for (const char* name : {"server-and-hogs", "wake-chains", "build"}) {
        const Stored whole = stored(name);
        double coverage = 0;
        const auto truth = features_with(whole, {}, false, coverage);
        const auto ms = static_cast<std::uint64_t>(whole.info.tsc_khz);
        // One CPU after the other has full buffers, each for a part of the time.
        std::map<unsigned, std::vector<Hole>> holes;
        for (std::uint64_t begin = whole.records.front().tsc; begin < whole.records.back().tsc;
             begin += 200 * ms)
            for (const auto& cpu : whole.host.topology.cpus) {
                const std::uint64_t from = begin + random() % 20 * ms;
                holes[cpu.id].push_back({from, from + (20 + random() % 36) * ms});
            }
        const auto thinned = features_with(whole, holes, false, coverage);
        CAPTURE(name);
        CHECK(coverage > 0.78);
        CHECK(coverage < 0.85);
        compare(truth, thinned);
    }
}
