// SPDX-License-Identifier: MIT
// Makes training samples of what bench/lab/collect recorded: a sample for every window of every
// capture, with the scores that the guests' reports give to all five layouts in that phase.
//
//     lab-samples RUNS OUT
//
// RUNS/TOPOLOGY/LAYOUT/PHASE/{capture,scores.tsv}; one OUT/TOPOLOGY.samples for each topology. A
// phase of one topology is one scenario; its name is the workload family.
#include "collector/window/features.hpp"
#include "src/base/log.hpp"
#include "src/host/capture_host.hpp"
#include "src/host/observe.hpp"
#include "src/model/samples.hpp"
#include "src/model/score.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>

namespace intellisched {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> split(const std::string& line) {
    std::vector<std::string> fields{""};
    for (char c : line) {
        if (c == '\t')
            fields.emplace_back();
        else
            fields.back() += c;
    }
    return fields;
}

double number(const std::string& text) {
    double value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// The guests' reports have no rate of wake-ups: where they have waits, a guest-load that sleeps
// between stretches of work wakes that often at least.
constexpr double guest_wakeups_per_s = 10;

double median(std::vector<double> values) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

/// Medians over a guest's reports, a second each: one second in which the laboratory's machine was
/// busy with something else must not decide.
Result<LayoutResult> read_scores(const fs::path& path) {
    std::ifstream file(path);
    std::string line;
    if (!std::getline(file, line)) return fail("{}: cannot be read or is empty", path.string());
    const auto columns = split(line);
    const auto column = [&](std::string_view name) {
        return static_cast<std::size_t>(std::find(columns.begin(), columns.end(), name) -
                                        columns.begin());
    };
    const std::size_t guest = column("guest"), work = column("work"), p99 = column("wake_p99_us");
    if (std::max({guest, work, p99}) >= columns.size())
        return fail("{}: has no columns guest, work and wake_p99_us", path.string());
    std::map<std::string, std::pair<std::vector<double>, std::vector<double>>> reports;
    while (std::getline(file, line)) {
        const auto fields = split(line);
        if (fields.size() != columns.size()) continue; // torn
        auto& [works, waits] = reports[fields[guest]];
        works.push_back(number(fields[work]));
        if (number(fields[p99]) > 0) waits.push_back(number(fields[p99]));
    }
    LayoutResult result;
    for (const auto& [name, report] : reports) {
        GuestResult& one = result.guests[name];
        one.work = median(report.first);
        one.wake_p99_us = median(report.second);
        one.wakeups_per_s = report.second.empty() ? 0 : guest_wakeups_per_s;
    }
    if (result.guests.empty()) return fail("{}: no guest reported anything", path.string());
    return result;
}

/// The windows of one capture as samples without scores.
Result<std::vector<proto::Sample>> read_windows(const fs::path& path) {
    auto host = CaptureHost::open(path);
    if (!host) return tl::unexpected(host.error());
    std::vector<proto::Sample> samples;
    auto observed = observe(**host, {}, [&](const WindowStats& stats) {
        if (stats.facts.pool_id != 0 || stats.coverage() < 0.8 || stats.rearrangements > 0) return;
        auto& sample = samples.emplace_back();
        sample.set_schema_version(feature_schema_version);
        sample.set_current_layout(std::string(to_string(stats.facts.current)));
        for (Layout same : stats.facts.representatives)
            sample.add_representative(std::string(to_string(same)));
        for (float value : feature_vector(stats).values) sample.add_features(value);
    });
    if (!observed) return tl::unexpected(observed.error());
    return samples;
}

Result<void> make_samples(const fs::path& topology, const fs::path& out) {
    std::set<std::string> phases;
    for (const auto& entry : fs::directory_iterator(topology / "socket"))
        if (fs::exists(entry.path() / "scores.tsv")) phases.insert(entry.path().filename());
    auto writer = RecordWriter::create(
        out / (topology.filename().string() + std::string(samples_extension)), samples_format);
    if (!writer) return tl::unexpected(writer.error());
    for (const std::string& phase : phases) {
        Repeats results;
        for (Layout layout : all_layouts) {
            auto result = read_scores(topology / to_string(layout) / phase / "scores.tsv");
            if (!result) return tl::unexpected(result.error());
            results[index(layout)].push_back(std::move(*result));
        }
        std::vector<proto::IntentScores> scored;
        for (const Intent intent : all_intents) {
            auto one = scores(intent, results);
            if (!one) return fail("{} {}: {}", topology.string(), phase, one.error().message);
            scored.push_back(std::move(*one));
        }
        std::size_t count = 0;
        for (Layout layout : all_layouts) {
            auto samples = read_windows(topology / to_string(layout) / phase / "capture");
            if (!samples) return tl::unexpected(samples.error());
            for (proto::Sample& sample : *samples) {
                sample.set_scenario(topology.filename().string() + "/" + phase);
                sample.set_family(phase);
                sample.set_topology(topology.filename());
                for (const proto::IntentScores& one : scored) *sample.add_scores() = one;
                if (auto added = writer->append(sample); !added) return added;
                ++count;
            }
        }
        fmt::print("{:<14}{:<10}{:>4} samples", topology.filename().string(), phase, count);
        for (const proto::IntentScores& one : scored) {
            fmt::print("  {}:", one.intent());
            for (double score : one.score()) fmt::print(" {:.2f}", score);
        }
        fmt::print("\n");
    }
    return writer->sync();
}

int run(const fs::path& runs, const fs::path& out) {
    std::error_code error;
    fs::create_directories(out, error);
    std::set<fs::path> topologies;
    for (const auto& entry : fs::directory_iterator(runs, error))
        if (entry.is_directory()) topologies.insert(entry.path());
    if (topologies.empty()) {
        fmt::print(stderr, "lab-samples: {}: no runs in there; make them with bench/lab/collect\n",
                   runs.string());
        return 1;
    }
    for (const fs::path& topology : topologies)
        if (auto made = make_samples(topology, out); !made) {
            fmt::print(stderr, "lab-samples: {}\n", made.error().message);
            return 1;
        }
    return 0;
}

} // namespace
} // namespace intellisched

int main(int argc, char** argv) {
    if (argc != 3) {
        fmt::print(stderr, "usage: lab-samples RUNS OUT\n");
        return 2;
    }
    intellisched::start_log(boost::log::trivial::warning);
    return intellisched::run(argv[1], argv[2]);
}
