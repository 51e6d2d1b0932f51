// SPDX-License-Identifier: MIT
// For tests of captures and hosts: things to put into captures.
#pragma once

#include "collector/capture/reader.hpp"
#include "collector/capture/writer.hpp"
#include "src/proto/capture.pb.h"
#include "src/proto/host.pb.h"
#include "tests/support/files.hpp"

#include <cstddef>
#include <random>
#include <vector>

namespace intellisched::test {

/// Bytes that do not compress to nothing, and differ by seed.
inline std::vector<std::byte> noise(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::byte> bytes(size);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0x3f);
    return bytes;
}

inline proto::CaptureManifest manifest() {
    proto::CaptureManifest manifest;
    manifest.set_pool("Pool-0");
    manifest.set_recorded_by("a test");
    manifest.set_tsc_khz(2'000'000);
    manifest.set_begin_tsc(100);
    return manifest;
}

inline proto::HostSnapshot snapshot(std::uint64_t tsc) {
    proto::HostSnapshot snapshot;
    snapshot.set_tsc(tsc);
    snapshot.add_cpus()->set_id(7);
    return snapshot;
}

inline proto::CounterSample counters(std::uint64_t tsc) {
    proto::CounterSample sample;
    sample.set_tsc(tsc);
    sample.add_domains()->set_cpu_ns(tsc * 10);
    return sample;
}

/// Everything that can be read, and the first error of each stream.
struct Contents {
    std::vector<std::uint64_t> snapshots;
    std::vector<std::uint64_t> samples;
    std::vector<std::byte> trace;
    std::string errors;
};

inline void read_on(capture::Reader& reader, Contents& contents) {
    const auto more = [&](const Result<bool>& read) {
        if (!read) contents.errors += read.error().message;
        return read && *read;
    };
    proto::HostSnapshot snapshot;
    while (more(reader.next_snapshot(snapshot))) contents.snapshots.push_back(snapshot.tsc());
    proto::CounterSample sample;
    while (more(reader.next_counters(sample))) contents.samples.push_back(sample.tsc());
    std::vector<std::byte> piece;
    while (more(reader.next_trace(piece))) {
        CHECK(piece.size() <= capture::Reader::trace_piece);
        contents.trace.insert(contents.trace.end(), piece.begin(), piece.end());
    }
}

inline Contents contents_of(const std::filesystem::path& path) {
    Contents contents;
    auto reader = capture::Reader::open(path);
    REQUIRE_MESSAGE(reader, reader.error().message);
    read_on(*reader, contents);
    return contents;
}

/// A finished capture of two frames, one of them larger than a piece.
inline std::filesystem::path write_capture(const Directory& directory,
                                           std::vector<std::byte>* trace = nullptr) {
    const std::filesystem::path path = directory.path / "capture";
    auto writer = capture::Writer::create(path, manifest());
    REQUIRE_MESSAGE(writer, writer.error().message);
    const auto first = noise(1000, 1);
    const auto second = noise(2 * capture::Reader::trace_piece + 17, 2);
    REQUIRE(writer->snapshot(snapshot(100)));
    REQUIRE(writer->counters(counters(110)));
    REQUIRE(writer->trace(first));
    REQUIRE(writer->sync());
    REQUIRE(writer->counters(counters(210)));
    REQUIRE(writer->trace(second));
    REQUIRE(writer->finish(300, 5));
    if (trace) {
        *trace = first;
        trace->insert(trace->end(), second.begin(), second.end());
    }
    return path;
}

} // namespace intellisched::test
