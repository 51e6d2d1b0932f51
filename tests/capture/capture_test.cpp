// SPDX-License-Identifier: MIT
// Reading captures: what was written comes back; torn, growing, damaged, foreign and oversized ones
// do not pass for something else.
#include "collector/capture/format.hpp"
#include "tests/support/capture_files.hpp"

#include <sys/stat.h>
#include <zstd.h>

using namespace intellisched;
using namespace intellisched::test;
namespace fs = std::filesystem;

namespace {

std::string open_error(const fs::path& path) {
    auto reader = capture::Reader::open(path);
    REQUIRE_FALSE(reader);
    CHECK(reader.error().message.find('\n') == std::string::npos);
    return reader.error().message;
}

} // namespace

TEST_CASE("capture: what was written comes back") {
    const Directory directory;
    std::vector<std::byte> trace;
    const fs::path path = write_capture(directory, &trace);

    auto reader = capture::Reader::open(path);
    REQUIRE(reader);
    CHECK(reader->manifest().format_version() == 1);
    CHECK(reader->manifest().pool() == "Pool-0");
    CHECK(reader->manifest().complete());
    CHECK(reader->manifest().end_tsc() == 300);
    CHECK(reader->manifest().lost_records() == 5);

    const Contents contents = contents_of(path);
    CHECK(contents.snapshots == std::vector<std::uint64_t>{100});
    CHECK(contents.samples == std::vector<std::uint64_t>{110, 210});
    CHECK(contents.trace == trace);
    CHECK(contents.errors == "");
}

TEST_CASE("capture: an unfinished one says so and gives what was synced") {
    const Directory directory;
    const fs::path path = directory.path / "capture";
    const auto trace = noise(5000, 3);
    {
        auto writer = capture::Writer::create(path, manifest());
        REQUIRE(writer);
        REQUIRE(writer->snapshot(snapshot(100)));
        REQUIRE(writer->trace(trace));
        REQUIRE(writer->sync());
        REQUIRE(writer->trace(noise(5000, 4))); // never synced
    }
    auto reader = capture::Reader::open(path);
    REQUIRE(reader);
    CHECK_FALSE(reader->manifest().complete());
    CHECK(reader->manifest().end_tsc() == 0);
    const Contents contents = contents_of(path);
    CHECK(contents.trace == trace);
    CHECK(contents.snapshots.size() == 1);
    CHECK(contents.errors == "");
}

