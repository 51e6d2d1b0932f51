// SPDX-License-Identifier: MIT
// A capture as one file: what was written comes back; nothing of a hostile archive is unpacked, and
// nothing is left behind.
#include "collector/capture/archive.hpp"
#include "collector/capture/format.hpp"
#include "tests/support/capture_files.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <cstdlib>

using namespace intellisched;
using namespace intellisched::test;
namespace fs = std::filesystem;

namespace {

/// An entry of an archive that another program made.
struct Entry {
    std::string name;
    std::string bytes = {};
    mode_t type = AE_IFREG;
    std::string link = {};
};

std::string bytes_of(const fs::path& path) {
    const auto bytes = read_file(path, std::size_t{64} << 20);
    REQUIRE(bytes);
    return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

void put(const fs::path& path, const std::string& bytes) {
    REQUIRE(replace_file(path, std::as_bytes(std::span(bytes))));
}

/// The four entries of a good capture.
std::vector<Entry> good_entries(const fs::path& capture) {
    std::vector<Entry> entries;
    for (const char* name :
         {capture::manifest_file, capture::host_file, capture::counters_file, capture::trace_file})
        entries.push_back({name, bytes_of(capture / name)});
    return entries;
}

void write_archive(const fs::path& path, const std::vector<Entry>& entries) {
    archive* out = archive_write_new();
    REQUIRE(archive_write_add_filter_zstd(out) == ARCHIVE_OK);
    REQUIRE(archive_write_set_format_pax_restricted(out) == ARCHIVE_OK);
    REQUIRE(archive_write_open_filename(out, path.c_str()) == ARCHIVE_OK);
    for (const Entry& each : entries) {
        archive_entry* entry = archive_entry_new();
        archive_entry_set_pathname(entry, each.name.c_str());
        archive_entry_set_filetype(entry, each.type);
        if (each.type == AE_IFLNK) archive_entry_set_symlink(entry, each.link.c_str());
        if (each.type == AE_IFREG && !each.link.empty())
            archive_entry_set_hardlink(entry, each.link.c_str());
        archive_entry_set_perm(entry, 0755);
        archive_entry_set_size(entry, static_cast<std::int64_t>(each.bytes.size()));
        REQUIRE(archive_write_header(out, entry) == ARCHIVE_OK);
        if (!each.bytes.empty())
            REQUIRE(archive_write_data(out, each.bytes.data(), each.bytes.size()) > 0);
        archive_entry_free(entry);
    }
    REQUIRE(archive_write_free(out) == ARCHIVE_OK);
}

std::string open_error(const fs::path& path) {
    auto reader = capture::Reader::open(path);
    REQUIRE_FALSE(reader);
    CHECK(reader.error().message.find('\n') == std::string::npos);
    CHECK(reader.error().message.find(path.string()) != std::string::npos);
    return reader.error().message;
}

std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
        names.push_back(entry.path().filename());
    return names;
}

/// TMPDIR of this process, for as long as it lives.
struct TemporaryFolder {
    explicit TemporaryFolder(const fs::path& path) { ::setenv("TMPDIR", path.c_str(), 1); }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() { ::unsetenv("TMPDIR"); }
};

} // namespace

TEST_CASE("archive: a capture that is written to one file comes back") {
    const Directory directory, temporary;
    const TemporaryFolder environment(temporary.path);
    const fs::path path = directory.path / "monday.tar.zst";
    const auto trace = noise(3 * capture::Reader::trace_piece + 5, 1);
    {
        auto writer = capture::Writer::create(path, manifest());
        REQUIRE_MESSAGE(writer, writer.error().message);
        REQUIRE(writer->snapshot(snapshot(100)));
        REQUIRE(writer->counters(counters(110)));
        REQUIRE(writer->trace(trace));
        REQUIRE(writer->sync());
        CHECK_FALSE(fs::exists(path)); // not before it is whole
        REQUIRE(writer->finish(300, 5));
    }
    CHECK(names_in(directory.path) == std::vector<std::string>{"monday.tar.zst"});
    const Contents contents = contents_of(path);
    CHECK(contents.errors == "");
    CHECK(contents.snapshots == std::vector<std::uint64_t>{100});
    CHECK(contents.samples == std::vector<std::uint64_t>{110});
    CHECK(contents.trace == trace);
    CHECK(capture::Reader::open(path)->manifest().complete());
    auto open = capture::Reader::open(path);
    CHECK(names_in(temporary.path).empty());
}

TEST_CASE("archive: a recorder that is killed leaves a readable directory, and no file") {
    const Directory directory;
    const fs::path path = directory.path / "monday.tar.zst";
    {
        auto writer = capture::Writer::create(path, manifest());
        REQUIRE(writer);
        REQUIRE(writer->snapshot(snapshot(100)));
    }
    CHECK_FALSE(fs::exists(path));
    CHECK(contents_of(directory.path / "monday.tar.zst.recording").snapshots ==
          std::vector<std::uint64_t>{100});
}

