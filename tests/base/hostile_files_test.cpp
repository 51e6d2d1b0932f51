// SPDX-License-Identifier: MIT
// Files and folders of somebody who wishes this program ill. What only root must fear is tried when
// the tests run as root; user 65534 is then the other one.
#include "bench/experiment/results.hpp"
#include "bench/training/samples.hpp"
#include "src/base/folder.hpp"
#include "src/base/memory.hpp"
#include "src/base/trust.hpp"
#include "src/host/simulator.hpp"
#include "src/proto/capture.pb.h"
#include "test_paths.hpp"
#include "tests/support/capture_files.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace intellisched;
using namespace intellisched::test;

namespace {

namespace fs = std::filesystem;

constexpr uid_t other = 65534;

bool root() {
    if (::geteuid() == 0) return true;
    MESSAGE("left out: it takes root to fear another user");
    return false;
}

void give_away(const fs::path& path) { REQUIRE(::lchown(path.c_str(), other, other) == 0); }

auto bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// What stands beside `path` and was not there before.
std::size_t entries(const fs::path& path) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), {}));
}

} // namespace

TEST_CASE("files: what is planted under the names that are written is neither followed nor kept") {
    const Directory directory;
    const fs::path victim = directory.path / "victim", folder = directory.path / "folder";
    const fs::path file = folder / "file";
    spill(victim, "precious");
    fs::create_directory(folder);
    SUBCASE("a link as the temporary") { fs::create_symlink(victim, file.string() + ".tmp"); }
    SUBCASE("a link as the file") { fs::create_symlink(victim, file); }
    SUBCASE("a second name of it") { fs::create_hard_link(victim, file); }
    const std::size_t before = entries(folder) + (fs::exists(file) ? 0 : 1);
    CHECK(error_of(replace_file(file, bytes_of("new"))).empty());
    CHECK(slurp(victim) == "precious");
    CHECK(slurp(file) == "new");
    CHECK(!fs::is_symlink(file));
    CHECK(entries(folder) == before);
}

TEST_CASE("files: what is no file is not replaced, and nothing is left beside it") {
    const Directory directory;
    const fs::path file = directory.path / "file";
    SUBCASE("a folder") { fs::create_directory(file); }
    SUBCASE("a FIFO") { REQUIRE(::mkfifo(file.c_str(), 0600) == 0); }
    SUBCASE("a link to a device") { fs::create_symlink("/dev/null", file); }
    CHECK(contains(error_of(replace_file(file, bytes_of("new"))), "not a regular file"));
    CHECK(entries(directory.path) == 1);
    CHECK(!fs::is_regular_file(file));
}

TEST_CASE("files: a new file replaces nothing and follows no link, and nothing is left beside it") {
    const Directory directory;
    const fs::path file = directory.path / "file", victim = directory.path / "victim";
    spill(victim, "precious");
    const auto folder = Folder::open(directory.path);
    REQUIRE(folder);
    SUBCASE("nothing is there") {
        CHECK(error_of(folder->write_new("file", bytes_of("new"))).empty());
        CHECK(slurp(file) == "new");
        return;
    }
    SUBCASE("a file") { spill(file, "old"); }
    SUBCASE("a link to a file") { fs::create_symlink(victim, file); }
    SUBCASE("a link to nothing") { fs::create_symlink("nowhere", file); }
    SUBCASE("a FIFO") { REQUIRE(::mkfifo(file.c_str(), 0600) == 0); }
    CHECK(contains(error_of(folder->write_new("file", bytes_of("new"))), "name a new file"));
    CHECK(entries(directory.path) == 2);
    CHECK(slurp(victim) == "precious");
    CHECK(!fs::exists(directory.path / "nowhere"));
    if (fs::is_regular_file(fs::symlink_status(file))) CHECK(slurp(file) == "old");
}

TEST_CASE("files: a file's mode can be one that the umask does not change") {
    const Directory directory;
    const mode_t old = ::umask(0077);
    const auto open = replace_file(directory.path / "open", bytes_of("x"), 0644);
    const auto closed = replace_file(directory.path / "closed", bytes_of("x"));
    ::umask(old);
    REQUIRE(open);
    REQUIRE(closed);
    CHECK(fs::status(directory.path / "open").permissions() == fs::perms{0644});
    CHECK(fs::status(directory.path / "closed").permissions() == fs::perms{0600});
}

