// SPDX-License-Identifier: MIT
#include "src/service/journal.hpp"

#include "src/base/folder.hpp"
#include "src/base/trust.hpp"
#include "src/policy/state_message.hpp"
#include "src/service/journal_columns.hpp"
#include "src/service/journal_schema.hpp"

#include <array>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

namespace intellisched::service {
namespace {

namespace fs = std::filesystem;

// Whoever can read the files can lock them, and so hold up who writes.
constexpr mode_t file_mode = 0600;
// Of an apply's error, which is what libxl says.
constexpr std::size_t longest_text = 1024;

// Why not SQLite's exclusive locking: readers would be shut out, too.
Result<FileDescriptor> lock(const fs::path& journal) {
    const std::string path = journal.string() + ".lock";
    FileDescriptor file(
        ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, file_mode));
    if (file.get() < 0 || ::fchmod(file.get(), file_mode) != 0)
        return fail("{}: cannot create: {}; the folder must exist and this user may write to it",
                    path, std::strerror(errno));
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return fail("{}: cannot lock: {}; choose a local file system", path,
                        std::strerror(errno));
        char owner[16] = {};
        const ssize_t size = ::pread(file.get(), owner, sizeof owner - 1, 0);
        return fail("{}: process {} writes this journal; end it first", journal.string(),
                    size > 0 ? printable(owner) : "unknown");
    }
    // For the message above only, so that a full disk is no reason to fail here.
    const std::string owner = std::to_string(::getpid());
    if (::ftruncate(file.get(), 0) == 0) (void)!::pwrite(file.get(), owner.data(), owner.size(), 0);
    return file;
}

/// Makes an empty file where there is none. SQLite gives -wal and -shm the mode that it has.
Result<void> make_file(const fs::path& path) {
    std::error_code error;
    const bool there = fs::exists(path, error);
    const FileDescriptor made(
        there ? -1 : ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file_mode));
    if ((made.get() < 0 && !there) || ::chmod(path.c_str(), file_mode) != 0)
        return fail("{}: cannot make it its owner's alone: {}; choose a folder that can be written "
                    "to",
                    path.string(), std::strerror(errno));
    for (const char* suffix : {"-wal", "-shm"}) // of a version that let the group read
        (void)::chmod((path.string() + suffix).c_str(), file_mode);
    return {};
}

/// Whether all of the file is to be read at the start, at some 190 MB/s: a large one only after an
/// end that was none, which leaves a log of writes.
bool needs_check(const fs::path& path) {
    constexpr std::uintmax_t always_below = std::uintmax_t{64} << 20;
    constexpr std::uintmax_t least_speed = 20; // bytes a microsecond
    std::error_code error;
    const auto log = fs::file_size(path.string() + "-wal", error);
    const bool unclean = !error && log > 0;
    const auto size = fs::file_size(path, error);
    if (error || size < always_below) return true;
    if (unclean) // not to be ended as one that does not start
        sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu",
                   static_cast<unsigned long long>(size / least_speed + 30'000'000));
    return unclean;
}

/// Opens it, and checks it if need be. After a failure, `damage` is what is wrong with the file, or
/// "".
Result<Database> prepare(const fs::path& path, std::string& damage) {
    const bool check_needed = needs_check(path); // to open it makes a log
    auto database = Database::open(path, SQLITE_OPEN_READWRITE);
    if (!database) return database;
    // A damaged file is left as it is, with its log of writes.
    database->keep_log_on_close(true);
    const auto checked = [&](auto result) {
        if (!result) damage = database->damage();
        return result;
    };
    TRY(checked(database->script("PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
                                 "PRAGMA cell_size_check = ON;")));
    if (check_needed) {
        auto check = TRY(checked(database->prepare("PRAGMA quick_check(1)")));
        const bool row = TRY(checked(check.next()));
        const std::string found = row ? check.text(0) : "no answer";
        if (found != "ok") {
            damage = printable(found, 256);
            return fail("{}: is damaged", path.string());
        }
    }
    // Before anything is changed: it may be somebody else's.
    TRY(checked(make_schema(*database, path.string())));
    {
        auto mode = TRY(checked(database->prepare("PRAGMA journal_mode = WAL")));
        TRY(checked(mode.next()));
        if (mode.text(0) != "wal")
            return fail("{}: its file system cannot share a log of writes; choose a local one",
                        path.string());
    }
    database->keep_log_on_close(false);
    return database;
}

