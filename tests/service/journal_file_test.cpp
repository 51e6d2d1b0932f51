// SPDX-License-Identifier: MIT
// The journal's file: killed at any moment, damaged, foreign, on a full disk, read meanwhile.
#include "tests/service/journal_steps.hpp"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <random>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace intellisched;
using namespace intellisched::test;
using namespace intellisched::service;

namespace fs = std::filesystem;

namespace {

/// Garbage over a part of the file.
void overwrite(const fs::path& path, std::size_t at, std::size_t size) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(at));
    std::mt19937 random(1);
    for (std::size_t i = 0; i < size; ++i) file.put(static_cast<char>(random()));
}

void by_hand(const fs::path& path, const char* sql) {
    auto database = Database::open(path, SQLITE_OPEN_READWRITE);
    REQUIRE(database);
    REQUIRE(database->script(sql));
}

void make(const fs::path& path, const char* sql) {
    spill(path, "");
    by_hand(path, sql);
}

/// Makes a journal what version 2 left.
constexpr const char* as_version_2 = "ALTER TABLE verdicts DROP COLUMN target_rate_limit_us;"
                                     "ALTER TABLE windows DROP COLUMN rate_limit_us;"
                                     "ALTER TABLE switches DROP COLUMN from_rate_limit_us;"
                                     "ALTER TABLE switches DROP COLUMN to_rate_limit_us;"
                                     "ALTER TABLE trials DROP COLUMN from_rate_limit_us;"
                                     "ALTER TABLE trials DROP COLUMN to_rate_limit_us;"
                                     "DROP TABLE protections; PRAGMA user_version = 2";

/// A journal of some pages, closed.
void fill(const fs::path& path) {
    Journal journal = open_journal(path);
    for (std::uint64_t n = 1; n <= 100; ++n) REQUIRE(journal.record(Round(n).step()));
}

std::vector<fs::path> put_aside(const Folder& folder) {
    std::vector<fs::path> out;
    for (const auto& entry : fs::directory_iterator(folder.path))
        if (contains(entry.path().filename().string(), ".damaged-")) out.push_back(entry.path());
    return out;
}

/// Another process that holds locks on bytes of the file, for as long as it lives.
class Locked {
  public:
    Locked(const fs::path& path, off_t start, off_t length) {
        int ready[2];
        REQUIRE(::pipe(ready) == 0);
        child_ = ::fork();
        if (child_ == 0) {
            const int file = ::open(path.c_str(), O_RDWR);
            struct flock lock {};
            lock.l_type = F_WRLCK;
            lock.l_whence = SEEK_SET;
            lock.l_start = start;
            lock.l_len = length;
            if (::fcntl(file, F_SETLKW, &lock) != 0) ::_exit(1);
            (void)!::write(ready[1], "x", 1);
            for (;;) ::pause();
        }
        ::close(ready[1]);
        char byte = 0;
        REQUIRE(::read(ready[0], &byte, 1) == 1);
        ::close(ready[0]);
    }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;
    ~Locked() {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }

  private:
    pid_t child_;
};

/// Records rounds until it is killed; writes a byte once it has begun.
[[noreturn]] void record_for_ever(const fs::path& path, int begun) {
    auto journal = Journal::open(path, "boot-1", epoch);
    if (!journal) ::_exit(1);
    const auto state = journal->state("Pool-0");
    if (!state) ::_exit(2);
    std::uint64_t n = *state ? (*state)->state.serial + 1 : 1;
    for (;; ++n) {
        const Round round(n);
        if (!journal->record(round.step())) ::_exit(3);
        if (begun >= 0 && ::write(begun, "x", 1) != 1) ::_exit(4);
        begun = -1;
    }
}