TEST_CASE("files: a FIFO is refused at once, not waited for") {
    const Directory directory;
    const fs::path fifo = directory.path / "fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    CHECK(contains(error_of(read_file(fifo, 100)), "not a regular file"));
    CHECK(contains(error_of(read_file("/dev/zero", 100)), "not a regular file"));
    CHECK(contains(error_of(RecordWriter::resume(fifo, {"results", 1})), "not a regular file"));
}

TEST_CASE("files: root writes into a user's folder, and follows none of the user's links") {
    if (!root()) return;
    const Directory directory;
    const fs::path theirs = directory.path / "theirs", ours = directory.path / "ours";
    fs::create_directory(theirs);
    fs::create_directory(ours);
    give_away(theirs);
    CHECK(error_of(replace_file(theirs / "file", bytes_of("x"))).empty());
    CHECK(error_of(capture::Writer::create(theirs / "capture", manifest())).empty());

    fs::create_directory_symlink(ours, theirs / "way");
    CHECK(error_of(replace_file(theirs / "way" / "file", bytes_of("x"))).empty()); // root's link
    const fs::path way = theirs / "way";
    give_away(way);
    const std::string refusal = "is a link of user 65534";
    CHECK(contains(error_of(replace_file(way / "new", bytes_of("x"))), refusal));
    CHECK(contains(error_of(capture::Writer::create(way / "capture", manifest())), refusal));
    CHECK(contains(error_of(Folder::open(way / "deep" / "er", true)), refusal));
    CHECK(entries(ours) == 1);
    ::setenv("SUDO_UID", "65534", 1);
    CHECK(error_of(replace_file(way / "new", bytes_of("x"))).empty());
    ::unsetenv("SUDO_UID");
}

TEST_CASE("capture: files that are planted in an empty folder meanwhile are not written to") {
    // As if planted after the look whether it is empty: create() makes every file itself.
    const Directory directory;
    const auto folder = Folder::open(directory.path);
    REQUIRE(folder);
    spill(directory.path / "victim", "precious");
    fs::create_symlink("victim", directory.path / "link");
    CHECK_FALSE(folder->create("link"));
    fs::create_symlink("nowhere", directory.path / "dangling");
    CHECK_FALSE(folder->create("dangling"));
    CHECK_FALSE(fs::exists(directory.path / "nowhere"));
    CHECK(slurp(directory.path / "victim") == "precious");
}

TEST_CASE("trust: root acts on what nobody else can change") {
    if (!root()) return;
    const Directory directory;
    const fs::path folder = directory.path / "folder", file = folder / "file";
    spill(file, "x");
    CHECK(error_of(check_trusted_path(file)).empty());
    const auto refused = [&] { return !check_trusted_path(file); };

    REQUIRE(::chmod(file.c_str(), 0664) == 0);
    CHECK(refused());
    REQUIRE(::chmod(file.c_str(), 0644) == 0);
    give_away(file);
    CHECK(refused());
    CHECK(contains(error_of(check_trusted_path(file)), file.string()));
    ::setenv("SUDO_UID", "65534", 1);
    CHECK(!refused());
    ::setenv("SUDO_UID", "65534x", 1);
    CHECK(refused());
    ::unsetenv("SUDO_UID");
    REQUIRE(::chown(file.c_str(), 0, 0) == 0);

    REQUIRE(::chmod(folder.c_str(), 0777) == 0); // another file can take its place
    CHECK(refused());
    REQUIRE(::chmod(folder.c_str(), 01777) == 0); // as /tmp
    CHECK(!refused());
    give_away(folder);
    CHECK(refused());
}

TEST_CASE("bench: root goes on with results of its own only") {
    if (!root()) return;
    const Directory directory;
    const fs::path out = directory.path / "out";
    REQUIRE(bench::Results::open(out));
    give_away(out / bench::results_name);
    CHECK(contains(error_of(bench::Results::open(out)), "others than root can change it"));
    CHECK_FALSE(bench::read_results(out));
    REQUIRE(::chown((out / bench::results_name).c_str(), 0, 0) == 0);
    CHECK(bench::Results::open(out));
    fs::create_hard_link(out / bench::results_name, directory.path / "second");
    CHECK(contains(error_of(bench::Results::open(out)), "second name"));
    fs::remove(directory.path / "second");
    give_away(out);
    CHECK(contains(error_of(bench::Results::open(out)), "others than root can change"));
}

