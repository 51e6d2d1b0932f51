// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/run.hpp"

#include "collector/capture/archive.hpp"
#include "collector/capture/writer.hpp"
#include "src/proto/capture.pb.h"

#include <algorithm>
#include <optional>
#include <span>

namespace sim {

namespace capture = intellisched::capture;

namespace {

constexpr Nanoseconds slice = 100'000'000;
constexpr Nanoseconds second = 1'000'000'000;

proto::CaptureManifest manifest_of(World& world, const proto::HostSnapshot& first) {
    const proto::SimReply::Info info = world.machine().info();
    proto::CaptureManifest manifest;
    manifest.set_recorded_by("credit2-sim " INTELLISCHED_VERSION);
    manifest.set_pool(std::string(pool0));
    manifest.set_xen_version(info.xen_version());
    manifest.set_xen_command_line(info.xen_command_line());
    manifest.set_boot_layout(info.boot().layout());
    manifest.set_max_cpus_runqueue(info.boot().max_cpus());
    manifest.set_tsc_khz(info.tsc_khz());
    // No start_realtime_ns: the same scenario gives the same bytes on every day.
    manifest.set_begin_tsc(first.tsc());
    manifest.set_note(
        fmt::format("scenario {}, seed {}", world.scenario().name(), world.scenario().seed()));
    return manifest;
}

/// Writes a capture of the world from now on.
class Recorder {
  public:
    static Result<Recorder> begin(World& world, const RunOptions& options) {
        const proto::HostSnapshot first = world.machine().snapshot();
        if (capture::names_archive(options.capture))
            return intellisched::fail(
                "{}: what the simulation knows to be true is written beside the capture; "
                "name a directory",
                options.capture.string());
        auto writer = TRY(capture::Writer::create(options.capture, manifest_of(world, first)));
        TRY(writer.snapshot(first));
        TRY(writer.counters(world.machine().counters()));
        world.machine().set_tracing(options.tracing);
        return Recorder(world, std::move(writer));
    }

    /// To be called at least at every change of the world and every second.
    Result<void> look(World& world) {
        const std::string trace = world.machine().drain_trace();
        TRY(writer_.trace(std::as_bytes(std::span(trace))));
        if (std::exchange(changes_, world.changes()) != world.changes())
            TRY(writer_.snapshot(world.machine().snapshot()));
        if (world.now() < counters_due_) return {};
        counters_due_ += second;
        TRY(writer_.counters(world.machine().counters()));
        return writer_.sync();
    }

    Result<void> end(World& world) { return writer_.finish(world.machine().counters().tsc(), 0); }

    [[nodiscard]] Nanoseconds counters_due() const { return counters_due_; }

  private:
    Recorder(const World& world, capture::Writer writer)
        : writer_(std::move(writer)), changes_(world.changes()),
          counters_due_(world.now() + second) {}

    capture::Writer writer_;
    std::size_t changes_;
    Nanoseconds counters_due_;
};

Result<void> write_truth(const std::filesystem::path& path, const proto::Truth& truth) {
    auto file = TRY(intellisched::RecordWriter::create(path, truth_format));
    TRY(file.append(truth));
    return file.sync();
}

} // namespace

Result<proto::Truth> run(World& world, const RunOptions& options) {
    std::optional<Recorder> recorder;
    for (bool over = false; !over;) {
        if (!recorder && !options.capture.empty() && world.now() >= world.warm()) {
            auto begun = TRY(Recorder::begin(world, options));
            recorder.emplace(std::move(begun));
        }
        Nanoseconds until = std::min({world.now() + slice, world.next_change(), world.end()});
        if (recorder) until = std::min(until, recorder->counters_due());
        TRY(world.advance(until));
        if (recorder) TRY(recorder->look(world));
        options.progress(world);
        over = world.now() >= world.end() || options.stop();
    }
    if (recorder) TRY(recorder->end(world));
    proto::Truth truth = world.truth();
    if (recorder) TRY(write_truth(options.capture / truth_file, truth));
    return truth;
}

} // namespace sim
