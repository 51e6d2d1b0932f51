// SPDX-License-Identifier: MIT
#include "src/service/journal_schema.hpp"

#include "src/base/files.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace intellisched::service {
namespace {

// "isjl" in sqlite3's header: a journal of this program. The pragma takes a literal only.
constexpr std::int64_t application = 0x69736a6c;

// Times are nanoseconds of the Unix epoch. pool_id is Xen's number of the pool as it was seen then:
// a pool that is made anew, or after a reboot, may have another one. Layouts are names; max_cpus 0
// is "no cap". NaN is stored as NULL.
//
// The five layouts' probabilities and gains have a column each rather than a text of JSON: as
// small, nothing to parse or to find damaged, and any program can compute with them.
constexpr const char* tables = R"(
CREATE TABLE pools (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE windows (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pool INTEGER NOT NULL REFERENCES pools,
  pool_id INTEGER NOT NULL,
  begin INTEGER NOT NULL,
  length INTEGER NOT NULL,
  layout TEXT NOT NULL,
  max_cpus INTEGER NOT NULL,
  coverage REAL,
  decisions INTEGER NOT NULL,
  utility REAL,
  favourite TEXT, -- NULL: no prediction
  outside_training REAL,
  p_cpu REAL, p_core REAL, p_socket REAL, p_node REAL, p_all REAL,
  gain_cpu REAL, gain_core REAL, gain_socket REAL, gain_node REAL, gain_all REAL
) STRICT;
CREATE INDEX windows_begin ON windows(begin);

CREATE TABLE verdicts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pool INTEGER NOT NULL REFERENCES pools,
  pool_id INTEGER NOT NULL,
  time INTEGER NOT NULL,
  decision TEXT NOT NULL,
  target_layout TEXT, -- of a switch or a revert only, as are the next two
  target_max_cpus INTEGER,
  serial INTEGER,
  recommended TEXT, -- what judge() would give the pool; NULL: it was not asked
  bundle TEXT NOT NULL
) STRICT;
CREATE INDEX verdicts_time ON verdicts(time);
CREATE INDEX verdicts_pool ON verdicts(pool);

CREATE TABLE reasons (
  verdict INTEGER NOT NULL REFERENCES verdicts ON DELETE CASCADE,
  position INTEGER NOT NULL,
  code TEXT NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (verdict, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE switches (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pool INTEGER NOT NULL REFERENCES pools,
  pool_id INTEGER NOT NULL,
  verdict INTEGER NOT NULL REFERENCES verdicts,
  serial INTEGER NOT NULL,
  revert INTEGER NOT NULL,
  from_layout TEXT NOT NULL,
  from_max_cpus INTEGER NOT NULL,
  to_layout TEXT NOT NULL,
  to_max_cpus INTEGER NOT NULL,
  asked INTEGER NOT NULL,
  answered INTEGER,
  result TEXT CHECK (result IN ('done', 'failed', 'unknown')), -- NULL: waited for
  text TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX switches_verdict ON switches(verdict);

CREATE TABLE trials (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pool INTEGER NOT NULL REFERENCES pools,
  pool_id INTEGER NOT NULL,
  switch INTEGER REFERENCES switches,
  from_layout TEXT NOT NULL,
  from_max_cpus INTEGER NOT NULL,
  to_layout TEXT NOT NULL,
  to_max_cpus INTEGER NOT NULL,
  promised REAL,
  opened INTEGER, -- NULL: that could not be recorded
  closed INTEGER,
  ending TEXT NOT NULL DEFAULT '',
  difference REAL, error REAL, freedom REAL, correlation REAL,
  excused REAL, undeserved REAL, load_changed INTEGER, gain_back REAL
) STRICT;

CREATE TABLE states (
  pool INTEGER PRIMARY KEY REFERENCES pools,
  stored INTEGER NOT NULL,
  boot TEXT NOT NULL, -- boot_id of the boot whose clock the state's times are of
  serial INTEGER NOT NULL,
  state BLOB NOT NULL -- proto.PolicyState
) STRICT;

PRAGMA application_id = 0x69736a6c;
)";

// Version 2. Of a trial, the last window before the switch and the last one in it.
constexpr const char* tables_of_2 = R"(
CREATE TABLE samples (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  trial INTEGER NOT NULL REFERENCES trials,
  intent TEXT NOT NULL,
  sample BLOB NOT NULL -- proto.Sample without a name and scores
) STRICT;

PRAGMA user_version = 2;
)";

// Version 3. Rate limits in microseconds, 0: off; NULL: not told.
constexpr const char* columns_of_3 = R"(
ALTER TABLE windows ADD COLUMN rate_limit_us INTEGER;
ALTER TABLE switches ADD COLUMN from_rate_limit_us INTEGER;
ALTER TABLE switches ADD COLUMN to_rate_limit_us INTEGER;
ALTER TABLE trials ADD COLUMN from_rate_limit_us INTEGER;
ALTER TABLE trials ADD COLUMN to_rate_limit_us INTEGER;

PRAGMA user_version = 3;
)";

// Version 4. As target_layout.
constexpr const char* columns_of_4 = R"(
ALTER TABLE verdicts ADD COLUMN target_rate_limit_us INTEGER;

PRAGMA user_version = 4;
)";

