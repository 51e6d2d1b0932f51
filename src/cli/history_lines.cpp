// SPDX-License-Identifier: MIT
#include "src/cli/history_lines.hpp"

#include <algorithm>
#include <ctime>
#include <map>
#include <set>

namespace intellisched::cli {
namespace {

using service::Entry;
using service::StoredSwitch;
using service::StoredTrial;
using service::StoredVerdict;
using service::UnixTime;

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

std::string reasons_of(const StoredVerdict& verdict) {
    std::string text;
    for (const auto& reason : verdict.reasons) text += (text.empty() ? "" : "; ") + reason.text;
    return text;
}

HistoryLine line_of(const Entry<StoredVerdict>& entry) {
    HistoryLine line{.time = entry.what.time,
                     .pool = entry.pool.name,
                     .kind = "verdict",
                     .event = std::string(to_string(entry.what.decision)),
                     .text = reasons_of(entry.what)};
    if (entry.what.target) line.to = *entry.what.target;
    return line;
}

HistoryLine line_of(const Entry<StoredSwitch>& entry) {
    const auto [from, to] = what_of(entry.what);
    return {.time = entry.what.asked,
            .pool = entry.pool.name,
            .kind = "switch",
            .event = entry.what.revert ? "revert" : "switch",
            .from = from,
            .to = to,
            .outcome = std::string(to_string(entry.what.outcome)),
            .text = entry.what.text};
}

HistoryLine line_of(const Entry<StoredTrial>& entry) {
    const auto [from, to] = what_of(entry.what);
    return {.time = entry.what.time(),
            .pool = entry.pool.name,
            .kind = "trial",
            .event = "trial",
            .from = from,
            .to = to,
            .outcome = entry.what.ending.empty() ? "open" : entry.what.ending,
            .comparison = entry.what.comparison,
            .promised = entry.what.promised};
}

/// The lines of in_short(), and what of the entries is in one already.
class Short {
  public:
    explicit Short(const std::vector<service::Event>& events) {
        for (const auto& event : events) {
            if (const auto* trial = std::get_if<Entry<StoredTrial>>(&event)) {
                if (trial->what.of) trials_[*trial->what.of] = trial;
            } else if (const auto* change = std::get_if<Entry<StoredSwitch>>(&event)) {
                if (!change->what.revert)
                    switches_.insert(change->id);
                else // a trial ends and its way back is asked for in one step
                    ways_back_[{change->pool.name, change->what.asked}] = change;
            }
        }
        for (const auto& event : events)
            std::visit([this](const auto& entry) { add(entry); }, event);
    }
    std::vector<HistoryLine> lines;

  private:
    void add(const Entry<StoredSwitch>& change) {
        recommended_.erase(change.pool.name);
        const auto found = trials_.find(change.id);
        if (change.what.revert) {
            if (!of_trials_.contains(change.id)) lines.push_back(line_of(change));
            return;
        }
        HistoryLine line = line_of(change);
        if (found != trials_.end()) add_end(line, *found->second);
        lines.push_back(std::move(line));
    }
    void add_end(HistoryLine& line, const Entry<StoredTrial>& entry) {
        const StoredTrial& trial = entry.what;
        line.comparison = trial.comparison;
        line.promised = trial.promised;
        // What was not done was not tried.
        if (line.outcome == "done") line.outcome = trial.ending.empty() ? "on trial" : trial.ending;
        if (!trial.closed) return;
        const auto back = ways_back_.find({entry.pool.name, *trial.closed});
        if (back == ways_back_.end()) return;
        of_trials_.insert(back->second->id);
        line.text += fmt::format("{}back to {}: {}", line.text.empty() ? "" : "; ",
                                 to_string(what_of(back->second->what).second),
                                 to_string(back->second->what.outcome));
    }
    void add(const Entry<StoredTrial>& trial) {
        if (trial.what.of && switches_.contains(*trial.what.of)) return;
        lines.push_back(line_of(trial));
    }
    void add(const Entry<StoredVerdict>& verdict) {
        for (const auto& reason : verdict.what.reasons) {
            if (std::ranges::find(service::happenings, reason.code) == service::happenings.end())
                continue;
            recommended_.erase(verdict.pool.name);
            lines.push_back({.time = verdict.what.time,
                             .pool = verdict.pool.name,
                             .kind = "verdict",
                             .event = reason.code,
                             .text = reason.text});
        }
        if (verdict.what.decision != Decision::recommend || !verdict.what.target) return;
        Change& last = recommended_[verdict.pool.name];
        if (last == *verdict.what.target) return;
        last = *verdict.what.target;
        lines.push_back(line_of(verdict));
    }