TEST_CASE("archive: what stands under its name is not replaced") {
    const Directory directory;
    const fs::path path = directory.path / "monday.tar.zst";
    auto writer = capture::Writer::create(path, manifest());
    REQUIRE(writer);
    REQUIRE(writer->snapshot(snapshot(100)));
    SUBCASE("a file") { put(path, "mine"); }
    SUBCASE("a link that leads nowhere") { fs::create_symlink("/nowhere", path); }
    auto finished = writer->finish(300, 0);
    REQUIRE_FALSE(finished);
    CHECK(finished.error().message.find("monday.tar.zst.recording") != std::string::npos);
    CHECK(contents_of(directory.path / "monday.tar.zst.recording").snapshots.size() == 1);
    CHECK((fs::is_symlink(path) || bytes_of(path) == "mine"));
    auto again = capture::Writer::create(path, manifest());
    REQUIRE_FALSE(again);
    CHECK(again.error().message.find("exists") != std::string::npos);
}

TEST_CASE("archive: one that somebody made with tar is taken, in any order") {
    const Directory directory;
    auto entries = good_entries(write_capture(directory));
    std::swap(entries[0], entries[3]);
    for (Entry& entry : entries) entry.name = "./" + entry.name;
    entries.insert(entries.begin(), Entry{"./", "", AE_IFDIR});
    const fs::path path = directory.path / "theirs.tar.zst";
    write_archive(path, entries);
    CHECK(contents_of(path).errors == "");
    CHECK(contents_of(path).samples == std::vector<std::uint64_t>{110, 210});
}

TEST_CASE("archive: nothing else is unpacked") {
    const Directory directory, temporary;
    const TemporaryFolder environment(temporary.path);
    const auto good = good_entries(write_capture(directory));
    const fs::path path = directory.path / "hostile.tar.zst";
    const auto refused = [&](std::vector<Entry> entries, const std::string& why) {
        write_archive(path, entries);
        const std::string error = open_error(path);
        CAPTURE(error);
        CHECK(error.find(why) != std::string::npos);
    };
    const auto with = [&](std::size_t i, const Entry& entry) {
        auto entries = good;
        entries[i] = entry;
        return entries;
    };
    refused(with(1, {"../host.pb", "x"}), "has '../host.pb' in it");
    refused(with(1, {"/etc/host.pb", "x"}), "host.pb' in it");
    refused(with(1, {"a/host.pb", "x"}), "has 'a/host.pb' in it");
    refused(with(1, {"evil\x1b[2J", "x"}), "has 'evil");
    refused(with(1, {"host.pb", "", AE_IFLNK, "/etc/passwd"}), "host.pb in it is not a regular");
    refused(with(1, {"host.pb", "", AE_IFREG, "manifest.pb"}), "host.pb in it is not a regular");
    refused(with(1, {"host.pb", "", AE_IFIFO}), "host.pb in it is not a regular");
    refused(with(1, {"host.pb", "", AE_IFBLK}), "host.pb in it is not a regular");
    refused(with(1, {"host.pb", "", AE_IFDIR}), "host.pb");
    refused(with(1, good[0]), "manifest.pb in it twice");
    refused({good[0], good[1], good[2]}, "trace.zst is missing");
    refused({}, "hostile.tar.zst");
    auto more = good;
    more.push_back({"notes.txt", "x"});
    refused(more, "has 'notes.txt' in it");
    more.back() = {"report.html", "", AE_IFLNK, "/etc/passwd"};
    refused(more, "report.html in it is not a regular");
    more.back() = {"report.html", "<p>"}; // which is for people
    write_archive(path, more);
    CHECK(capture::Reader::open(path));
    more.push_back(more.back());
    refused(more, "report.html in it twice");
    // A bomb: 100 MB of zeros are 10 kB.
    refused(with(3, {"trace.zst", std::string(std::size_t{100} << 20, '\0')}), "many times");
    CHECK(names_in(temporary.path).empty());
}

TEST_CASE("archive: what is cut off, damaged or no archive is refused") {
    const Directory directory;
    const fs::path path = directory.path / "cut.tar.zst";
    write_archive(path, good_entries(write_capture(directory)));
    const std::string whole = bytes_of(path);
    std::size_t opened = 0;
    for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 97) {
        put(path, whole.substr(0, size));
        CHECK(open_error(path).find("cut.tar.zst") != std::string::npos);
    }
    for (std::size_t at = 0; at < whole.size(); at += 1 + whole.size() / 97) {
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 0x55);
        put(path, changed);
        // What zstd's frame does not guard may pass here, and is then what the reader judges.
        if (auto reader = capture::Reader::open(path)) ++opened;
    }
    CHECK(opened < 97);
    put(path, "no archive at all");
    CHECK(open_error(path).find("cannot be unpacked") != std::string::npos);
    put(path, std::string(5000, '\0'));
    CHECK(open_error(path).find("cut.tar.zst") != std::string::npos);
}

TEST_CASE("archive: a temporary folder that is none is named, with the way out") {
    const Directory directory;
    const TemporaryFolder environment(directory.path / "missing");
    const fs::path path = directory.path / "good.tar.zst";
    write_archive(path, good_entries(write_capture(directory)));
    auto reader = capture::Reader::open(path);
    REQUIRE_FALSE(reader);
    CHECK(reader.error().message.find("TMPDIR") != std::string::npos);
}
