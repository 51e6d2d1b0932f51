// SPDX-License-Identifier: MIT
// As much of SQLite's C interface as the journal needs, with errors as values.
#pragma once

#include "src/base/result.hpp"

#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <sqlite3.h>
#include <string>
#include <string_view>

namespace intellisched::service {

/// Bytes rather than text, as a parameter.
struct Blob {
    std::string_view bytes;
};

/// Until when statements of this thread may wait for locks that other processes have on their
/// files; then they fail. Before the first call: five seconds each.
void wait_for_locks_until(std::chrono::steady_clock::time_point end);

/// A prepared statement with its parameters. Columns count from 0 and are those of the row that
/// next() came to; one that is NULL or of another type reads as 0 or "".
class Statement {
  public:
    /// Sets the next parameter; text is copied. What is wrong with it next() tells.
    void bind(std::nullopt_t /*null*/) { bound(sqlite3_bind_null(statement_.get(), ++bound_)); }
    void bind(std::integral auto value) {
        bound(sqlite3_bind_int64(statement_.get(), ++bound_, static_cast<sqlite3_int64>(value)));
    }
    void bind(double value) { bound(sqlite3_bind_double(statement_.get(), ++bound_, value)); }
    void bind(std::string_view text);
    void bind(const Blob& blob);
    /// Its name.
    template<class Enum>
    requires std::is_enum_v<Enum>
    void bind(Enum value) { bind(to_string(value)); }
    template<class T> void bind(const std::optional<T>& value) {
        if (value)
            bind(*value);
        else
            bind(std::nullopt);
    }
    /// Runs the statement to its end.
    [[nodiscard]] Result<void> run();

    /// Goes to the next row; false: there is none.
    [[nodiscard]] Result<bool> next();

    [[nodiscard]] bool null(int column) const;
    [[nodiscard]] std::int64_t integer(int column) const;
    /// NaN when it is NULL, which is how SQLite stores a NaN.
    [[nodiscard]] double number(int column) const;
    /// Text or bytes.
    [[nodiscard]] std::string text(int column) const;

  private:
    friend class Database;
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
    void bound(int result) {
        if (result != SQLITE_OK) result_ = result;
    }

    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
    int bound_ = 0;
    int result_ = SQLITE_OK; ///< of binding
};

/// A connection. Of use to one thread at a time.
class Database {
  public:
    /// `flags`: SQLITE_OPEN_READONLY or SQLITE_OPEN_READWRITE. The file must exist. Whether it is a
    /// database shows when it is first used. Its schema is data from outside: its views and
    /// triggers are not used, and no function that does more than compute.
    [[nodiscard]] static Result<Database> open(const std::filesystem::path& path, int flags);

    /// The statement with its parameters, which are copied.
    template<class... Args>
    [[nodiscard]] Result<Statement> prepare(const char* sql, const Args&... args) const {
        auto statement = compile(sql);
        if (statement) (statement->bind(args), ...);
        return statement;
    }
    /// Runs the statement to its end.
    template<class... Args>
    [[nodiscard]] Result<void> run(const char* sql, const Args&... args) const {
        auto statement = TRY(prepare(sql, args...));
        return statement.run();
    }
    /// The first column of the first row; nothing when there is no row.
    template<class... Args> [[nodiscard]] Result<std::optional<std::int64_t>>
    value(const char* sql, const Args&... args) const {
        auto statement = TRY(prepare(sql, args...));
        const bool row = TRY(statement.next());
        if (!row || statement.null(0)) return std::nullopt;
        return statement.integer(0);
    }
    /// Runs several statements that have no parameters.
    [[nodiscard]] Result<void> script(const char* sql) const;

    [[nodiscard]] std::int64_t last_id() const { return sqlite3_last_insert_rowid(handle_.get()); }
    [[nodiscard]] std::int64_t changes() const { return sqlite3_changes64(handle_.get()); }
    /// What is wrong with the file, if the last failure was because it is damaged or no database;
    /// otherwise "".
    [[nodiscard]] std::string damage() const;
    /// Asks `ended` every few milliseconds while a statement runs. If it returns true, that
    /// statement is an error.
    void watch(std::function<bool()> ended);
    /// Whether closing the last connection writes the log of writes (-wal) into the file.
    void keep_log_on_close(bool keep) const;

  private:
    friend class Transaction;
    struct Close {
        void operator()(sqlite3* handle) const { sqlite3_close(handle); }
    };
    explicit Database(sqlite3* handle) : handle_(handle) {}
    [[nodiscard]] Result<Statement> compile(const char* sql) const;

    std::unique_ptr<std::function<bool()>> ended_; ///< SQLite has its address
    std::unique_ptr<sqlite3, Close> handle_;
};

/// A transaction: all that is done on the database from begin() to commit() happens, or nothing.
class Transaction {
  public:
    /// `begin`: "BEGIN" for reading, which then sees one state of the file; "BEGIN IMMEDIATE".
    [[nodiscard]] static Result<Transaction> begin(const Database& database, const char* begin);
    [[nodiscard]] Result<void> commit();
    Transaction(Transaction&& other) noexcept
        : database_(std::exchange(other.database_, nullptr)) {}
    ~Transaction();

  private:
    explicit Transaction(const Database& database) : database_(&database) {}
    const Database* database_;
};

} // namespace intellisched::service
