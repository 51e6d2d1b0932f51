// SPDX-License-Identifier: MIT
// libFuzzer target: the input as an xentrace stream, cut into pieces, all the way into windows and
// features. The first bytes choose the pieces; with the lowest bit of the second set, the rest
// becomes the contents of windows, so that the fuzzer need not find out the framing first.
#include "collector/trace/clock.hpp"
#include "collector/trace/clock_survey.hpp"
#include "collector/trace/stream.hpp"
#include "collector/window/features.hpp"
#include "collector/window/window.hpp"
#include "tests/support/fake_world.hpp"

#include <cstdlib>
#include <cstring>

using namespace intellisched;

namespace {

/// A window is a tenth of a millisecond of the hosts that the seeds are from: some in each.
constexpr std::uint64_t tsc_khz = 250;

/// Two sockets of a core of two threads; windows are of eight CPUs, half of which no pool has.
proto::HostSnapshot host() {
    proto::Arrangement arrangement;
    arrangement.set_layout("socket");
    return test::fake_snapshot(0, 2, 1, 2, 0, arrangement);
}

/// Puts a window header before every 128 bytes.
std::vector<std::byte> framed(std::span<const std::byte> bytes) {
    std::vector<std::byte> out;
    for (std::uint32_t cpu = 0; !bytes.empty(); cpu = (cpu + 3) % 8) {
        const std::size_t n = std::min<std::size_t>(bytes.size(), 128) & ~std::size_t{3};
        if (n == 0) break;
        const std::array<std::uint32_t, 3> head{trace::header(trace::cpu_change, 2, false), cpu,
                                                static_cast<std::uint32_t>(n)};
        const auto head_bytes = std::as_bytes(std::span(head));
        out.insert(out.end(), head_bytes.begin(), head_bytes.end());
        out.insert(out.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
        bytes = bytes.subspan(n);
    }
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t piece = data[0] + 1U;
    auto input = std::as_bytes(std::span(data + 2, size - 2));
    std::vector<std::byte> frames;
    if ((data[1] & 1) != 0) {
        frames = framed(input);
        input = frames;
    }

    static const HostView snapshot = *view_of(host());
    trace::TraceStream stream("fuzz");
    trace::TscCalibrator calibrator;
    double sum = 0;
    bool any = false; // one window without a record is like the next
    WindowBuilder builder({}, tsc_khz, [&](const WindowStats& stats) {
        if (stats.events == 0 && std::exchange(any, true)) return;
        for (float value : feature_vector(stats).values) sum += value;
    });
    builder.add(snapshot);
    std::uint64_t last = 0;
    const auto handler = [&](const trace::Record& record) {
        if (record.tsc < last) std::abort(); // the order is what everything else relies on
        last = record.event == trace::restart_event ? 0 : record.tsc;
        calibrator(record);
        builder.add(record);
    };
    trace::ClockSurvey survey(tsc_khz);
    bool corrected = false;
    while (!input.empty()) {
        const std::size_t n = std::min(piece, input.size());
        survey.feed(input.first(n));
        if (!corrected && (survey.enough() || n == input.size())) {
            stream.correct(survey.offsets(), handler);
            corrected = true;
        }
        if (!stream.feed(input.first(n), handler)) break;
        input = input.subspan(n);
    }
    stream.finish(handler);
    builder.finish();
    (void)calibrator.khz();
    return 0;
}