template<class Record>
Result<void> insert(const Database& database, std::int64_t pool, unsigned pool_id, Record record) {
    static const std::string sql = [] {
        const ColumnList list = column_list<Record>();
        return fmt::format("INSERT INTO {} (pool, pool_id, {}) VALUES (?, ?, {})", table<Record>,
                           list.names, list.marks);
    }();
    auto statement = TRY(database.prepare(sql.c_str(), pool, pool_id));
    columns([&](std::string_view, const auto& value) { statement.bind(value); }, record);
    return statement.run();
}

/// Renames the file and what belongs to it; the new name.
Result<std::string> put_aside(const fs::path& path, UnixTime now) {
    std::string name;
    std::error_code error;
    for (auto seconds = now / static_cast<UnixTime>(second);; ++seconds) {
        name = fmt::format("{}.damaged-{}", path.string(), seconds);
        if (!fs::exists(name, error) && !error) break;
        if (error) return fail("{}: cannot be looked at: {}", name, error.message());
    }
    // The database last: a log without it would be taken for the new one's after a kill.
    for (const char* suffix : {"-shm", "-wal", "-journal", ""}) {
        fs::rename(path.string() + suffix, name + suffix, error);
        if (error && error != std::errc::no_such_file_or_directory)
            return fail("{}{}: is damaged and cannot be renamed: {}; move it away", path.string(),
                        suffix, error.message());
    }
    return name;
}

} // namespace

Result<Journal> Journal::open(const fs::path& path, std::string boot, UnixTime now) {
    // SQLite opens its files by their names.
    const auto folder = Folder::open(path.parent_path());
    if (!folder)
        return fail("{}; the folder must exist and this user may write to it",
                    folder.error().message);
    TRY(folder->check_trusted());
    TRY(check_is_journal(path)); // before anything at or beside the name is changed
    auto locked = TRY(lock(path));
    TRY(make_file(path));
    TRY(check_trusted_path(path));
    std::string warning;
    std::string damage;
    auto database = prepare(path, damage);
    if (!database && !damage.empty()) {
        const auto aside = TRY(put_aside(path, now));
        warning = fmt::format("{}: is damaged, and is now {} ({}); a new journal is begun",
                              path.string(), aside, damage);
        TRY(make_file(path));
        database = prepare(path, damage);
    }
    if (!database) return tl::unexpected(database.error());
    // Nobody waits for these any more.
    TRY(database->run("UPDATE switches SET result = 'unknown' WHERE result IS NULL"));
    Journal journal(std::move(*database), path.string(), std::move(locked), std::move(boot));
    journal.warning_ = std::move(warning);
    return journal;
}

Result<void> Journal::record(const Step& step) {
    const bool asked = step.verdict && step.verdict->asks();
    const bool acts = asked || step.answer || (step.verdict && step.verdict->trial);
    const bool tries = asked && step.verdict->decision == Decision::switch_option;
    if ((acts && !step.state) || (asked && !step.state->pool) || (tries && !step.state->trial))
        return fail("{}: a step of pool {} lacks the policy's state; tell the program's authors",
                    path_, printable(step.pool.name, 64));
    // Cannot be changed inside a transaction. NORMAL does not wait for the disk; the next FULL one
    // takes what came before it there, too.
    TRY(database_.script(step.state || step.protection ? "PRAGMA synchronous = FULL"
                                                       : "PRAGMA synchronous = NORMAL"));
    auto transaction = TRY(Transaction::begin(database_, "BEGIN IMMEDIATE"));
    TRY(write(step));
    return transaction.commit();
}

Result<void> Journal::write(const Step& step) {
    const auto id = TRY(pool(step.pool.name));
    if (step.window) TRY(insert(database_, id, step.pool.id, *step.window));
    if (step.answer) TRY(answer(step, id));
    if (step.verdict && step.verdict->trial) TRY(close_trial(step, id));
    if (step.verdict) TRY(add_verdict(step, id));
    if (step.state) TRY(store(step, id));
    if (step.protection) TRY(store(*step.protection));
    return {};
}

Result<std::int64_t> Journal::pool(const std::string& name) {
    const auto known = TRY(database_.value("SELECT id FROM pools WHERE name = ?", name));
    if (known) return *known;
    TRY(database_.run("INSERT INTO pools (name) VALUES (?)", name));
    return database_.last_id();
}

Result<void> Journal::answer(const Step& step, std::int64_t pool) {
    const ApplyResult& result = *step.answer;
    // Serials begin again with a new state, so that an older switch may have had this one.
    return database_.run("UPDATE switches SET answered = ?, result = ?, text = ? WHERE id ="
                         " (SELECT max(id) FROM switches WHERE pool = ? AND serial = ?)"
                         " AND result IS NULL",
                         step.time, result.done ? SwitchOutcome::done : SwitchOutcome::failed,
                         printable(result.text, longest_text), pool, result.serial);
}

