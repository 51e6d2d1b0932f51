// SPDX-License-Identifier: MIT
// The option --since of commands that read the journal.
#pragma once

#include "src/service/journal_reader.hpp"

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

namespace intellisched::cli {

/// "90s", "30min", "2h" or "7d" ago, "today" or "yesterday", or "2026-11-21", also with " 18:30" or
/// " 18:30:15", of the local time; nothing: it is none of these.
[[nodiscard]] std::optional<service::UnixTime> time_from(const std::string& text);

/// --since, of what time_from() takes; `what` is for the help.
void add_since(CLI::App& command, std::string& since, const std::string& what);

} // namespace intellisched::cli