/// Every step is there in all its parts, one after the other up to the state's.
void check_whole(const JournalReader& journal) {
    const auto state = journal.state("Pool-0").value();
    const auto events = journal.history({.limit = 1'000'000}).value();
    if (!state) {
        CHECK(events.empty());
        return;
    }
    const std::uint64_t last = state->state.serial;
    std::uint64_t verdicts = 0, switches = 0, trials = 0, wrong = 0;
    std::map<std::int64_t, std::uint64_t> serial_of; // by verdict's id
    for (const Event& event : events)
        if (const auto* one = std::get_if<Entry<StoredVerdict>>(&event)) {
            wrong += one->what.reasons.size() != 3;
            wrong += one->what.serial != last - verdicts++;
            serial_of[one->id] = one->what.serial.value_or(0);
        }
    std::uint64_t waiting = 0, open = 0;
    for (const Event& event : events) {
        if (const auto* one = std::get_if<Entry<StoredSwitch>>(&event)) {
            wrong += one->what.serial != last - switches++;
            wrong += serial_of[one->what.verdict] != one->what.serial;
            waiting += one->what.outcome == SwitchOutcome::waiting;
        } else if (const auto* trial = std::get_if<Entry<StoredTrial>>(&event)) {
            ++trials;
            open += trial->what.ending.empty();
        }
    }
    CHECK(wrong == 0);
    CHECK(verdicts == last);
    CHECK(switches == last);
    CHECK(trials == last);
    CHECK(open == 1);
    CHECK(waiting <= 1);
}

} // namespace

TEST_CASE("a process that is killed leaves whole steps") {
    const Folder folder;
    std::mt19937 random(7);
    std::uint64_t before = 0, grown = 0;
    for (int kill = 0; kill < 50; ++kill) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            ::close(ends[0]); // so that the parent's end is the only one
            record_for_ever(folder.journal(), ends[1]);
        }
        ::close(ends[1]);
        // Some are killed while they open or make the file.
        char byte = 0;
        if (kill % 5 != 0) CHECK(::read(ends[0], &byte, 1) == 1);
        ::usleep(random() % 30'000);
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status));
        ::close(ends[0]);
        if (!fs::exists(folder.journal()) || fs::file_size(folder.journal()) == 0) continue;
        const auto journal = JournalReader::open(folder.journal());
        if (!journal) { // killed before it had tables
            CHECK(contains(journal.error().message, folder.journal().string()));
            CHECK(before == 0);
            continue;
        }
        check_whole(*journal);
        const auto state = journal->state("Pool-0").value();
        const std::uint64_t now = state ? state->state.serial : 0;
        CHECK(now >= before);
        grown += now > before;
        before = now;
    }
    CHECK(grown >= 40);
    CHECK(put_aside(folder).empty());
    const Journal journal = open_journal(folder.journal());
    CHECK(journal.warning().empty());
    check_whole(journal);
}

TEST_CASE("a process that is killed while it makes the file leaves one to go on with") {
    std::mt19937 random(11);
    for (int kill = 0; kill < 30; ++kill) {
        const Folder folder;
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) record_for_ever(folder.journal(), -1);
        ::usleep(random() % 16'000);
        ::kill(child, SIGKILL);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status));
        if (const auto reader = JournalReader::open(folder.journal()); !reader)
            CHECK(contains(reader.error().message, "start the service"));
        const Journal journal = open_journal(folder.journal());
        CHECK(journal.warning() == "");
        check_whole(journal);
    }
}