namespace {

std::optional<unsigned> either(std::optional<unsigned> limit_us, const PoolSeen& pool) {
    return limit_us ? limit_us : pool.rate_limit_us;
}

} // namespace

Result<void> Journal::close_trial(const Step& step, std::int64_t pool) {
    TRY(add_sample(step, pool));
    const TrialReport& report = *step.verdict->trial;
    // Of the other knob there may be nothing to tell any more.
    const PoolSeen pool_seen = step.state->pool.value_or(PoolSeen{});
    StoredTrial ended{.from = report.from.arrangement.value_or(pool_seen.in_force),
                      .to = report.to.arrangement.value_or(pool_seen.in_force),
                      .from_rate_limit_us = either(report.from.rate_limit_us, pool_seen),
                      .to_rate_limit_us = either(report.to.rate_limit_us, pool_seen),
                      .promised = report.promised,
                      .closed = step.time,
                      .ending = std::string(to_string(report.ending)),
                      .comparison = report.comparison};
    static const std::string sql = [&] {
        ColumnList list;
        end_columns(list, ended);
        return fmt::format("UPDATE trials SET ({}) = ({}) WHERE pool = ? AND closed IS NULL",
                           list.names, list.marks);
    }();
    auto update = TRY(database_.prepare(sql.c_str()));
    end_columns([&](std::string_view, const auto& value) { update.bind(value); }, ended);
    update.bind(pool);
    TRY(update.run());
    if (database_.changes() > 0) return {};
    // It was begun while nothing could be recorded.
    return insert(database_, pool, step.pool.id, ended);
}

Result<void> Journal::add_verdict(const Step& step, std::int64_t pool) {
    const PoolVerdict& verdict = *step.verdict;
    StoredVerdict stored{
        .time = step.time, .decision = verdict.decision, .bundle = step.bundle, .reasons = {}};
    if (verdict.asks() || verdict.decision == Decision::recommend) stored.target = verdict.target;
    if (verdict.asks()) stored.serial = verdict.serial;
    if (verdict.evidence) stored.recommended = layout_of(verdict.evidence->option);
    TRY(insert(database_, pool, step.pool.id, stored));
    const std::int64_t id = database_.last_id();
    for (std::size_t i = 0; i < verdict.reasons.size(); ++i)
        TRY(database_.run("INSERT INTO reasons (verdict, position, code, text) VALUES (?,?,?,?)",
                          id, i, verdict.reasons[i].code, verdict.reasons[i].text));
    return verdict.asks() ? add_switch(step, pool, id) : Result<void>();
}

Result<void> Journal::add_switch(const Step& step, std::int64_t pool, std::int64_t verdict) {
    const bool revert = step.verdict->decision == Decision::revert;
    const PoolSeen& pool_seen = *step.state->pool;
    const Change& target = step.verdict->target;
    TRY(insert(database_, pool, step.pool.id,
               StoredSwitch{.verdict = verdict,
                            .serial = step.verdict->serial,
                            .revert = revert,
                            .from = pool_seen.in_force,
                            .to = target.arrangement.value_or(pool_seen.in_force),
                            .from_rate_limit_us = pool_seen.rate_limit_us,
                            .to_rate_limit_us = either(target.rate_limit_us, pool_seen),
                            .asked = step.time,
                            .text = {}}));
    if (revert) return {};
    const std::int64_t id = database_.last_id();
    TRY(end_unrecorded(step, pool));
    const Trial& trial = *step.state->trial;
    TRY(insert(database_, pool, step.pool.id,
               StoredTrial{.of = id,
                           .from = trial.from.arrangement.value_or(pool_seen.in_force),
                           .to = trial.to.arrangement.value_or(pool_seen.in_force),
                           .from_rate_limit_us = pool_seen.rate_limit_us,
                           .to_rate_limit_us = either(trial.to.rate_limit_us, pool_seen),
                           .promised = trial.promised,
                           .opened = step.time,
                           .ending = {}}));
    return add_sample(step, pool);
}

Result<void> Journal::add_sample(const Step& step, std::int64_t pool) {
    if (!step.sample) return {};
    const std::string bytes = step.sample->SerializeAsString();
    return database_.run("INSERT INTO samples (trial, intent, sample)"
                         " SELECT id, ?, ? FROM trials WHERE pool = ? AND closed IS NULL",
                         step.state->intent, Blob{bytes}, pool);
}

