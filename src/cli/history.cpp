// SPDX-License-Identifier: MIT
// What the service has seen, decided and done, from its journal: the service need not run.
#include "src/cli/commands.hpp"
#include "src/cli/history_lines.hpp"
#include "src/cli/output.hpp"
#include "src/cli/shared_options.hpp"
#include "src/layout/snapshot.hpp"
#include "src/proto/control.pb.h"
#include "src/service/config.hpp"
#include "src/service/journal_reader.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>

namespace intellisched::cli {
namespace {

using service::UnixTime;

constexpr std::size_t most_entries = 100'000;
constexpr auto ns_of_second = static_cast<UnixTime>(second);

struct HistoryArguments {
    std::filesystem::path config = default_config_path;
    std::string pool; ///< empty: all
    std::string since;
    std::size_t limit = 50;
    std::string format = "text";
    bool all = false, json = false;
};

/// The beginning of the day that is so many days ago, of the local time.
UnixTime midnight(int days_ago) {
    const std::time_t now = std::time(nullptr);
    std::tm day{};
    ::localtime_r(&now, &day);
    day.tm_mday -= days_ago;
    day.tm_hour = day.tm_min = day.tm_sec = 0;
    day.tm_isdst = -1;
    return static_cast<UnixTime>(std::mktime(&day)) * ns_of_second;
}

/// "90s", "30min", "2h" or "7d" ago, "today" or "yesterday", or "2026-11-21", also with " 18:30" or
/// " 18:30:15", of the local time; nothing: it is none of these.
std::optional<UnixTime> time_from(const std::string& text) {
    if (text == "today") return midnight(0);
    if (text == "yesterday") return midnight(1);
    std::uint32_t number = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec == std::errc{}) {
        const std::string_view unit(parsed.ptr, end);
        const UnixTime now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count();
        for (const auto& [name, seconds] :
             {std::pair{"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}})
            // An uint32 of days is more than an int64 of nanoseconds.
            if (unit == name)
                return std::max<std::int64_t>(now / ns_of_second - std::int64_t{number} * seconds,
                                              0) *
                       ns_of_second;
    }
    for (const char* format : {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"}) {
        std::tm time{};
        time.tm_isdst = -1;
        const char* rest = ::strptime(text.c_str(), format, &time);
        // Years past 2200 do not fit in nanoseconds.
        if (rest && *rest == '\0' && time.tm_year < 300)
            return static_cast<UnixTime>(std::mktime(&time)) * ns_of_second;
    }
    return std::nullopt;
}

void fill_rate_limits(auto& told, const auto& of) {
    if (of.from_rate_limit_us) told.set_from_rate_limit_us(*of.from_rate_limit_us);
    if (of.to_rate_limit_us) told.set_to_rate_limit_us(*of.to_rate_limit_us);
}

void fill(proto::HistoryEntry& out, const service::StoredVerdict& verdict) {
    out.set_time(utc_text(verdict.time));
    auto& told = *out.mutable_verdict();
    told.set_decision(std::string(to_string(verdict.decision)));
    if (verdict.target && verdict.target->arrangement)
        *told.mutable_target() = message_of(*verdict.target->arrangement);
    if (verdict.target && verdict.target->rate_limit_us)
        told.set_target_rate_limit_us(*verdict.target->rate_limit_us);
    if (verdict.recommended) told.set_recommended(std::string(to_string(*verdict.recommended)));
    told.set_bundle(verdict.bundle);
    for (const auto& reason : verdict.reasons) {
        auto& added = *told.add_reasons();
        added.set_code(reason.code);
        added.set_text(reason.text);
    }
}

void fill(proto::HistoryEntry& out, const service::StoredSwitch& change) {
    out.set_time(utc_text(change.asked));
    auto& told = *out.mutable_change();
    told.set_revert(change.revert);
    *told.mutable_from() = message_of(change.from);
    *told.mutable_to() = message_of(change.to);
    fill_rate_limits(told, change);
    told.set_outcome(std::string(to_string(change.outcome)));
    told.set_text(change.text);
}

void fill(proto::HistoryEntry& out, const service::StoredTrial& trial) {
    out.set_time(utc_text(trial.time()));
    auto& told = *out.mutable_trial();
    *told.mutable_from() = message_of(trial.from);
    *told.mutable_to() = message_of(trial.to);
    fill_rate_limits(told, trial);
    told.set_promised(trial.promised);
    told.set_ending(trial.ending);
    if (!trial.comparison) return;
    told.set_difference(trial.comparison->difference);
    told.set_error(trial.comparison->error);
}

std::string json_of(const service::Event& event) {
    return std::visit(
        [&](const auto& entry) {
            proto::HistoryEntry message;
            message.set_pool(entry.pool.name);
            fill(message, entry.what);
            return json_output(message);
        },
        event);
}

/// All entries, or those that in_short() makes lines of; oldest first.
Result<std::vector<service::Event>> events_of(const service::JournalReader& journal,
                                              const service::Filter& filter, bool all) {
    std::vector<service::Event> events;
    if (all) {
        events = TRY(journal.history(filter));
    } else {
        service::Filter each = filter;
        each.telling = true;
        // A switch and its way back are one line, and so are recommendations of the same.
        each.limit = 2 * most_entries;
        events = TRY(journal.history(each));
    }
    std::ranges::reverse(events);
    return events;
}

/// Why there is nothing to show.
Result<void> say_empty(const HistoryArguments& options, const std::string& path,
                       const service::JournalReader& journal) {
    std::vector<std::string> pools;
    for (const auto& entry : TRY(journal.last_verdicts()))
        pools.push_back(printable(entry.pool.name, 64));
    const bool known =
        options.pool.empty() ? !pools.empty() : std::ranges::count(pools, options.pool) > 0;
    fmt::print(
        stderr, "history: {}{}{} is in {}; {}\n",
        known && !options.all ? "no switch, recommendation or other event" : "nothing",
        options.pool.empty() ? "" : " of pool " + printable(options.pool, 64),
        options.since.empty() ? "" : " since " + options.since, path,
        known && !options.all
            ? "--all shows each verdict"
            : fmt::format("it has {}",
                          fmt::join(pools.empty() ? std::vector<std::string>{"no pool yet"} : pools,
                                    ", ")));
    return {};
}

Result<int> show_history(const HistoryArguments& options) {
    const auto config = TRY(read_config(options.config));
    const auto journal = TRY(service::JournalReader::open(config.journal));
    service::Filter filter{.limit = options.limit};
    if (!options.pool.empty()) filter.pool = options.pool;
    if (!options.since.empty()) filter.since = *time_from(options.since);
    const bool all = options.all || options.json;
    const auto events = TRY(events_of(journal, filter, all));
    std::string text;
    bool empty = events.empty();
    if (options.json) {
        for (const service::Event& event : events) text += json_of(event);
    } else {
        const auto lines = all ? each_entry(events) : in_short(events);
        empty = lines.empty();
        const bool csv = options.format == "csv";
        if (csv) text += csv_head;
        const std::size_t first = lines.size() - std::min(lines.size(), options.limit);
        for (std::size_t i = first; i < lines.size(); ++i)
            text += csv ? csv_of(lines[i]) : text_of(lines[i]);
    }
    TRY(print(text));
    if (empty) TRY(say_empty(options, config.journal.string(), journal));
    return done;
}

} // namespace

void add_history(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "history", "what the service decided and did, from its journal, the oldest first");
    auto options = std::make_shared<HistoryArguments>();
    add_config(*command, options->config);
    command->add_option("--pool", options->pool, "the cpupool, by name (default: all)");
    command
        ->add_option("--since", options->since,
                     "nothing older: 90s, 30min, 2h, 7d, today, yesterday, or 2026-11-21 or "
                     "'2026-11-21 18:30'")
        ->check(CLI::Validator(
            [](const std::string& text) {
                return time_from(text)
                           ? std::string()
                           : fmt::format("{} is no time; 90s, 30min, 2h, 7d, yesterday and "
                                         "2026-11-21 are",
                                         printable(text));
            },
            "T"));
    command->add_flag("--all", options->all,
                      "every entry: verdicts, switches, trials; without it a line a switch, a "
                      "recommendation, or what else happened");
    command->add_option("--format", options->format, "text or csv")
        ->capture_default_str()
        ->check(CLI::IsMember({"text", "csv"}));
    command->add_option("--limit", options->limit, "the newest so many lines")
        ->capture_default_str()
        ->check(CLI::Range(std::size_t{1}, most_entries));
    command->add_flag("--json", options->json, "print every entry as JSON, an object a line")
        ->excludes("--format");
    command->callback(
        [options, &action] { action = [options] { return show_history(*options); }; });
}

} // namespace intellisched::cli