TEST_CASE("a damaged file is put aside, and a new one begun") {
    const Folder folder;
    fill(folder.journal());
    const std::size_t size = fs::file_size(folder.journal());
    REQUIRE(size > 20'000);
    SUBCASE("cut off") { fs::resize_file(folder.journal(), size / 2); }
    SUBCASE("cut off within a page") { fs::resize_file(folder.journal(), size - 1000); }
    SUBCASE("cut off within the first page") { fs::resize_file(folder.journal(), 100); }
    SUBCASE("garbage in the header") { overwrite(folder.journal(), 16, 48); }
    SUBCASE("garbage in the middle") { overwrite(folder.journal(), size / 2, 8192); }
    SUBCASE("garbage at the first page's end") { overwrite(folder.journal(), 100, 3000); }
    // A log of no meaning does not belong to the new one.
    spill(folder.journal().string() + "-wal", "log");
    // The name for the damaged one may be taken.
    const std::string first = folder.journal().string() + ".damaged-1700000000";
    spill(first, "older");

    {
        Journal journal = open_journal(folder.journal());
        const std::string second_name = folder.journal().string() + ".damaged-1700000001";
        CHECK(contains(journal.warning(), "is damaged, and is now " + second_name));
        CHECK_FALSE(contains(journal.warning(), "\n"));
        CHECK(fs::file_size(first) == 5);
        CHECK(fs::exists(second_name));
        CHECK(fs::file_size(second_name + "-wal") == 3);
        CHECK(journal.history({})->empty());
        CHECK(journal.record(Round(1).step()));
    }
    const Journal journal = open_journal(folder.journal());
    CHECK(journal.warning().empty());
    CHECK(journal.history({})->size() == 3);
}

TEST_CASE("damage that comes while it is open, and rows that cannot be, are errors") {
    const Folder folder;
    fill(folder.journal());
    SUBCASE("a decision that there is not") {
        by_hand(folder.journal(), "UPDATE verdicts SET decision = 'perhaps' WHERE id = 7");
        const auto journal = JournalReader::open(folder.journal());
        REQUIRE(journal);
        const auto events = journal->history({});
        REQUIRE_FALSE(events);
        CHECK(contains(events.error().message, "\"perhaps\" where there is a decision"));
        CHECK(contains(events.error().message, folder.journal().string()));
    }
    SUBCASE("a state of nothing") {
        by_hand(folder.journal(), "UPDATE states SET state = x'ffffff'");
        Journal journal = open_journal(folder.journal());
        const auto state = journal.state("Pool-0");
        REQUIRE_FALSE(state);
        CHECK(contains(state.error().message, "pool Pool-0: the policy's stored state is damaged"));
        CHECK(journal.record(Round(101).step()));
        CHECK(journal.state("Pool-0").value()->state.serial == 101);
    }
    SUBCASE("a table less") {
        by_hand(folder.journal(), "DROP TABLE reasons");
        Journal journal = open_journal(folder.journal());
        const auto recorded = journal.record(Round(101).step());
        REQUIRE_FALSE(recorded);
        CHECK(contains(recorded.error().message, "no such table: reasons"));
        CHECK(journal.state("Pool-0").value()->state.serial == 100);
    }
    SUBCASE("garbage under a reader") {
        const auto journal = JournalReader::open(folder.journal());
        REQUIRE(journal);
        overwrite(folder.journal(), 4096, fs::file_size(folder.journal()) - 4096);
        const auto events = journal->history({});
        REQUIRE_FALSE(events);
        CHECK(contains(events.error().message, "malformed"));
    }
}

TEST_CASE("a file of something else is refused, and nothing at or beside it is changed") {
    const Folder folder;
    std::string_view what;
    SUBCASE("a text") { what = "root:x:0:0:root:/root:/bin/bash\n"; }
    SUBCASE("a long one") {
        static const std::string text(100'000, 'x');
        what = text;
    }
    SUBCASE("a program") {
        what = "\x7f"
               "ELF\2\1\1";
    }
    SUBCASE("a database of no program") {
        make(folder.journal(), "CREATE TABLE songs(name); PRAGMA user_version = 1");
    }
    SUBCASE("a database of another program") {
        make(folder.journal(), "PRAGMA application_id = 7; CREATE TABLE songs(name)");
    }
    SUBCASE("the beginning of a database, and no more") { what = "SQLite format 3"; }
    SUBCASE("a journal whose header is lost") {
        fill(folder.journal());
        overwrite(folder.journal(), 0, 16);
    }
    if (!what.empty()) spill(folder.journal(), std::string(what));
    REQUIRE(::chmod(folder.journal().c_str(), 0644) == 0);
    const auto bytes = read_file(folder.journal(), 1 << 20).value();
    const auto files = [&] { return std::distance(fs::directory_iterator(folder.path), {}); };
    const auto before = files();

    const auto journal = Journal::open(folder.journal(), "boot-1", epoch);
    REQUIRE_FALSE(journal);
    CHECK(journal.error().message ==
          folder.journal().string() +
              ": is no journal of the service, by its first bytes, and is left as it is; name "
              "another file for the journal, or move this one away");
    CHECK(files() == before); // no lock, no log, no new name
    CHECK(read_file(folder.journal(), 1 << 20).value() == bytes);
    struct stat status {};
    REQUIRE(::stat(folder.journal().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0644);
}

TEST_CASE("a newer version is left alone") {
    const Folder folder;
    fill(folder.journal());
    by_hand(folder.journal(), "PRAGMA user_version = 6");
    const std::string_view expected = "is of version 6, this program knows 5";
    const auto size = fs::file_size(folder.journal());
    const auto journal = Journal::open(folder.journal(), "boot-1", epoch);
    REQUIRE_FALSE(journal);
    CHECK(contains(journal.error().message, expected));
    const auto reader = JournalReader::open(folder.journal());
    REQUIRE_FALSE(reader);
    CHECK(contains(reader.error().message, expected));
    CHECK(fs::file_size(folder.journal()) == size);
    CHECK(put_aside(folder).empty());
}

TEST_CASE("a reader refuses what is no journal") {
    const Folder folder;
    make(folder.journal(), "CREATE TABLE songs(name); PRAGMA user_version = 1");
    const auto reader = JournalReader::open(folder.journal());
    REQUIRE_FALSE(reader);
    CHECK(contains(reader.error().message, "another program"));
    spill(folder.journal(), "root:x:0:0\n");
    const auto text = JournalReader::open(folder.journal());
    REQUIRE_FALSE(text);
    CHECK(contains(text.error().message, "not a database; name a journal of the service"));
}

TEST_CASE("a foreign database runs nothing and ends") {
    const Folder folder;
    fill(folder.journal());
    SUBCASE("a view that has no end, in place of a table") {
        by_hand(folder.journal(),
                "PRAGMA foreign_keys = OFF; DROP TABLE trials; CREATE VIEW trials AS WITH RECURSIVE"
                " c(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM c) SELECT id FROM c");
        const auto reader = JournalReader::open(folder.journal());
        REQUIRE_FALSE(reader);
        CHECK(contains(reader.error().message, "has views or triggers"));
        CHECK_FALSE(Journal::open(folder.journal(), "boot-1", epoch));
        const auto database = Database::open(folder.journal(), SQLITE_OPEN_READONLY);
        CHECK_FALSE(database->value("SELECT id FROM trials")); // nor by any other way
    }
    SUBCASE("a statement that takes too long") {
        auto database = Database::open(folder.journal(), SQLITE_OPEN_READONLY);
        unsigned asked = 0;
        database->watch([&] { return ++asked == 3; });
        const auto endless = database->value("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT"
                                             " x + 1 FROM c) SELECT count(*) FROM c");
        REQUIRE_FALSE(endless);
        CHECK(contains(endless.error().message, "takes longer"));
        CHECK(database->value("SELECT 1"));
    }
    SUBCASE("a FIFO") {
        const fs::path fifo = folder.path / "fifo";
        REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
        CHECK_FALSE(JournalReader::open(fifo));
    }
}

TEST_CASE("a journal in a place that others than root can change is refused to root") {
    if (::geteuid() != 0) return;
    const Folder folder;
    fill(folder.journal());
    SUBCASE("its folder") { REQUIRE(::chmod(folder.path.c_str(), 0777) == 0); }
    SUBCASE("itself") { REQUIRE(::chown(folder.journal().c_str(), 65534, 65534) == 0); }
    const auto journal = Journal::open(folder.journal(), "boot-1", epoch);
    REQUIRE_FALSE(journal);
    CHECK(contains(journal.error().message, "others than root can change"));
}

TEST_CASE("a large journal is checked after a kill, and not at every start") {
    const Folder folder;
    fill(folder.journal());
    by_hand(folder.journal(), "INSERT INTO samples (trial, intent, sample) SELECT t.id, 'balanced',"
                              " zeroblob(14000000) FROM trials t LIMIT 5");
    const auto page = Database::open(folder.journal(), SQLITE_OPEN_READONLY)
                          ->value("SELECT rootpage FROM sqlite_schema WHERE name = 'reasons'")
                          .value();
    overwrite(folder.journal(), static_cast<std::size_t>(page.value() - 1) * 4096, 4096);
    CHECK(open_journal(folder.journal()).warning().empty());
    spill(folder.journal().string() + "-wal", "what a kill leaves");
    CHECK(contains(open_journal(folder.journal()).warning(), "is damaged"));
}

TEST_CASE("a journal without rate limits is read as it is, and has them from then on") {
    const Folder folder;
    fill(folder.journal());
    by_hand(folder.journal(), as_version_2);
    const auto changes = [](const JournalReader& journal) {
        std::vector<StoredSwitch> out;
        const auto events = journal.history({.kind = Kind::change, .limit = 1000}).value();
        for (const Event& event : events) out.push_back(std::get<Entry<StoredSwitch>>(event).what);
        return out;
    };
    {
        const auto reader = JournalReader::open(folder.journal());
        REQUIRE(reader);
        CHECK(changes(*reader).size() == 100);
        CHECK_FALSE(changes(*reader)[0].from_rate_limit_us);
        CHECK(reader->open_trials().value().size() == 1);
        CHECK(reader->samples());
    }
    Journal journal = open_journal(folder.journal());
    REQUIRE(journal.record(Round(101).step()));
    CHECK(changes(journal).size() == 101);
    CHECK(changes(journal)[0].from_rate_limit_us == 1000);
    CHECK(changes(journal)[0].to_rate_limit_us == 1000);
    CHECK_FALSE(changes(journal)[1].from_rate_limit_us);
    CHECK(journal.open_trials().value().at(0).what.to_rate_limit_us == 1000);
}

TEST_CASE("an older version is read as it is, and brought up to date by the service") {
    const Folder folder;
    fill(folder.journal());
    by_hand(folder.journal(), as_version_2);
    by_hand(folder.journal(), "DROP TABLE samples; PRAGMA user_version = 1");
    {
        const auto reader = JournalReader::open(folder.journal());
        REQUIRE(reader);
        CHECK_FALSE(reader->history({}).value().empty());
        const auto samples = reader->samples();
        REQUIRE_FALSE(samples);
        CHECK(contains(samples.error().message, "of version 1, which kept no samples"));
    }
    const Journal journal = open_journal(folder.journal());
    CHECK_FALSE(journal.history({}).value().empty());
    CHECK(journal.samples().value().empty());
    CHECK(journal.protections().value().empty());
}

TEST_CASE("a sample that cannot be is told, one of other features is left out") {
    const Folder folder;
    fill(folder.journal());
    by_hand(folder.journal(),
            "UPDATE trials SET closed = 1, ending = 'kept-better', difference = 0.1,"
            " error = 0.01, freedom = 9, load_changed = 0;"
            "INSERT INTO samples (trial, intent, sample)"
            " SELECT id, 'balanced', x'00ff' FROM trials LIMIT 1");
    const auto samples = JournalReader::open(folder.journal()).value().samples();
    REQUIRE_FALSE(samples);
    CHECK(contains(samples.error().message, "damaged"));
    by_hand(folder.journal(), "UPDATE samples SET sample = x'0863'"); // of version 99
    CHECK(JournalReader::open(folder.journal()).value().samples().value().empty());
}

TEST_CASE("one process writes, others read meanwhile") {
    const Folder folder;
    CHECK_FALSE(JournalReader::open(folder.journal()));
    CHECK_FALSE(fs::exists(folder.journal()));
    Journal writer = open_journal(folder.journal());
    const auto second = Journal::open(folder.journal(), "boot-1", epoch);
    REQUIRE_FALSE(second);
    CHECK(contains(second.error().message,
                   fmt::format("process {} writes this journal", ::getpid())));

    const auto reader = JournalReader::open(folder.journal());
    REQUIRE(reader);
    CHECK(reader->history({})->empty());
    REQUIRE(writer.record(Round(1).step()));
    CHECK(reader->history({})->size() == 3);
    {
        // A reader in the middle of its reading neither stops the writer nor sees its step.
        const auto other = Database::open(folder.journal(), SQLITE_OPEN_READONLY);
        REQUIRE(other);
        const auto reading = Transaction::begin(*other, "BEGIN");
        REQUIRE(reading);
        CHECK(other->value("SELECT count(*) FROM verdicts").value() == 1);
        REQUIRE(writer.record(Round(2).step()));
        CHECK(other->value("SELECT count(*) FROM verdicts").value() == 1);
        CHECK_FALSE(other->run("DELETE FROM verdicts"));
    }
    CHECK(reader->state("Pool-0").value()->state.serial == 2);
    for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
        struct stat status {};
        REQUIRE(::stat((folder.journal().string() + suffix).c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0600);
    }
}

TEST_CASE("a place where no journal can be is told") {
    const Folder folder;
    const auto nowhere = Journal::open(folder.path / "none" / "journal.db", "boot-1", epoch);
    REQUIRE_FALSE(nowhere);
    CHECK(contains(nowhere.error().message, "the folder must exist"));
    fs::create_directory(folder.journal());
    const auto directory = Journal::open(folder.journal(), "boot-1", epoch);
    REQUIRE_FALSE(directory);
    CHECK(contains(directory.error().message, "is no file"));
}

TEST_CASE("writes that fail are errors, and the journal goes on when they no longer do") {
    const Folder folder;
    Journal journal = open_journal(folder.journal());
    REQUIRE(journal.record(Round(1).step()));
    // The file can grow no further, as on a disk that has errors.
    rlimit old{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{200'000, old.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    std::uint64_t n = 2;
    Result<void> recorded;
    for (; n < 1000 && (recorded = journal.record(Round(n).step())); ++n) {
    }
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &old) == 0);
    std::signal(SIGXFSZ, handler);
    REQUIRE_FALSE(recorded);
    CHECK(contains(recorded.error().message, folder.journal().string()));
    check_whole(journal);
    CHECK(journal.state("Pool-0").value()->state.serial == n - 1);
    CHECK(journal.record(Round(n).step()));
    check_whole(journal);
}

TEST_CASE("a full disk and a read-only one are errors, and the journal goes on afterwards") {
    const Folder folder;
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", folder.path.c_str(), "tmpfs", 0, "size=400k") != 0) {
        MESSAGE("not run: no file system can be mounted here");
        return;
    }
    {
        Journal journal = open_journal(folder.journal());
        spill(folder.path / "other", std::string(100'000, 'x'));
        std::uint64_t n = 1;
        Result<void> recorded;
        for (; n < 2000 && (recorded = journal.record(Round(n).step())); ++n) {
        }
        REQUIRE_FALSE(recorded);
        CHECK(contains(recorded.error().message, folder.journal().string() + ": "));
        CHECK(contains(recorded.error().message, "full; free some space"));
        CHECK_FALSE(journal.record(Round(n).step()));
        check_whole(journal);
        CHECK(journal.state("Pool-0").value()->state.serial == n - 1);
        fs::remove(folder.path / "other");
        CHECK(journal.record(Round(n).step()));
        check_whole(journal);
    }
    const auto remount = [&](unsigned long flags) {
        return ::mount("tmpfs", folder.path.c_str(), "tmpfs", MS_REMOUNT | flags, "size=4m");
    };
    REQUIRE(remount(MS_RDONLY) == 0);
    const auto refused = Journal::open(folder.journal(), "boot-1", epoch);
    REQUIRE_FALSE(refused);
    CHECK(contains(refused.error().message, "Read-only file system"));
    REQUIRE(remount(0) == 0);
    // No room for a new one.
    {
        const Journal journal = open_journal(folder.journal());
        check_whole(journal);
    }
    fs::remove(folder.journal());
    std::ofstream filler(folder.path / "filler", std::ios::binary);
    const std::string page(4096, 'x');
    while (filler.write(page.data(), 4096).flush()) {
    }
    const auto no_room = Journal::open(folder.journal(), "boot-1", epoch);
    REQUIRE_FALSE(no_room);
    CHECK(contains(no_room.error().message, folder.journal().string()));
    filler.close();
    fs::remove(folder.path / "filler");
    { CHECK(Journal::open(folder.journal(), "boot-1", epoch)); }
    CHECK(put_aside(folder).empty());
    ::umount(folder.path.c_str());
}

TEST_CASE("who locks the files holds up a write for no longer than was set, and then no more") {
    const Folder folder;
    Journal journal = open_journal(folder.journal());
    REQUIRE(journal.record(Round(1).step()));
    std::uint64_t n = 2;
    // The lock of who writes, and all locks of the log of writes.
    for (const auto& [start, length] : {std::pair{120, 1}, std::pair{120, 8}}) {
        const Locked locked(folder.journal().string() + "-shm", start, length);
        const auto before = std::chrono::steady_clock::now();
        wait_for_locks_until(before + std::chrono::milliseconds(200));
        for (unsigned i = 0; i < 20; ++i) {
            const auto recorded = journal.record(Round(n).step());
            REQUIRE_FALSE(recorded);
            CHECK(contains(recorded.error().message, "end the other program"));
        }
        CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(2));
    }
    wait_for_locks_until(std::chrono::steady_clock::time_point::max());
    CHECK(journal.record(Round(n).step()));
}

TEST_CASE("files that an earlier version let the group read are the owner's alone") {
    const Folder folder;
    fill(folder.journal());
    for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
        std::ofstream(folder.journal().string() + suffix, std::ios::app);
        REQUIRE(::chmod((folder.journal().string() + suffix).c_str(), 0640) == 0);
    }
    const Journal journal = open_journal(folder.journal());
    for (const auto& entry : fs::directory_iterator(folder.path)) {
        struct stat status {};
        REQUIRE(::stat(entry.path().c_str(), &status) == 0);
        CHECK((status.st_mode & 0777) == 0600);
    }
}

TEST_CASE("a journal that is too large forgets its oldest, what was done last, and no open trial") {
    const Folder folder;
    Journal journal = open_journal(folder.journal());
    Window window{.begin = epoch, .length = second};
    const auto add = [&](unsigned count) {
        for (unsigned i = 0; i < count; ++i, window.begin += static_cast<UnixTime>(second))
            REQUIRE(
                journal.record({.pool = {"Pool-0", 0}, .time = window.begin, .window = &window}));
    };
    for (std::uint64_t n = 1; n <= 300; ++n) REQUIRE(journal.record(Round(n).step()));
    add(3000);
    const std::uint64_t all = fs::file_size(folder.journal()) + (std::uint64_t{1} << 20);
    CHECK_FALSE(*journal.shrink(4 * all));
    CHECK(journal.windows({.limit = 10'000})->size() == 3000);
    while (journal.windows({.limit = 1})->size() == 1) REQUIRE(*journal.shrink(1, 500));
    CHECK(journal.history({.limit = 10'000})->size() >= 600);
    unsigned rounds = 0;
    while (*journal.shrink(1, 100)) REQUIRE(++rounds < 100);
    const auto left = journal.history({.limit = 10'000});
    REQUIRE(left);
    CHECK(left->size() <= 3); // the trial that is open, its switch and verdict
    REQUIRE(journal.open_trials());
    CHECK(journal.open_trials()->size() == 1);
    add(10);
    CHECK(journal.windows({.limit = 10'000})->size() == 10);
}