    std::map<std::int64_t, const Entry<StoredTrial>*> trials_; ///< by their switch
    std::set<std::int64_t> switches_;
    std::map<std::pair<std::string, UnixTime>, const Entry<StoredSwitch>*> ways_back_;
    std::set<std::int64_t> of_trials_;          ///< ways back that are in their trial's line
    std::map<std::string, Change> recommended_; ///< last, by pool
};

std::string time_text(UnixTime time, bool utc) {
    const std::time_t seconds = time / static_cast<UnixTime>(second);
    std::tm parts{};
    utc ? ::gmtime_r(&seconds, &parts) : ::localtime_r(&seconds, &parts);
    char text[64] = {};
    (void)std::strftime(text, sizeof text, utc ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d %H:%M:%S",
                        &parts);
    return text;
}

/// What happened, where the outcome's name does not say it.
std::string_view meaning_of(const std::string& outcome) {
    if (const auto ending = ending_from_string(outcome)) return meaning(*ending);
    if (outcome == "unrecorded") return "its end could not be written down";
    if (outcome == "waiting") return "there is no result yet";
    if (outcome == "unknown") return "the service ended before there was a result";
    return {};
}

std::string csv_field(std::string_view field) {
    if (field.find_first_of(",\"\r\n") == field.npos) return std::string(field);
    std::string text = "\"";
    for (const char c : field) text += c == '"' ? "\"\"" : std::string(1, c);
    return text + "\"";
}

std::string of_change(const Change& change) {
    return change.empty() ? std::string() : to_string(change);
}

} // namespace

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

std::vector<HistoryLine> each_entry(const std::vector<service::Event>& events) {
    std::vector<HistoryLine> lines;
    for (const auto& event : events)
        lines.push_back(std::visit([](const auto& entry) { return line_of(entry); }, event));
    return lines;
}

std::vector<HistoryLine> in_short(const std::vector<service::Event>& events) {
    return Short(events).lines;
}

std::string text_of(const HistoryLine& line) {
    std::string text = fmt::format("{}  {}  {}", local_text(line.time), printable(line.pool, 64),
                                   printable(line.event, 64));
    if (!line.from.empty()) text += " from " + to_string(line.from);
    if (!line.to.empty()) text += " to " + to_string(line.to);
    const std::string_view means = meaning_of(line.outcome);
    if (!line.outcome.empty()) text += ": " + printable(line.outcome, 64);
    if (!means.empty()) text += fmt::format(" ({})", means);
    if (line.comparison)
        text += fmt::format(", {:+.1f}% (standard error {:.1f}%, promised {:+.1f}%)",
                            line.comparison->difference * 100, line.comparison->error * 100,
                            line.promised * 100);
    if (!line.text.empty())
        text += (line.outcome.empty() ? ": " : "; ") + printable(line.text, 1024);
    return text + "\n";
}

std::string csv_of(const HistoryLine& line) {
    std::string text;
    const auto add = [&](const std::string& field) {
        text += (text.empty() ? "" : ",") + csv_field(field);
    };
    for (const std::string& field :
         {utc_text(line.time), line.pool, std::string(line.kind), line.event, of_change(line.from),
          of_change(line.to), line.outcome})
        add(field);
    for (const auto* value : {line.comparison ? &line.comparison->difference : nullptr,
                              line.comparison ? &line.comparison->error : nullptr,
                              line.comparison ? &line.promised : nullptr})
        add(value ? fmt::format("{:.6g}", *value) : std::string());
    add(line.text);
    return text + "\n";
}

std::string utc_text(UnixTime time) { return time_text(time, true); }
std::string local_text(UnixTime time) { return time_text(time, false); }

} // namespace intellisched::cli
