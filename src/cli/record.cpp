// SPDX-License-Identifier: MIT
#include "collector/capture/writer.hpp"
#include "collector/trace/stream.hpp"
#include "src/base/counted.hpp"
#include "src/base/interrupt.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/output.hpp"
#include "src/cli/shared_options.hpp"
#include "src/cli/source.hpp"
#include "src/host/unknown_cpus.hpp"

#include <chrono>

namespace intellisched::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct RecordArguments {
    Source source;
    double seconds = 10;
    std::string out;
    std::string note;
};

std::uint64_t realtime_ns() {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                          std::chrono::system_clock::now().time_since_epoch())
                                          .count());
}

proto::CaptureManifest manifest_of(const HostInfo& info, const Pool& pool,
                                   const proto::HostSnapshot& first, const std::string& note) {
    proto::CaptureManifest manifest;
    manifest.set_recorded_by(std::string("intellisched ") + INTELLISCHED_VERSION);
    manifest.set_pool(pool.name);
    manifest.set_xen_version(info.xen_version);
    manifest.set_xen_command_line(info.xen_command_line);
    manifest.set_boot_layout(std::string(to_string(info.boot.layout)));
    manifest.set_max_cpus_runqueue(info.boot.max_cpus);
    manifest.set_tsc_khz(info.tsc_khz);
    manifest.set_start_realtime_ns(realtime_ns());
    manifest.set_begin_tsc(first.tsc());
    manifest.set_note(note);
    return manifest;
}

/// Counts what goes into the capture and knows where it ends.
struct Written {
    trace::TraceStream stream{"the trace"};
    UnknownCpus unknown;
    std::uint64_t begin_tsc = 0, end_tsc = 0;

    Result<void> trace(std::span<const std::byte> bytes) {
        return stream.feed(bytes, [this](const trace::Record& r) { add(r); });
    }
    void finish() {
        stream.finish([this](const trace::Record& r) { add(r); });
    }
    void add(const trace::Record& record) {
        if (begin_tsc == 0) begin_tsc = record.tsc;
        end_tsc = record.tsc;
        unknown.add(record);
    }
};

Result<int> record(const RecordArguments& options) {
    auto host = TRY(options.source.open());
    auto item = TRY(host->next());
    if (!item || !std::holds_alternative<HostView>(*item))
        return fail("the host gave no snapshot of its topology; nothing was recorded");
    const auto& [first, topology, pools] = std::get<HostView>(*item);
    auto pool = TRY(find_pool(pools, options.source.pool));

    auto writer = TRY(
        capture::Writer::create(options.out, manifest_of(host->info(), pool, first, options.note)));
    TRY(writer.snapshot(first));

    Written written;
    written.unknown.add(first);
    Progress progress;
    const auto start = Clock::now();
    const auto elapsed = [&] {
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    double synced = 0;
    for (bool over = false; !over;) {
        auto next = TRY(host->next());
        if (!next) break; // a pipe that ended
        Result<void> stored;
        if (auto* seen = std::get_if<HostView>(&*next)) {
            written.unknown.add(seen->snapshot);
            stored = writer.snapshot(seen->snapshot);
        } else if (auto* sample = std::get_if<proto::CounterSample>(&*next)) {
            stored = writer.counters(*sample);
        } else {
            const auto& bytes = std::get<TraceBytes>(*next).bytes;
            stored = written.trace(bytes);
            if (stored) stored = writer.trace(bytes);
            // Only here: what the buffers held when the time was up is part of the capture.
            over = interrupted || (options.source.live() && elapsed() >= options.seconds);
        }
        if (!stored) return tl::unexpected(stored.error());
        if (elapsed() - synced >= 1) {
            synced = elapsed();
            TRY(writer.sync());
            progress.show(fmt::format("{:.0f} of {:.0f} s, {:.1f} MB of trace, {} lost", synced,
                                      options.seconds,
                                      static_cast<double>(written.stream.stats().bytes) / 1e6,
                                      counted(written.stream.stats().lost, "record")));
        }
    }
    written.finish();
    const auto& stats = written.stream.stats();
    TRY(writer.finish(written.end_tsc, stats.lost));
    progress.show("");
    const std::uint64_t khz = host->info().tsc_khz;
    const double seconds = khz > 0 && written.end_tsc > written.begin_tsc
                               ? static_cast<double>(written.end_tsc - written.begin_tsc) /
                                     (static_cast<double>(khz) * 1e3)
                               : elapsed();
    fmt::print(stderr, "{}: {:.1f} s{}, {} ({:.1f} MB, {:.1f} MB on disk), {} lost\n", options.out,
               seconds, interrupted ? " (interrupted)" : "", counted(stats.records, "record"),
               static_cast<double>(stats.bytes) / 1e6, static_cast<double>(writer.size()) / 1e6,
               stats.lost);
    for (const std::string& line : written.unknown.told()) fmt::print(stderr, "record: {}\n", line);
    return done;
}

} // namespace

void add_record(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "record", "write a capture of a host: topology, pools, counters and trace");
    auto options = std::make_shared<RecordArguments>();
    options->source.add_to(*command);
    options->source.add_trace_options(*command);
    options->source.xen.published_scores = [] { return true; };
    command->add_option("--seconds", options->seconds, "how long to record a live host")
        ->capture_default_str()
        ->transform(seconds_range());
    command
        ->add_option("--out", options->out,
                     "the directory to make, or the one file by its ending .tar.zst")
        ->required();
    command->add_option("--note", options->note, "text to keep with the capture, e.g. the load");
    command->callback([options, &action] { action = [options] { return record(*options); }; });
}

} // namespace intellisched::cli
