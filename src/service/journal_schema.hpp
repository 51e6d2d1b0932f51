// SPDX-License-Identifier: MIT
// The tables of the service's journal, and what tells such a file from others.
#pragma once

#include "src/service/sqlite.hpp"

namespace intellisched::service {

inline constexpr std::int64_t journal_schema_version = 2;

/// Makes the tables that are missing, in an empty file or one of an older version; all or none.
/// Errors: a schema of a newer version; a database of another program; what SQLite says.
[[nodiscard]] Result<void> make_schema(const Database& database, const std::string& path);

/// Changes nothing, and takes older versions as they are. An empty file is an error, too.
[[nodiscard]] Result<void> check_schema(const Database& database, const std::string& path);

} // namespace intellisched::service