TEST_CASE("samples: root trains from what nobody else has written") {
    if (!root()) return;
    const Directory directory;
    const fs::path file = directory.path / "a.samples";
    fs::copy_file(fs::path(INTELLISCHED_SAMPLES) / "14-scenarios.samples", file);
    REQUIRE(::chmod(file.c_str(), 0644) == 0);
    CHECK(read_samples(directory.path, Author::trusted));
    give_away(file);
    CHECK(contains(error_of(read_samples(directory.path, Author::trusted)),
                   "others than root can change it"));
    CHECK(read_samples(directory.path));
}

TEST_CASE("simulator: root runs none that others can change") {
    if (!root()) return;
    const Directory directory;
    const fs::path program = directory.path / "credit2-sim";
    fs::copy_file("/bin/true", program);
    const std::string path = std::getenv("PATH");
    ::setenv("PATH", (directory.path.string() + ":.").c_str(), 1);
    const fs::path back = fs::current_path();
    const auto first = find_simulator(); // that of the build tree, if there is one
    give_away(program);
    fs::current_path(directory.path); // for the relative entry
    ::setenv("CREDIT2_SIM", program.c_str(), 1);
    CHECK(contains(error_of(find_simulator()), "CREDIT2_SIM: "));
    ::unsetenv("CREDIT2_SIM");
    const auto second = find_simulator();
    fs::current_path(back);
    ::setenv("PATH", path.c_str(), 1);
    REQUIRE(first);
    CHECK((!second || *second == *first));
    if (*first == program) CHECK_FALSE(second);
}

TEST_CASE("records: empty messages in messages do not become gigabytes") {
    // 16 MB of domains without a field, each of which takes two bytes here and a hundred in memory.
    proto::HostSnapshot small;
    small.add_domains();
    const std::string empty = small.SerializeAsString();
    REQUIRE(empty.size() == 2);
    std::string payload;
    for (std::size_t i = 0; i < max_record_payload / 2 - 1; ++i) payload += empty;
    SUBCASE("in the message") {}
    SUBCASE("one deeper") {
        payload.resize(payload.size() / 4 * 2);
        for (std::size_t i = 0; i < payload.size(); i += 2) payload[i] = 0x32; // Domain.vcpus
        proto::HostSnapshot around;
        REQUIRE(around.add_domains()->ParseFromString(payload));
        payload = around.SerializeAsString();
    }
    SUBCASE("of fields that nobody knows") {
        for (std::size_t i = 0; i < payload.size(); i += 2) payload[i] = 0x7a;
    }
    SUBCASE("in groups") {
        for (std::size_t i = 0; i < payload.size(); i += 2) {
            payload[i] = 0x7b;
            payload[i + 1] = 0x7c;
        }
    }
    const Directory directory;
    spill(directory.path / "host", encode_header({"host", 1}) + *encode_record(payload));
    auto reader = RecordReader::open(directory.path / "host", {"host", 1});
    REQUIRE(reader);
    proto::HostSnapshot snapshot;
    CHECK(contains(error_of(reader->next(snapshot)), "holds no intellisched.proto.HostSnapshot"));
    CHECK(snapshot.SpaceUsedLong() < 10'000);
}

TEST_CASE("records: the snapshot of a large host is read") {
    proto::HostSnapshot large;
    for (unsigned d = 0; d < 4096; ++d) {
        auto* domain = large.add_domains();
        domain->set_id(d + 1);
        domain->set_name("a guest");
        domain->set_weight(256);
        for (unsigned v = 0; v < 8; ++v) {
            auto* vcpu = domain->add_vcpus();
            vcpu->set_id(v + 1);
            vcpu->set_online(true);
            for (unsigned cpu = 0; cpu < 16; ++cpu) vcpu->add_soft_affinity(cpu);
        }
    }
    proto::HostSnapshot again;
    CHECK(parse_bounded(large.SerializeAsString(), again));
    CHECK(again.domains_size() == 4096);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("memory: no command takes more than half of the host's") {
    const pid_t child = ::fork();
    if (child == 0) {
        limit_memory();
        const auto all = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) *
                         static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        try {
            const std::vector<char> large(std::max(all * 3 / 4, std::size_t{600} << 20));
            ::_exit(large.back() + 1);
        } catch (const std::bad_alloc&) {
            const std::vector<char> small(std::size_t{100} << 20);
            ::_exit(small.back());
        }
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}
#endif
