// SPDX-License-Identifier: MIT
#include "collector/window/features.hpp"

#include "src/base/interrupt.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/output.hpp"
#include "src/cli/shared_options.hpp"
#include "src/cli/source.hpp"
#include "src/host/observe.hpp"
#include "src/proto/recommendation.pb.h"

#include <chrono>
#include <cmath>

namespace intellisched::cli {
namespace {

struct FeaturesArguments {
    Source source;
    double seconds = 10;
    double window = 1;
    bool describe = false;
    bool json = false;
    bool pool_given = false;
};

Result<int> describe(bool json) {
    std::string text;
    proto::FeatureSchema schema;
    schema.set_version(feature_schema_version);
    for (const FeatureInfo& info : feature_schema()) {
        auto* feature = schema.add_features();
        feature->set_name(std::string(info.name));
        feature->set_unit(std::string(info.unit));
        feature->set_meaning(std::string(info.meaning));
        feature->set_source(std::string(info.source));
        text += fmt::format("{:<26} {:<12} {}; from {}\n", info.name, info.unit, info.meaning,
                            info.source);
    }
    TRY(print(json ? json_output(schema) : text));
    return done;
}

std::string tab_separated(const proto::FeatureWindow& window, const FeatureVector& vector) {
    std::string row = fmt::format("{}\t{:.3f}\t{:.3f}\t{:.3f}\t{}\t{}", printable(window.pool()),
                                  window.begin_s(), window.end_s(), window.coverage(),
                                  window.lost_records(), window.rearrangements());
    for (float value : vector.values)
        row += std::isnan(value) ? "\t-" : fmt::format("\t{:g}", value);
    return row + "\n";
}

Result<int> features(const FeaturesArguments& options) {
    if (options.describe) return describe(options.json);
    auto host = TRY(options.source.open());

    if (!options.json) {
        std::string head = "pool\tbegin_s\tend_s\tcoverage\tlost_records\trearrangements";
        for (const FeatureInfo& info : feature_schema()) head += fmt::format("\t{}", info.name);
        TRY(print(head + "\n"));
    }
    std::string wanted; // the pool's name, once a snapshot has told it
    std::uint64_t first_tsc = 0;
    Result<void> printed;
    const auto start = std::chrono::steady_clock::now();
    ObserveOptions observation;
    observation.window_seconds = options.window;
    observation.tap = [&](const HostItem& item) -> Result<void> {
        const auto* seen = std::get_if<HostView>(&item);
        if (!seen || !options.pool_given || !wanted.empty()) return {};
        wanted = TRY(find_pool(seen->pools, options.source.pool)).name;
        return {};
    };
    observation.stop = [&] {
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
        return interrupted || !printed ||
               (options.source.live() && elapsed.count() >= options.seconds);
    };
    auto observed = observe(*host, observation, [&](const WindowStats& stats) {
        if (!printed || (options.pool_given && stats.facts.pool != wanted)) return;
        if (first_tsc == 0) first_tsc = stats.begin_tsc;
        const FeatureVector vector = feature_vector(stats);
        proto::FeatureWindow window;
        window.set_schema(feature_schema_version);
        window.set_pool(stats.facts.pool);
        // After the TSC has begun anew it may be less.
        const auto since_first = [&](std::uint64_t tsc) {
            return static_cast<double>(static_cast<std::int64_t>(tsc - first_tsc)) / stats.tsc_hz;
        };
        window.set_begin_s(since_first(stats.begin_tsc));
        window.set_end_s(since_first(stats.end_tsc));
        window.set_coverage(stats.coverage());
        window.set_lost_records(stats.lost);
        window.set_rearrangements(stats.rearrangements);
        if (!options.json) {
            printed = print(tab_separated(window, vector));
            return;
        }
        for (std::size_t i = 0; i < vector.values.size(); ++i)
            if (!std::isnan(vector.values[i])) // JSON has no word for a missing number but absence
                (*window.mutable_features())[std::string(feature_schema()[i].name)] =
                    vector.values[i];
        printed = print(json_output(window));
    });
    if (!observed) return tl::unexpected(observed.error());
    if (!printed) return tl::unexpected(printed.error());
    for (const std::string& line : observed->told()) fmt::print(stderr, "features: {}\n", line);
    return done;
}

} // namespace

void add_features(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "features", "print the feature vectors, a row a window (tab-separated, or a JSON object a "
                    "line)");
    auto options = std::make_shared<FeaturesArguments>();
    options->source.add_to(*command);
    options->source.add_trace_options(*command);
    command->add_option("--seconds", options->seconds, "how long to watch a live host")
        ->capture_default_str()
        ->transform(seconds_range());
    command->add_option("--window", options->window, "length of a window in seconds")
        ->capture_default_str()
        ->transform(seconds_within(0.01, 3600));
    auto* describe = command->add_flag(
        "--describe", options->describe,
        "print what each feature is, with its unit and source, and end; no host is looked at");
    for (auto* option : command->get_options())
        if (option->get_name() != "--help" && option != describe) option->excludes(describe);
    command->add_flag("--json", options->json, "print JSON");
    command->callback([options, command, &action] {
        options->pool_given = command->count("--pool") > 0;
        action = [options] { return features(*options); };
    });
}

} // namespace intellisched::cli
