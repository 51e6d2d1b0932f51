// SPDX-License-Identifier: MIT
#include "src/service/journal_reader.hpp"

#include "collector/window/schema.hpp"
#include "src/base/interrupt.hpp"
#include "src/model/sample.hpp"
#include "src/model/score.hpp"
#include "src/policy/state_message.hpp"
#include "src/proto/records.hpp"
#include "src/service/journal_columns.hpp"
#include "src/service/journal_schema.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <unistd.h>

namespace intellisched::service {
namespace {

// The file may be anybody's, and made to take for ever.
constexpr auto longest_reading = std::chrono::minutes(2);

/// The values of a row, from left to right. What cannot be is kept, and ends the reading.
class Row {
  public:
    explicit Row(const Statement& statement) : statement_(statement) {}
    [[nodiscard]] const std::string& wrong() const { return wrong_; }

    void read(std::integral auto& value) {
        value = static_cast<std::decay_t<decltype(value)>>(statement_.integer(column_++));
    }
    void read(bool& value) { value = statement_.integer(column_++) != 0; }
    void read(double& value) { value = statement_.number(column_++); }
    void read(std::string& value) { value = statement_.text(column_++); }
    void read(Layout& value) { read_name(value, all_layouts, "layout"); }
    void read(Decision& value) {
        using enum Decision;
        read_name(value, std::array{keep, switch_option, abstain, revert, recommend}, "decision");
    }
    void read(SwitchOutcome& value) {
        using enum SwitchOutcome;
        read_name(value, std::array{waiting, done, failed, unknown}, "result");
    }
    template<class T> void read(std::optional<T>& value) {
        if (statement_.null(column_))
            value.reset(), ++column_;
        else
            read(value.emplace());
    }
    template<class Record> void read(Entry<Record>& entry) {
        read(entry.id);
        read(entry.pool.name);
        read(entry.pool.id);
        columns([this](std::string_view, auto& value) { this->read(value); }, entry.what);
    }

  private:
    void read_name(auto& value, const auto& known, std::string_view what) {
        const std::string name = statement_.text(column_++);
        const auto found = std::ranges::find(known, name, [](auto one) { return to_string(one); });
        if (found != known.end())
            value = *found;
        else if (wrong_.empty())
            wrong_ = fmt::format("\"{}\" where there is a {}", printable(name, 32), what);
    }