TEST_CASE("capture: a reader follows one that grows") {
    const Directory directory;
    const fs::path path = directory.path / "capture";
    auto writer = capture::Writer::create(path, manifest());
    REQUIRE(writer);
    auto reader = capture::Reader::open(path);
    REQUIRE(reader);
    Contents contents;
    read_on(*reader, contents);
    CHECK(contents.trace.empty());
    std::vector<std::byte> trace;
    for (unsigned round = 1; round <= 5; ++round) {
        const auto piece = noise(round * 100'000, round);
        trace.insert(trace.end(), piece.begin(), piece.end());
        REQUIRE(writer->counters(counters(round)));
        REQUIRE(writer->trace(piece));
        REQUIRE(writer->sync());
        const std::uint64_t size = writer->size();
        REQUIRE(writer->sync());
        CHECK(writer->size() == size); // nothing new: no empty frame
        read_on(*reader, contents);
        CHECK(contents.samples.size() == round);
        CHECK(contents.trace == trace);
    }
    CHECK(contents.errors == "");
}

TEST_CASE("capture: a writer killed at any byte of its last frame or record loses only that") {
    const Directory directory;
    std::vector<std::byte> trace;
    const fs::path path = write_capture(directory, &trace);
    // Who is killed does not write that the capture is complete.
    REQUIRE(capture::Writer::create(directory.path / "killed", {}));
    spill(path / capture::manifest_file, slurp(directory.path / "killed" / capture::manifest_file));
    const fs::path file = path / capture::trace_file;
    const std::string whole = slurp(file);
    const std::size_t first_frame = ZSTD_findFrameCompressedSize(whole.data(), whole.size());
    REQUIRE(!ZSTD_isError(first_frame));

    // Every byte of the small first frame and of the head of the second, then in steps.
    std::size_t given = 0;
    for (std::size_t size = 0; size < whole.size(); size += size < first_frame + 200 ? 1 : 997) {
        spill(file, whole.substr(0, size));
        const Contents contents = contents_of(path);
        CAPTURE(size);
        REQUIRE(contents.errors == "");
        REQUIRE(std::equal(contents.trace.begin(), contents.trace.end(), trace.begin()));
        if (size >= first_frame) REQUIRE(contents.trace.size() >= 1000);
        REQUIRE(contents.trace.size() >= given);
        given = contents.trace.size();
        REQUIRE(given < trace.size());
    }
    spill(file, whole);

    const fs::path records = path / capture::counters_file;
    const std::string all = slurp(records);
    for (std::size_t size = 0; size < all.size(); ++size) {
        spill(records, all.substr(0, size));
        const Contents contents = contents_of(path);
        CAPTURE(size);
        REQUIRE(contents.errors == "");
        REQUIRE(contents.samples.size() < 2);
    }
}

TEST_CASE("capture: a changed byte in the middle is an error that names file and offset") {
    const Directory directory;
    std::vector<std::byte> trace;
    const fs::path path = write_capture(directory, &trace);
    const fs::path file = path / capture::trace_file;
    const std::string whole = slurp(file);
    unsigned noticed = 0;
    unsigned tried = 0;
    for (std::size_t at = 0; at < whole.size(); at += at < 900 ? 1 : 1009, ++tried) {
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 0x15);
        spill(file, changed);
        auto reader = capture::Reader::open(path);
        REQUIRE(reader);
        Contents contents;
        read_on(*reader, contents);
        CAPTURE(at);
        // The window size may change unseen, a block's length may make the end look torn; but
        // nothing else may pass for the trace.
        if (contents.errors.empty()) {
            REQUIRE(contents.trace.size() <= trace.size());
            REQUIRE(std::equal(contents.trace.begin(), contents.trace.end(), trace.begin()));
            continue;
        }
        ++noticed;
        CHECK(contains(contents.errors, std::string(capture::trace_file) + ": damaged at byte "));
        std::vector<std::byte> piece;
        const auto again = reader->next_trace(piece);
        REQUIRE_FALSE(again);
        CHECK(again.error().message == contents.errors);
    }
    CHECK(noticed > tried * 9 / 10);
    spill(file, whole);

    const fs::path records = path / capture::counters_file;
    std::string all = slurp(records);
    all[all.size() / 2] = static_cast<char>(all[all.size() / 2] ^ 1);
    spill(records, all);
    CHECK(contains(contents_of(path).errors, "counters.pb: the record at byte "));
}

TEST_CASE("capture: frames of another kind are refused") {
    const Directory directory;
    const fs::path path = write_capture(directory);
    const fs::path file = path / capture::trace_file;
    const std::size_t size = fs::file_size(file);
    const auto error_with = [&](const std::string& tail) {
        spill(file, slurp(file).substr(0, size) + tail);
        return contents_of(path).errors;
    };
    const std::string where = fmt::format("damaged at byte {}", size);
    CHECK(contains(error_with(std::string(64, '\0')), where)); // lost by a crash of the machine
    CHECK(contains(error_with("\x27\xb5\x2f\xfd legacy zstd 0.7"), where));
    CHECK(contains(error_with("\x50\x2a\x4d\x18\x04\0\0\0skip"), where));
    CHECK(error_with("\x28\xb5\x2f") == "");

    // A frame that asks for a window of 64 MiB (descriptor 0x80), which no capture needs and
    // libzstd by itself would allow.
    CHECK(contains(error_with(std::string("\x28\xb5\x2f\xfd\x00\x80\x01\x00\x00", 9)), where));
}

