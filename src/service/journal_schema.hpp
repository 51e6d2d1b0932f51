// SPDX-License-Identifier: MIT
// The tables of the service's journal, and what tells such a file from others.
#pragma once

#include "src/service/sqlite.hpp"

#include <filesystem>

namespace intellisched::service {

inline constexpr std::int64_t journal_schema_version = 5;

/// Looks at a file by its first bytes, and opens no database: whether the service may take it for
/// its journal, and put it aside when the rest is damaged. No file, or an empty one, will become
/// one. Errors: a file of something else; what the file system says.
[[nodiscard]] Result<void> check_is_journal(const std::filesystem::path& path);

/// Makes the tables that are missing, in an empty file or one of an older version; all or none.
/// Errors: a schema of a newer version; a database of another program; what SQLite says.
[[nodiscard]] Result<void> make_schema(const Database& database, const std::string& path);

/// Checks the tables and changes nothing; older versions are accepted. Errors: as make_schema(); an
/// empty file.
[[nodiscard]] Result<void> check_schema(const Database& database, const std::string& path);

} // namespace intellisched::service
