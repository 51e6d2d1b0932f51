// SPDX-License-Identifier: MIT
// What the service has seen, decided and done, from its journal: the service need not run.
#include "src/cli/commands.hpp"
#include "src/cli/history_lines.hpp"
#include "src/cli/output.hpp"
#include "src/cli/shared_options.hpp"
#include "src/cli/since.hpp"
#include "src/layout/snapshot.hpp"
#include "src/proto/control.pb.h"
#include "src/service/config.hpp"
#include "src/service/journal_reader.hpp"

#include <algorithm>

namespace intellisched::cli {
namespace {

struct HistoryArguments {
    std::filesystem::path config = default_config_path;
    std::string pool; ///< empty: all
    std::string since;
    std::size_t limit = 50;
    std::string format = "text";
    bool all = false, json = false;
};

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
    add_since(*command, options->since,
              "nothing older: 90s, 30min, 2h, 7d, today, yesterday, or 2026-11-21 or "
              "'2026-11-21 18:30'");
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
