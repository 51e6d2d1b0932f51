// SPDX-License-Identifier: MIT
#include "src/service/sqlite.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <thread>

namespace intellisched::service {
namespace {

using namespace std::chrono_literals;

// Somebody may look at the file with other tools; they are done by then, or hang.
constexpr int busy_ms = 5000;
// Bytes of a text or a row, which a foreign file may have of up to 2 GiB.
constexpr int longest_value = 16 << 20;
constexpr int steps_between_looks = 100'000; // of its virtual machine: milliseconds

thread_local auto waits_end = std::chrono::steady_clock::time_point::max();

/// Does not sleep beyond wait_for_locks_until(); SQLite counts its sleeps, and gives up after them.
int sleep_at_most(sqlite3_vfs* /*vfs*/, int microseconds) {
    using namespace std::chrono;
    const auto now = steady_clock::now();
    const auto time = std::min<steady_clock::duration>(std::chrono::microseconds(microseconds),
                                                       now < waits_end ? waits_end - now : 0s);
    std::this_thread::sleep_for(time);
    return microseconds;
}

/// SQLite's usual system calls with that sleep. Its busy timeout is not enough: for some locks it
/// sleeps for ten seconds whatever the timeout.
const char* system_calls() {
    static sqlite3_vfs calls = *sqlite3_vfs_find(nullptr);
    static const bool registered = [] {
        calls.zName = "intellisched";
        calls.xSleep = sleep_at_most;
        return sqlite3_vfs_register(&calls, 0) == SQLITE_OK;
    }();
    return registered ? calls.zName : nullptr;
}

/// `reading`: nothing is to be written; SQLite writes beside the file all the same.
const char* way_out(int result, bool reading) {
    if (result == SQLITE_READONLY_ROLLBACK || result == SQLITE_READONLY_RECOVERY)
        return "start the service, which completes what a kill cut short";
    switch (result & 0xff) {
    case SQLITE_FULL:
        return "free some space on its file system";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return reading ? "read it as its owner, root for the service's"
                       : "let this user write to the file and its folder";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: // somebody has had the log's locks for long
        return "end the other program that has it open";
    case SQLITE_IOERR:
        return "look after its disk and file system (the kernel's log may say more)";
    case SQLITE_INTERRUPT:
        return "it takes longer than a journal of the service can, or Ctrl-C has ended it";
    case SQLITE_CORRUPT:
        return "start the service again, which puts a damaged journal aside and begins a new one";
    case SQLITE_NOTADB:
        return "name a journal of the service";
    default:
        return "move the file away to begin a new one";
    }
}

tl::unexpected<Error> failure(sqlite3* handle, int result) {
    const char* name = handle ? sqlite3_db_filename(handle, "main") : nullptr;
    const int cause = handle ? sqlite3_system_errno(handle) : 0;
    const int primary = result & 0xff;
    std::string why = sqlite3_errstr(result);
    if ((primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) && cause != 0)
        why = fmt::format("{} ({})", why, std::strerror(cause));
    // "SQL logic error" alone tells nothing: which table or column is missing is in the message.
    if (primary == SQLITE_ERROR || primary == SQLITE_CONSTRAINT)
        why = printable(sqlite3_errmsg(handle), 200);
    const bool reading = handle && sqlite3_db_readonly(handle, "main") == 1;
    return fail("{}: {}; {}", name ? name : "the journal", why, way_out(result, reading));
}

} // namespace

void Statement::bind(std::string_view text) {
    // A null pointer would be bound as NULL.
    bound(sqlite3_bind_text64(statement_.get(), ++bound_, text.data() ? text.data() : "",
                              text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::bind(const Blob& blob) {
    bound(sqlite3_bind_blob64(statement_.get(), ++bound_,
                              blob.bytes.data() ? blob.bytes.data() : "", blob.bytes.size(),
                              SQLITE_TRANSIENT));
}

Result<bool> Statement::next() {
    const int result = result_ != SQLITE_OK ? result_ : sqlite3_step(statement_.get());
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    return failure(sqlite3_db_handle(statement_.get()), result);
}

Result<void> Statement::run() {
    for (;;) {
        const bool row = TRY(next());
        if (!row) return {};
    }
}

bool Statement::null(int column) const {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

double Statement::number(int column) const {
    return null(column) ? std::numeric_limits<double>::quiet_NaN()
                        : sqlite3_column_double(statement_.get(), column);
}

std::string Statement::text(int column) const {
    const void* bytes = sqlite3_column_blob(statement_.get(), column);
    const int size = sqlite3_column_bytes(statement_.get(), column);
    return bytes ? std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size))
                 : std::string();
}

void wait_for_locks_until(std::chrono::steady_clock::time_point end) { waits_end = end; }

Result<Database> Database::open(const std::filesystem::path& path, int flags) {
    // Absolute, so that no name is taken for SQLite's "file:..." or ":memory:".
    std::error_code error;
    const auto whole = std::filesystem::absolute(path, error);
    if (error)
        return fail("{}: cannot tell where it is: {}; name it from /", path.string(),
                    error.message());
    sqlite3* handle = nullptr;
    const int result = sqlite3_open_v2(whole.c_str(), &handle, flags, system_calls());
    Database database(handle); // there is one after a failure, too
    if (result != SQLITE_OK) return failure(handle, result);
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, busy_ms);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    for (const int allowed : {SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_ENABLE_VIEW,
                              SQLITE_DBCONFIG_ENABLE_TRIGGER})
        sqlite3_db_config(handle, allowed, 0, nullptr);
    sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, longest_value);
    return database;
}

Result<Statement> Database::compile(const char* sql) const {
    sqlite3_stmt* statement = nullptr;
    const int result = sqlite3_prepare_v2(handle_.get(), sql, -1, &statement, nullptr);
    if (result != SQLITE_OK) return failure(handle_.get(), result);
    return Statement(statement);
}

Result<void> Database::script(const char* sql) const {
    const int result = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
    if (result != SQLITE_OK) return failure(handle_.get(), result);
    return {};
}

std::string Database::damage() const {
    const int result = sqlite3_errcode(handle_.get()) & 0xff;
    return result == SQLITE_CORRUPT || result == SQLITE_NOTADB ? sqlite3_errstr(result) : "";
}

void Database::watch(std::function<bool()> ended) {
    ended_ = std::make_unique<std::function<bool()>>(std::move(ended));
    sqlite3_progress_handler(
        handle_.get(), steps_between_looks,
        [](void* asked) { return (*static_cast<std::function<bool()>*>(asked))() ? 1 : 0; },
        ended_.get());
}

void Database::keep_log_on_close(bool keep) const {
    sqlite3_db_config(handle_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep ? 1 : 0, nullptr);
}

Result<Transaction> Transaction::begin(const Database& database, const char* begin) {
    TRY(database.run(begin));
    return Transaction(database);
}

Result<void> Transaction::commit() { return database_->run("COMMIT"); }

Transaction::~Transaction() {
    // SQLite has rolled back by itself after some failures, and a commit leaves nothing open.
    if (database_ && !sqlite3_get_autocommit(database_->handle_.get()))
        (void)database_->run("ROLLBACK");
}

} // namespace intellisched::service
