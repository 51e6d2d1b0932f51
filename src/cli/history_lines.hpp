// SPDX-License-Identifier: MIT
// The journal's entries as `history` shows them to people.
#pragma once

#include "src/service/journal_reader.hpp"

#include <string>
#include <vector>

namespace intellisched::cli {

struct HistoryLine {
    service::UnixTime time = 0;
    std::string pool;
    std::string_view kind; ///< "verdict", "switch" or "trial": what entry it begins with
    std::string event;     ///< a decision, "switch", "revert", "trial" or a reason's code
    Change from = {}, to = {};
    std::string outcome = {}; ///< of a switch or a trial
    std::optional<Comparison> comparison = {};
    double promised = 0; ///< beside the comparison
    std::string text = {};
};

inline constexpr std::size_t most_entries = 100'000; ///< that are shown

/// All entries that the filter lets through, or those that in_short() makes lines of; oldest first.
[[nodiscard]] Result<std::vector<service::Event>>
events_of(const service::JournalReader& journal, const service::Filter& filter, bool all);

/// A line each entry, in the order of the entries.
[[nodiscard]] std::vector<HistoryLine> each_entry(const std::vector<service::Event>& events);

/// A line a switch, with the end of its trial and what came of the way back; a line a
/// recommendation, when it is another one; and what happened to the pool. `events` oldest first.
[[nodiscard]] std::vector<HistoryLine> in_short(const std::vector<service::Event>& events);

/// As text, with the local time.
[[nodiscard]] std::string text_of(const HistoryLine& line);

/// As CSV (RFC 4180), the time in UTC, the comparison as parts of 1; beside csv_head.
[[nodiscard]] std::string csv_of(const HistoryLine& line);
inline constexpr std::string_view csv_head =
    "time,pool,kind,event,from,to,outcome,measured,error,promised,text\n";

/// RFC 3339 in UTC, or "2026-11-21 18:30:15" of the local time.
[[nodiscard]] std::string utc_text(service::UnixTime time);
[[nodiscard]] std::string local_text(service::UnixTime time);

} // namespace intellisched::cli