TEST_CASE("capture: a small file of a huge trace is given in pieces") {
    const Directory directory;
    const fs::path path = write_capture(directory);
    const std::vector<char> zeros(64 << 20);
    std::string packed(ZSTD_compressBound(zeros.size()), '\0');
    packed.resize(ZSTD_compress(packed.data(), packed.size(), zeros.data(), zeros.size(), 19));
    REQUIRE(packed.size() < 10'000);
    spill(path / capture::trace_file, packed);
    const Contents contents = contents_of(path); // checks the size of every piece
    CHECK(contents.trace.size() == zeros.size());
    CHECK(contents.errors == "");
}

TEST_CASE("capture: the last whole block of a torn frame is given, cut by a piece or not") {
    const Directory directory;
    const fs::path path = write_capture(directory);
    std::string packed;
    constexpr std::size_t two_blocks = std::size_t{256} << 10;
    static_assert(two_blocks % capture::Reader::trace_piece == 0);
    for (const std::size_t size : {std::size_t{1000}, two_blocks + 5000}) {
        const auto bytes = noise(size, 1);
        std::string frame(ZSTD_compressBound(size), '\0');
        frame.resize(ZSTD_compress(frame.data(), frame.size(), bytes.data(), size, 1));
        packed += frame;
    }
    packed.resize(packed.size() - 10); // into the third block, the second ends past a piece
    spill(path / capture::trace_file, packed);
    CHECK(contents_of(path).trace.size() == 1000 + two_blocks);
}

TEST_CASE("capture: another version is refused by name") {
    const Directory directory;
    const fs::path path = write_capture(directory);
    proto::CaptureManifest newer = manifest();
    newer.set_format_version(7);
    newer.set_recorded_by("intellisched 9.0");
    const auto record = encode_record(newer.SerializeAsString());
    REQUIRE(record);
    spill(path / capture::manifest_file, encode_header({"manifest", 1}) + *record);
    const std::string error = open_error(path);
    CHECK(contains(error, "a capture of format 7; this program reads 1: "));
    CHECK(contains(error, "intellisched 9.0"));

    spill(path / capture::manifest_file, encode_header({"manifest", 7}) + *record);
    CHECK(contains(open_error(path), "version 7 of the manifest format"));
    spill(path / capture::manifest_file, encode_header({"manifest", 1}));
    CHECK(contains(open_error(path), "manifest.pb: ends too early"));
}

TEST_CASE("capture: what is none is told from what is broken") {
    const Directory directory;
    CHECK(contains(open_error(directory.path / "nothing"), "no such capture"));
    spill(directory.path / "file", "x");
    CHECK(
        contains(open_error(directory.path / "file"), "a capture is a folder or a .tar.zst file"));
    CHECK(contains(open_error(directory.path), "not a capture (no manifest.pb in it)"));

    const fs::path path = write_capture(directory);
    for (const char* name : {capture::host_file, capture::counters_file, capture::trace_file}) {
        fs::rename(path / name, directory.path / "aside");
        CHECK(contains(open_error(path), std::string(name) + ": "));
        REQUIRE(::mkfifo((path / name).c_str(), 0600) == 0);
        CHECK(contains(open_error(path), "not a regular file")); // and does not hang
        fs::remove(path / name);
        fs::rename(directory.path / "aside", path / name);
    }
    CHECK(contents_of(path).samples.size() == 2);
}

TEST_CASE("capture: a trace of a few bytes that claims to be gigabytes is refused in time") {
    const Directory directory;
    const fs::path path = write_capture(directory);
    // 64 kB of blocks that each say "128 kB of zeros".
    std::string frame("\x28\xb5\x2f\xfd\x00\x58", 6); // no checksum, a window of 2 MiB
    for (int i = 0; i < 16'000; ++i) frame += std::string("\x02\x00\x10\x00", 4);
    frame += std::string("\x03\x00\x00\x00", 4);
    spill(path / capture::trace_file, frame);
    auto reader = capture::Reader::open(path);
    REQUIRE(reader);
    std::uint64_t bytes = 0;
    std::vector<std::byte> piece;
    Result<bool> more;
    while ((more = reader->next_trace(piece)) && *more) bytes += piece.size();
    REQUIRE_FALSE(more);
    CHECK(contains(more.error().message, "many times the bytes"));
    CHECK(bytes > std::uint64_t{32} << 20);
    CHECK(bytes < std::uint64_t{512} << 20);
}
