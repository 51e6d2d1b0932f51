// SPDX-License-Identifier: MIT
// What the service has seen, decided and done, from its journal: the service need not run.
#include "src/cli/commands.hpp"
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

using service::Entry;
using service::UnixTime;

constexpr std::size_t most_entries = 100'000;
constexpr auto ns_of_second = static_cast<UnixTime>(second);

struct HistoryArguments {
    std::filesystem::path config = default_config_path;
    std::string pool; ///< empty: all
    std::string since;
    std::size_t limit = 50;
    bool json = false;
};

/// "90s", "30min", "2h" or "7d" ago, or "2026-11-21", also with " 18:30" or " 18:30:15", of the
/// local time; nothing: it is none of these.
std::optional<UnixTime> time_from(const std::string& text) {
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

std::string time_text(UnixTime time, bool json) {
    const std::time_t seconds = time / ns_of_second;
    std::tm parts{};
    json ? ::gmtime_r(&seconds, &parts) : ::localtime_r(&seconds, &parts);
    char text[64] = {};
    (void)std::strftime(text, sizeof text, json ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d %H:%M:%S",
                        &parts);
    return text;
}

void fill_rate_limits(auto& told, const auto& of) {
    if (of.from_rate_limit_us) told.set_from_rate_limit_us(*of.from_rate_limit_us);
    if (of.to_rate_limit_us) told.set_to_rate_limit_us(*of.to_rate_limit_us);
}

void fill(proto::HistoryEntry& out, const service::StoredVerdict& verdict) {
    out.set_time(time_text(verdict.time, true));
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
    out.set_time(time_text(change.asked, true));
    auto& told = *out.mutable_change();
    told.set_revert(change.revert);
    *told.mutable_from() = message_of(change.from);
    *told.mutable_to() = message_of(change.to);
    fill_rate_limits(told, change);
    told.set_outcome(std::string(to_string(change.outcome)));
    told.set_text(change.text);
}

void fill(proto::HistoryEntry& out, const service::StoredTrial& trial) {
    out.set_time(time_text(trial.time(), true));
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

std::string in_words(const service::StoredVerdict& verdict) {
    std::string text(to_string(verdict.decision));
    if (verdict.target) text += " to " + to_string(*verdict.target);
    for (std::size_t i = 0; i < verdict.reasons.size(); ++i)
        text += (i == 0 ? ": " : "; ") + printable(verdict.reasons[i].text, 512);
    return text;
}

/// What of the pool was changed, before and after.
std::pair<Change, Change> what_of(const auto& of) {
    Change from, to;
    if (of.from_rate_limit_us != of.to_rate_limit_us) {
        from.rate_limit_us = of.from_rate_limit_us;
        to.rate_limit_us = of.to_rate_limit_us;
    }
    if (of.from != of.to || !to.rate_limit_us) from.arrangement = of.from, to.arrangement = of.to;
    return {from, to};
}

std::string in_words(const service::StoredSwitch& change) {
    const auto [from, to] = what_of(change);
    std::string text = fmt::format("{} from {} to {}: {}", change.revert ? "revert" : "switch",
                                   to_string(from), to_string(to), to_string(change.outcome));
    if (!change.text.empty()) text += ": " + printable(change.text, 512);
    return text;
}

std::string in_words(const service::StoredTrial& trial) {
    const auto [from, to] = what_of(trial);
    std::string text = fmt::format("trial of {} after {}: {}", to_string(to), to_string(from),
                                   trial.ending.empty() ? "open" : printable(trial.ending));
    if (trial.comparison)
        text += fmt::format(", {:+.1f}% (standard error {:.1f}%, promised {:+.1f}%)",
                            trial.comparison->difference * 100, trial.comparison->error * 100,
                            trial.promised * 100);
    return text;
}

UnixTime time_of(const service::StoredVerdict& verdict) { return verdict.time; }
UnixTime time_of(const service::StoredSwitch& change) { return change.asked; }
UnixTime time_of(const service::StoredTrial& trial) { return trial.time(); }

std::string line_of(const service::Event& event, bool json) {
    return std::visit(
        [&](const auto& entry) -> std::string {
            if (!json)
                return fmt::format("{}  {}  {}\n", time_text(time_of(entry.what), false),
                                   printable(entry.pool.name, 64), in_words(entry.what));
            proto::HistoryEntry message;
            message.set_pool(entry.pool.name);
            fill(message, entry.what);
            return json_output(message);
        },
        event);
}

Result<int> show_history(const HistoryArguments& options) {
    const auto config = TRY(read_config(options.config));
    const auto journal = TRY(service::JournalReader::open(config.journal));
    service::Filter filter{.limit = options.limit};
    if (!options.pool.empty()) filter.pool = options.pool;
    if (!options.since.empty()) filter.since = *time_from(options.since);
    auto events = TRY(journal.history(filter));
    std::reverse(events.begin(), events.end());
    std::string text;
    for (const service::Event& event : events) text += line_of(event, options.json);
    TRY(print(text));
    if (events.empty()) {
        std::vector<std::string> pools;
        for (const auto& entry : TRY(journal.last_verdicts()))
            pools.push_back(printable(entry.pool.name, 64));
        fmt::print(
            stderr, "history: nothing{}{} is in {}; it has {}\n",
            options.pool.empty() ? "" : " of pool " + printable(options.pool, 64),
            options.since.empty() ? "" : " since " + options.since, config.journal.string(),
            fmt::join(pools.empty() ? std::vector<std::string>{"no pool yet"} : pools, ", "));
    }
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
                     "nothing older: 90s, 30min, 2h, 7d, or 2026-11-21 or '2026-11-21 18:30'")
        ->check(CLI::Validator(
            [](const std::string& text) {
                return time_from(text)
                           ? std::string()
                           : fmt::format("{} is no time; 90s, 30min, 2h, 7d and 2026-11-21 are",
                                         printable(text));
            },
            "T"));
    command->add_option("--limit", options->limit, "the newest so many")
        ->capture_default_str()
        ->check(CLI::Range(std::size_t{1}, most_entries));
    command->add_flag("--json", options->json, "print JSON, an object a line");
    command->callback(
        [options, &action] { action = [options] { return show_history(*options); }; });
}

} // namespace intellisched::cli
