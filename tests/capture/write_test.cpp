// SPDX-License-Identifier: MIT
// Writing captures: a failure to write is told and leaves nothing half done.
#include "collector/capture/format.hpp"
#include "tests/support/capture_files.hpp"

#include <csignal>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zstd.h>

using namespace intellisched;
using namespace intellisched::test;
namespace fs = std::filesystem;

TEST_CASE("capture: a place that cannot take one is refused, and nothing is left there") {
    const Directory directory;
    const auto error_at = [](const fs::path& path) {
        auto writer = capture::Writer::create(path, manifest());
        REQUIRE_FALSE(writer);
        return writer.error().message;
    };
    CHECK(contains(error_at(directory.path / "no" / "capture"), "does not exist; create that"));
    CHECK_FALSE(fs::exists(directory.path / "no"));
    spill(directory.path / "file", "x");
    CHECK(contains(error_at(directory.path / "file"), "there is a file of that name"));
    CHECK(contains(error_at(directory.path), "not empty"));
    CHECK(slurp(directory.path / "file") == "x");
    CHECK(contains(error_at(""), "needs the name of a new directory"));
    CHECK(contains(error_at("/proc/capture"), "cannot create"));

    // A finished capture is not empty either.
    const fs::path path = write_capture(directory);
    const std::string before = slurp(path / capture::manifest_file);
    CHECK(contains(error_at(path), "not empty"));
    CHECK(slurp(path / capture::manifest_file) == before);

    fs::create_directory(directory.path / "empty");
    CHECK(capture::Writer::create(directory.path / "empty", manifest()));
}

namespace {

/// Runs `body` in a child whose files can be no larger than `limit` bytes (a full disk, with
/// another errno); true: it did not fail an assertion.
template<class Body> bool in_child_with_file_limit(rlim_t limit, Body body) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit files{limit, limit};
        ::setrlimit(RLIMIT_FSIZE, &files);
        ::_exit(body() ? 0 : 1);
    }
    int status = 0;
    return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

} // namespace

TEST_CASE("capture: a full disk is an error, and what was synced stays") {
    const Directory directory;
    const fs::path path = directory.path / "capture";
    const auto first = noise(20'000, 1);
    CHECK(in_child_with_file_limit(64 << 10, [&] {
        auto writer = capture::Writer::create(path, manifest());
        if (!writer || !writer->trace(first) || !writer->sync()) return false;
        if (!writer->trace(noise(200'000, 2))) return false; // not written yet
        const auto failed = writer->sync();
        return !failed && contains(failed.error().message, "trace.zst: cannot write: ");
    }));
    const Contents contents = contents_of(path);
    CHECK(contents.trace == first);
    CHECK(contents.errors == "");
    const std::string file = slurp(path / capture::trace_file);
    CHECK(ZSTD_findFrameCompressedSize(file.data(), file.size()) == file.size());
}

TEST_CASE("capture: a disk that is full from the start leaves no directory behind") {
    const Directory directory;
    for (const rlim_t limit : {0, 20, 40}) { // host.pb, counters.pb or the manifest fails
        CAPTURE(limit);
        CHECK(in_child_with_file_limit(limit, [&] {
            return !capture::Writer::create(directory.path / "capture", manifest());
        }));
        CHECK(fs::is_empty(directory.path));
        fs::create_directory(directory.path / "capture");
        CHECK(in_child_with_file_limit(limit, [&] {
            return !capture::Writer::create(directory.path / "capture", manifest());
        }));
        CHECK(fs::is_empty(directory.path / "capture")); // ours to fill, not to remove
        fs::remove(directory.path / "capture");
    }
}

TEST_CASE("capture: a caller that never syncs does not fill the memory") {
    const Directory directory;
    auto writer = capture::Writer::create(directory.path / "capture", manifest());
    REQUIRE(writer);
    const auto before = writer->size();
    const auto piece = noise(1 << 20, 1);
    for (int i = 0; i < 17; ++i) REQUIRE(writer->trace(piece));
    CHECK(writer->size() > before); // a frame went out by itself
    CHECK(contents_of(directory.path / "capture").trace.size() == std::size_t{16} << 20);
}