Result<void> Journal::end_unrecorded(const Step& step, std::int64_t pool) {
    return database_.run("UPDATE trials SET closed = ?, ending = 'unrecorded'"
                         " WHERE pool = ? AND closed IS NULL",
                         step.time, pool);
}

Result<void> Journal::store(const Step& step, std::int64_t pool) {
    if (!step.state->trial) TRY(end_unrecorded(step, pool));
    const std::string bytes = message_of(*step.state).SerializeAsString();
    return database_.run("INSERT OR REPLACE INTO states (pool, stored, boot, serial, state)"
                         " VALUES (?,?,?,?,?)",
                         pool, step.time, boot_, step.state->serial, Blob{bytes});
}

Result<void> Journal::store(const StoredProtection& protection) {
    const auto& [guest, boot, uuid, domain, state] = protection;
    if (!state.base) return database_.run("DELETE FROM protections WHERE guest = ?", guest);
    return database_.run("INSERT OR REPLACE INTO protections (guest, boot, uuid, domain, base,"
                         " wanted, before, asked, trial, lost, hold_off, hold_off_until,"
                         " needed_at) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                         guest, boot_, uuid, domain, *state.base, state.wanted,
                         state.from > 0 ? state.from : state.wanted, state.asked,
                         state.trial ? 1 : 0, state.lost, state.hold_off, state.hold_off_until,
                         state.needed_at);
}

Result<bool> Journal::prune(UnixTime windows_before, UnixTime verdicts_before, std::size_t batch) {
    bool more = false;
    const auto forget = [&](const char* sql, UnixTime before) {
        auto done = database_.run(sql, before, batch);
        more = more || (done && static_cast<std::size_t>(database_.changes()) >= batch);
        return done;
    };
    TRY(database_.script("PRAGMA synchronous = NORMAL"));
    TRY(forget("DELETE FROM windows WHERE id IN (SELECT id FROM windows"
               " WHERE begin < ? ORDER BY begin LIMIT ?)",
               windows_before));
    TRY(forget("DELETE FROM verdicts WHERE id IN (SELECT id FROM verdicts"
               " WHERE time < ? AND decision IN ('keep', 'abstain')"
               " ORDER BY time LIMIT ?)",
               verdicts_before));
    return more;
}

Result<bool> Journal::shrink(std::uint64_t most_bytes, std::size_t batch) {
    std::array<std::int64_t, 3> pages{};
    constexpr std::array questions{"PRAGMA page_count", "PRAGMA freelist_count",
                                   "PRAGMA page_size"};
    for (std::size_t i = 0; i < pages.size(); ++i) {
        const auto value = TRY(database_.value(questions[i]));
        pages[i] = value.value_or(0);
    }
    if (static_cast<std::uint64_t>((pages[0] - pages[1]) * pages[2]) <= most_bytes) return false;
    auto transaction = TRY(Transaction::begin(database_, "BEGIN IMMEDIATE"));
    std::int64_t forgotten = 0;
    const auto forget = [&](const char* sql) -> Result<void> {
        TRY(database_.run(sql, batch));
        forgotten += database_.changes();
        return {};
    };
    TRY(forget("DELETE FROM windows WHERE id IN (SELECT id FROM windows ORDER BY begin LIMIT ?)"));
    TRY(forget("DELETE FROM verdicts WHERE id IN (SELECT id FROM verdicts"
               " WHERE decision IN ('keep', 'abstain') ORDER BY time LIMIT ?)"));
    if (forgotten == 0)
        for (const char* sql :
             {"DELETE FROM samples WHERE trial IN (SELECT id FROM trials WHERE closed IS NOT NULL"
              " ORDER BY closed LIMIT ?)",
              "DELETE FROM trials WHERE id IN (SELECT id FROM trials WHERE closed IS NOT NULL"
              " ORDER BY closed LIMIT ?)",
              "DELETE FROM switches WHERE id IN (SELECT id FROM switches WHERE result IS NOT NULL"
              " AND id NOT IN (SELECT switch FROM trials WHERE switch IS NOT NULL)"
              " ORDER BY asked LIMIT ?)",
              "DELETE FROM verdicts WHERE id IN (SELECT id FROM verdicts"
              " WHERE id NOT IN (SELECT verdict FROM switches) ORDER BY time LIMIT ?)"})
            TRY(forget(sql));
    TRY(transaction.commit());
    return forgotten > 0;
}

} // namespace intellisched::service