// Version 5. Guests whose weight may be raised (src/policy/protection.hpp); times are of the clock
// of that boot.
constexpr const char* tables_of_5 = R"(
CREATE TABLE protections (
  guest TEXT PRIMARY KEY, -- its name
  boot TEXT NOT NULL,     -- as of states
  uuid INTEGER NOT NULL,  -- a hash of it
  domain INTEGER NOT NULL,
  base INTEGER NOT NULL,  -- the administrator's weight
  wanted INTEGER NOT NULL,
  before INTEGER NOT NULL,
  asked INTEGER NOT NULL,
  trial INTEGER NOT NULL,
  lost REAL NOT NULL,
  hold_off INTEGER NOT NULL,
  hold_off_until INTEGER NOT NULL,
  needed_at INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 5;
)";

/// The version of the file's schema; 0: there is none. An error: it is none that is known.
Result<std::int64_t> known(const Database& database, const std::string& path) {
    const auto version = TRY(database.value("PRAGMA user_version"));
    const auto program = TRY(database.value("PRAGMA application_id"));
    const auto objects = TRY(database.value("SELECT count(*) FROM sqlite_schema"));
    const auto acting =
        TRY(database.value("SELECT count(*) FROM sqlite_schema WHERE type IN ('view', 'trigger')"));
    if (*objects == 0 && *version == 0 && *program == 0) return 0;
    if (*program != application)
        return fail("{}: is a database of another program; name another file for the journal",
                    path);
    if (*acting != 0)
        return fail("{}: has views or triggers, as no journal of the service has; do not use it",
                    path);
    if (*version > journal_schema_version)
        return fail("{}: is of version {}, this program knows {}; install the newer program again, "
                    "or move the file away to begin a new one",
                    path, *version, journal_schema_version);
    if (*version < 1)
        return fail("{}: is of version {}, which there never was; move the file away to begin a "
                    "new one",
                    path, *version);
    return *version;
}

} // namespace

Result<void> check_is_journal(const std::filesystem::path& path) {
    // The header of SQLite's file format (sqlite.org/fileformat.html): a magic string, and at 68
    // the application_id, big-endian.
    constexpr std::string_view magic("SQLite format 3", 16);
    constexpr std::size_t id_at = 68;
    std::array<char, id_at + 4> head{};
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (status.type() == std::filesystem::file_type::not_found) return {};
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
        return fail("{}: is no file; name another one for the journal", path.string());
    const auto file = TRY(open_to_read(path));
    const ssize_t size = ::pread(file.get(), head.data(), head.size(), 0);
    if (size < 0) return fail("{}: cannot read: {}", path.string(), std::strerror(errno));
    if (size == 0) return {};
    std::uint32_t id = 0;
    for (std::size_t i = 0; i < 4; ++i) id = id << 8 | static_cast<unsigned char>(head[id_at + i]);
    const auto wanted = static_cast<std::uint32_t>(application);
    if (std::string_view(head.data(), magic.size()) == magic && id == wanted) return {};
    return fail("{}: is no journal of the service, by its first bytes, and is left as it is; name "
                "another file for the journal, or move this one away",
                path.string());
}

Result<void> make_schema(const Database& database, const std::string& path) {
    const auto there = TRY(known(database, path));
    if (there == journal_schema_version) return {};
    auto transaction = TRY(Transaction::begin(database, "BEGIN IMMEDIATE"));
    if (there < 1) TRY(database.script(tables));
    if (there < 2) TRY(database.script(tables_of_2));
    if (there < 3) TRY(database.script(columns_of_3));
    if (there < 4) TRY(database.script(columns_of_4));
    TRY(database.script(tables_of_5));
    return transaction.commit();
}

Result<void> check_schema(const Database& database, const std::string& path) {
    const auto there = TRY(known(database, path));
    if (there == 0) return fail("{}: is empty; start the service, which fills it", path);
    return {};
}

} // namespace intellisched::service