    const Statement& statement_;
    int column_ = 0;
    std::string wrong_;
};

/// All rows, each as `read` makes it of a Row.
template<class What> Result<std::vector<What>> rows(Result<Statement> prepared,
                                                    const std::string& path,
                                                    const std::function<void(Row&, What&)>& read) {
    auto statement = TRY(std::move(prepared));
    std::vector<What> out;
    for (;;) {
        const bool more = TRY(statement.next());
        if (!more) return out;
        Row row(statement);
        read(row, out.emplace_back());
        if (!row.wrong().empty())
            return fail("{}: damaged: {}; move the file away to begin a new one", path,
                        row.wrong());
    }
}

/// Entries in the order of their columns; what follows it chooses the rows.
template<class Record> Result<std::string> select(const Database& database) {
    const auto version = TRY(database.value("PRAGMA user_version"));
    std::string names;
    Record record;
    columns(
        [&](std::string_view name, const auto& /*value*/) {
            const bool is_new = (*version < 3 && name.ends_with("rate_limit_us")) ||
                                (*version < 4 && name == "target_rate_limit_us");
            names += fmt::format(", {}{}", is_new ? "NULL AS " : "", name);
        },
        record);
    return fmt::format("SELECT t.id, name, pool_id{} FROM {} t JOIN pools p ON p.id = t.pool ",
                       names, table<Record>);
}

template<class Record>
Result<std::vector<Entry<Record>>> entries(Result<Statement> statement, const std::string& path) {
    return rows<Entry<Record>>(std::move(statement), path,
                               [](Row& row, Entry<Record>& entry) { row.read(entry); });
}

/// The entries that the filter lets through, newest first.
template<class Record>
Result<std::vector<Entry<Record>>> filtered(const Database& database, const std::string& path,
                                            const char* time, const Filter& filter,
                                            const std::string& also = {}) {
    constexpr std::size_t most = std::numeric_limits<std::int64_t>::max(); // below 0 is "all"
    const std::string sql = fmt::format("{0} WHERE (?1 IS NULL OR name = ?1) AND {1} >= ?2 AND "
                                        "{1} <= ?3 {2} ORDER BY {1} DESC, t.id DESC LIMIT ?4",
                                        TRY(select<Record>(database)), time, also);
    return entries<Record>(database.prepare(sql.c_str(), filter.pool, filter.since, filter.until,
                                            std::min(filter.limit, most)),
                           path);
}

Result<std::vector<Entry<StoredVerdict>>>
with_reasons(const Database& database, const std::string& path,
             Result<std::vector<Entry<StoredVerdict>>> verdicts) {
    if (!verdicts) return verdicts;
    for (Entry<StoredVerdict>& verdict : *verdicts)
        verdict.what.reasons = TRY(rows<StoredReason>(
            database.prepare("SELECT code, text FROM reasons WHERE verdict = ? ORDER BY position",
                             verdict.id),
            path, [](Row& row, StoredReason& reason) {
                row.read(reason.code);
                row.read(reason.text);
            }));
    return verdicts;
}

/// Verdicts that Filter::telling leaves.
std::string telling() {
    return fmt::format("AND (decision = '{}' OR EXISTS (SELECT 1 FROM reasons r WHERE r.verdict = "
                       "t.id AND r.code IN ('{}')))",
                       to_string(Decision::recommend), fmt::join(happenings, "', '"));
}

UnixTime time_of(const Event& event) {
    struct Time {
        UnixTime operator()(const Entry<StoredVerdict>& one) const { return one.what.time; }
        UnixTime operator()(const Entry<StoredSwitch>& one) const { return one.what.asked; }
        UnixTime operator()(const Entry<StoredTrial>& one) const { return one.what.time(); }
    };
    return std::visit(Time{}, event);
}

bool of_another_version(const proto::Sample& sample) {
    return sample.schema_version() != feature_schema_version ||
           score_version_of(sample) != score_version;
}

} // namespace

std::string_view to_string(SwitchOutcome outcome) {
    constexpr std::array<std::string_view, 4> names{"waiting", "done", "failed", "unknown"};
    return names.at(static_cast<std::size_t>(outcome));
}

Result<JournalReader> JournalReader::open(const std::filesystem::path& path) {
    std::error_code error;
    if (!std::filesystem::exists(path, error) && error != std::errc::permission_denied)
        return fail("{}: there is no journal{}; start the service, or name the file that it has",
                    path.string(), error ? ": " + error.message() : "");
    if (::access(path.c_str(), R_OK) != 0)
        return fail("{}: {}; the journal is its owner's alone, run it as root", path.string(),
                    std::strerror(errno));
    if (!std::filesystem::is_regular_file(path, error)) // a FIFO would be waited for
        return fail("{}: not a regular file; name the service's journal", path.string());
    auto database = TRY(Database::open(path, SQLITE_OPEN_READONLY));
    const auto until = std::chrono::steady_clock::now() + longest_reading;
    database.watch([until] { return interrupted || std::chrono::steady_clock::now() > until; });
    TRY(check_schema(database, path.string()));
    return JournalReader(std::move(database), path.string());
}

Result<std::vector<Event>> JournalReader::history(const Filter& filter) const {
    // One state of the file: a step is seen in all its parts or in none.
    const auto transaction = TRY(Transaction::begin(database_, "BEGIN"));
    const auto wanted = [&](Kind kind) { return !filter.kind || *filter.kind == kind; };
    std::vector<Event> events;
    const auto take = [&](auto entries) -> Result<void> {
        auto taken = TRY(std::move(entries));
        std::move(taken.begin(), taken.end(), std::back_inserter(events));
        return {};
    };
    if (wanted(Kind::trial))
        TRY(take(filtered<StoredTrial>(database_, path_, "coalesce(closed, opened, 0)", filter)));
    if (wanted(Kind::change)) TRY(take(filtered<StoredSwitch>(database_, path_, "asked", filter)));
    if (wanted(Kind::verdict))
        TRY(take(
            with_reasons(database_, path_,
                         filtered<StoredVerdict>(database_, path_, "time", filter,
                                                 filter.telling ? telling() : std::string()))));
    std::stable_sort(events.begin(), events.end(),
                     [](const Event& a, const Event& b) { return time_of(a) > time_of(b); });
    if (events.size() > filter.limit)
        events.erase(events.begin() + static_cast<std::ptrdiff_t>(filter.limit), events.end());
    return events;
}

Result<std::vector<Entry<Window>>> JournalReader::windows(const Filter& filter) const {
    return filtered<Window>(database_, path_, "begin", filter);
}

Result<std::vector<Entry<StoredVerdict>>> JournalReader::last_verdicts() const {
    const auto transaction = TRY(Transaction::begin(database_, "BEGIN"));
    // By id: the clock may have gone backwards.
    const std::string sql =
        TRY(select<StoredVerdict>(database_)) +
        "WHERE t.id = (SELECT max(id) FROM verdicts WHERE pool = p.id) ORDER BY name";
    return with_reasons(database_, path_,
                        entries<StoredVerdict>(database_.prepare(sql.c_str()), path_));
}

Result<std::vector<Entry<StoredTrial>>> JournalReader::open_trials() const {
    const std::string sql =
        TRY(select<StoredTrial>(database_)) + "WHERE closed IS NULL ORDER BY name";
    return entries<StoredTrial>(database_.prepare(sql.c_str()), path_);
}

Result<std::vector<Counts>> JournalReader::counts() const {
    return rows<Counts>(
        database_.prepare("SELECT name, total(result = 'done' AND NOT revert),"
                          " total(result = 'done' AND revert), total(result = 'failed')"
                          " FROM switches t JOIN pools p ON p.id = t.pool"
                          " GROUP BY name ORDER BY name"),
        path_, [](Row& row, Counts& out) {
            row.read(out.pool);
            row.read(out.switches);
            row.read(out.reverts);
            row.read(out.failed);
        });
}

Result<std::vector<TrialSample>> JournalReader::samples() const {
    const auto version = TRY(database_.value("PRAGMA user_version"));
    if (*version < 2)
        return fail("{}: is of version {}, which kept no samples of its trials; the service keeps "
                    "them from its next start on",
                    path_, *version);
    std::string wrong;
    const auto read = [&](Row& row, TrialSample& out) {
        Entry<StoredTrial> trial;
        std::string intent, bytes;
        row.read(trial);
        row.read(intent);
        const auto lesson = lesson_of(trial.what.ending, trial.what.from.layout,
                                      trial.what.to.layout, trial.what.comparison);
        if (!lesson) return;
        row.read(bytes);
        out = {.pool = trial.pool.name,
               .intent = intent,
               .trial = trial.id,
               .time = trial.what.time(),
               .from = trial.what.from.layout,
               .to = trial.what.to.layout,
               .difference = trial.what.comparison->difference};
        proto::Sample& sample = out.sample;
        if (!parse_bounded(bytes, sample)) wrong = "no sample where one is to be";
        sample.set_scenario(fmt::format("{} trial {}", printable(trial.pool.name, 64), trial.id));
        sample.set_family("trial");
        sample.set_topology("host");
        sample.clear_scores();
        *sample.add_scores() = *lesson;
        sample.mutable_scores(0)->set_intent(intent);
        if (of_another_version(sample) && wrong.empty()) return;
        if (auto checked = check_sample(sample, "a trial's sample"); !checked)
            wrong = checked.error().message;
    };
    const std::string sql =
        fmt::format("SELECT q.*, intent, sample FROM ({}) q JOIN samples s ON s.trial = q.id"
                    " ORDER BY s.id",
                    TRY(select<StoredTrial>(database_)));
    auto samples = TRY(rows<TrialSample>(database_.prepare(sql.c_str()), path_, read));
    if (!wrong.empty())
        return fail("{}: damaged: {}; move the file away to begin a new one", path_, wrong);
    // What teaches nothing has no sample here. What another version of the program measured cannot
    // be measured again, and is no damage.
    std::erase_if(samples, [](const TrialSample& one) { return of_another_version(one.sample); });
    return samples;
}

Result<std::optional<StoredState>> JournalReader::state(const std::string& pool) const {
    auto statement = TRY(database_.prepare("SELECT stored, boot, state FROM states t"
                                           " JOIN pools p ON p.id = t.pool WHERE name = ?",
                                           pool));
    const auto there = TRY(statement.next());
    if (!there) return std::nullopt;
    const auto bad = [&](std::string_view why) {
        return fail("{}: pool {}: {}", path_, printable(pool, 64), why);
    };
    proto::PolicyState message;
    if (!parse_bounded(statement.text(2), message))
        return bad("the policy's stored state is damaged; it begins anew when the service does");
    auto state = state_of(message);
    if (!state) return bad(state.error().message);
    return StoredState{std::move(*state), statement.integer(0), statement.text(1)};
}

Result<std::vector<StoredProtection>> JournalReader::protections() const {
    auto statement = TRY(
        database_.prepare("SELECT guest, boot, uuid, domain, base, wanted, before, asked, trial,"
                          " lost, hold_off, hold_off_until, needed_at FROM protections"
                          " ORDER BY guest"));
    std::vector<StoredProtection> all;
    while (TRY(statement.next())) {
        const auto number = [&](int column) {
            return static_cast<std::uint64_t>(statement.integer(column));
        };
        const auto weight = [&](int column) {
            const std::uint64_t told = number(column);
            return told >= 1 && told <= most_weight ? static_cast<unsigned>(told) : 0;
        };
        StoredProtection one{.guest = statement.text(0),
                             .boot = statement.text(1),
                             .uuid = number(2),
                             .domain = static_cast<unsigned>(number(3)),
                             .state = {.base = weight(4),
                                       .wanted = weight(5),
                                       .from = weight(6),
                                       .asked = static_cast<unsigned>(number(7)),
                                       .trial = number(8) != 0,
                                       .lost = statement.number(9),
                                       .hold_off = number(10),
                                       .hold_off_until = number(11),
                                       .needed_at = number(12)}};
        const Protection& state = one.state;
        if (*state.base == 0 || state.wanted == 0 || state.from == 0 || !(state.lost >= 0))
            return fail("{}: what is stored of the weight of {} is damaged; look at its weight (xl "
                        "sched-credit2), the service takes it for yours",
                        path_, printable(one.guest, 64));
        all.push_back(std::move(one));
    }
    return all;
}

} // namespace intellisched::service
