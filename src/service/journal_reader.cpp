// SPDX-License-Identifier: MIT
#include "src/service/journal_reader.hpp"

#include "collector/window/schema.hpp"
#include "src/base/interrupt.hpp"
#include "src/model/sample.hpp"
#include "src/policy/journal.hpp"
#include "src/proto/records.hpp"
#include "src/service/journal_schema.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fmt/ranges.h>
#include <unistd.h>

namespace intellisched::service {
namespace {

// The file may be anybody's, and made to take for ever.
constexpr auto longest_reading = std::chrono::minutes(2);

/// The columns of a row, from left to right. What cannot be is kept, and ends the reading.
class Row {
  public:
    explicit Row(const Statement& statement) : statement_(statement) {}
    [[nodiscard]] const std::string& wrong() const { return wrong_; }

    std::int64_t integer() { return statement_.integer(column_++); }
    std::uint64_t count() { return static_cast<std::uint64_t>(integer()); }
    double number() { return statement_.number(column_++); }
    std::string text() { return statement_.text(column_++); }
    template<class Read> auto optional(Read read) -> std::optional<decltype(read())> {
        if (!statement_.null(column_)) return read();
        ++column_;
        return std::nullopt;
    }
    std::optional<std::int64_t> optional_integer() {
        return optional([&] { return integer(); });
    }

    Layout layout() {
        const std::string name = text();
        const auto known = layout_from_string(name);
        if (!known) refuse("layout", name);
        return known.value_or(Layout::socket);
    }
    Arrangement arrangement() {
        const Layout name = layout();
        return {name, static_cast<unsigned>(integer())};
    }
    std::optional<Arrangement> optional_arrangement() {
        const auto name = optional([&] { return layout(); });
        const auto max_cpus = static_cast<unsigned>(integer());
        return name ? std::optional(Arrangement{*name, max_cpus}) : std::nullopt;
    }
    Decision decision() {
        const std::string name = text();
        for (const Decision one :
             {Decision::keep, Decision::change, Decision::abstain, Decision::revert})
            if (name == to_string(one)) return one;
        refuse("decision", name);
        return Decision::abstain;
    }
    Outcome outcome() {
        const std::string name = optional([&] { return text(); }).value_or("waiting");
        for (const Outcome one :
             {Outcome::waiting, Outcome::done, Outcome::failed, Outcome::unknown})
            if (name == to_string(one)) return one;
        refuse("result", name);
        return Outcome::unknown;
    }
    PoolName pool() {
        std::string name = text();
        return {std::move(name), static_cast<unsigned>(integer())};
    }

  private:
    void refuse(std::string_view what, const std::string& name) {
        if (wrong_.empty())
            wrong_ = fmt::format("\"{}\" where there is a {}", printable(name, 32), what);
    }

    const Statement& statement_;
    int column_ = 0;
    std::string wrong_;
};

/// All rows, each as `read` makes it of a Row.
template<class What, class Read>
Result<std::vector<What>> rows(Result<Statement> statement, const std::string& path, Read read) {
    if (!statement) return tl::unexpected(statement.error());
    std::vector<What> out;
    for (;;) {
        const auto more = TRY(statement->next());
        if (!more) return out;
        Row row(*statement);
        out.push_back(read(row));
        if (!row.wrong().empty())
            return fail("{}: damaged: {}; move the file away to begin a new one", path,
                        row.wrong());
    }
}

Window window_of(Row& row) {
    Window out;
    out.begin = row.integer();
    out.length = row.count();
    out.in_force = row.arrangement();
    out.coverage = row.number();
    out.decisions = row.count();
    out.utility = row.number();
    const auto favourite = row.optional([&] { return row.layout(); });
    if (!favourite) return out;
    Prediction& prediction = out.prediction.emplace();
    prediction.best = *favourite;
    prediction.outside_training = row.number();
    for (double& value : prediction.probability) value = row.number();
    for (double& value : prediction.expected_gain) value = row.number();
    return out;
}

StoredVerdict verdict_of(Row& row) {
    StoredVerdict out;
    out.time = row.integer();
    out.decision = row.decision();
    out.target = row.optional_arrangement();
    out.serial = row.optional([&] { return row.count(); });
    out.recommended = row.optional([&] { return row.layout(); });
    out.bundle = row.text();
    return out;
}

StoredSwitch switch_of(Row& row) {
    StoredSwitch out;
    out.verdict = row.integer();
    out.serial = row.count();
    out.revert = row.integer() != 0;
    out.from = row.arrangement();
    out.to = row.arrangement();
    out.asked = row.integer();
    out.answered = row.optional_integer();
    out.outcome = row.outcome();
    out.text = row.text();
    return out;
}

StoredTrial trial_of(Row& row) {
    StoredTrial out;
    out.of = row.optional_integer();
    out.from = row.arrangement();
    out.to = row.arrangement();
    out.promised = row.number();
    out.opened = row.optional_integer();
    out.closed = row.optional_integer();
    out.ending = row.text();
    Comparison found;
    found.difference = row.number();
    found.error = row.number();
    found.freedom = row.number();
    found.correlation = row.number();
    found.excused = row.number();
    found.undeserved = row.number();
    const auto load_changed = row.optional_integer();
    found.load_changed = load_changed.value_or(0) != 0;
    found.gain_back = row.number();
    if (load_changed) out.comparison = found; // always known, unlike the numbers
    return out;
}

template<class What> auto entry(What (*read)(Row&)) {
    return [read](Row& row) {
        Entry<What> out;
        out.id = row.integer();
        out.pool = row.pool();
        out.what = read(row);
        return out;
    };
}

// The columns as the functions above read them; what follows chooses the rows.
constexpr const char* windows_sql =
    "SELECT t.id, name, pool_id, begin, length, layout, max_cpus, coverage, decisions, utility,"
    " favourite, outside_training, p_cpu, p_core, p_socket, p_node, p_all,"
    " gain_cpu, gain_core, gain_socket, gain_node, gain_all"
    " FROM windows t JOIN pools p ON p.id = t.pool ";
constexpr const char* verdicts_sql =
    "SELECT t.id, name, pool_id, time, decision, target_layout, target_max_cpus, serial,"
    " recommended, bundle FROM verdicts t JOIN pools p ON p.id = t.pool ";
constexpr const char* switches_sql =
    "SELECT t.id, name, pool_id, verdict, serial, revert, from_layout, from_max_cpus, to_layout,"
    " to_max_cpus, asked, answered, result, text FROM switches t JOIN pools p ON p.id = t.pool ";
constexpr const char* trials_sql =
    "SELECT t.id, name, pool_id, switch, from_layout, from_max_cpus, to_layout, to_max_cpus,"
    " promised, opened, closed, ending, difference, error, freedom, correlation, excused,"
    " undeserved, load_changed, gain_back FROM trials t JOIN pools p ON p.id = t.pool ";

/// The scores that a trial gave its two layouts.
void add_scores(proto::Sample& sample, const StoredTrial& trial, const std::string& intent) {
    const Comparison& found = *trial.comparison;
    // What the load may have done is no more the layout's here than it is for the policy.
    const double difference = found.difference > 0
                                  ? std::max(found.difference - found.undeserved, 0.0)
                                  : std::min(found.difference + found.excused, 0.0);
    auto* scores = sample.add_scores();
    scores->set_intent(intent);
    for (const Layout layout : all_layouts) {
        const bool from = layout == trial.from.layout, to = layout == trial.to.layout;
        scores->add_score(to ? std::exp(difference) : from ? 1 : NAN);
        scores->add_spread(to || from ? found.error : NAN);
    }
}

/// The rows that the filter lets through, newest first.
Result<Statement> filtered(const Database& database, const char* columns, const char* time,
                           const Filter& filter) {
    constexpr std::size_t most = std::numeric_limits<std::int64_t>::max(); // below 0 is "all"
    const std::string sql = fmt::format("{0} WHERE (?1 IS NULL OR name = ?1) AND {1} >= ?2 AND "
                                        "{1} <= ?3 ORDER BY {1} DESC, t.id DESC LIMIT ?4",
                                        columns, time);
    return database.prepare(sql.c_str(), filter.pool, filter.since, filter.until,
                            std::min(filter.limit, most));
}

Result<void> add_reasons(const Database& database, const std::string& path,
                         std::vector<Entry<StoredVerdict>>& verdicts) {
    for (Entry<StoredVerdict>& verdict : verdicts) {
        auto reasons = rows<StoredReason>(
            database.prepare("SELECT code, text FROM reasons WHERE verdict = ? ORDER BY position",
                             verdict.id),
            path, [](Row& row) {
                std::string code = row.text();
                return StoredReason{std::move(code), row.text()};
            });
        if (!reasons) return tl::unexpected(reasons.error());
        verdict.what.reasons = std::move(*reasons);
    }
    return {};
}

Result<std::vector<Entry<StoredVerdict>>> verdicts_with_reasons(const Database& database,
                                                                const std::string& path,
                                                                Result<Statement> statement) {
    auto verdicts =
        rows<Entry<StoredVerdict>>(std::move(statement), path, entry<StoredVerdict>(verdict_of));
    if (!verdicts) return verdicts;
    TRY(add_reasons(database, path, *verdicts));
    return verdicts;
}

UnixTime time_of(const Event& event) {
    struct Time {
        UnixTime operator()(const Entry<StoredVerdict>& one) const { return one.what.time; }
        UnixTime operator()(const Entry<StoredSwitch>& one) const { return one.what.asked; }
        UnixTime operator()(const Entry<StoredTrial>& one) const { return one.what.time(); }
    };
    return std::visit(Time{}, event);
}

} // namespace

std::string_view to_string(Outcome outcome) {
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
        if (!entries) return tl::unexpected(entries.error());
        std::move(entries->begin(), entries->end(), std::back_inserter(events));
        return {};
    };
    Result<void> taken;
    if (wanted(Kind::trial))
        taken = take(rows<Entry<StoredTrial>>(
            filtered(database_, trials_sql, "coalesce(closed, opened, 0)", filter), path_,
            entry<StoredTrial>(trial_of)));
    if (taken && wanted(Kind::change))
        taken = take(rows<Entry<StoredSwitch>>(filtered(database_, switches_sql, "asked", filter),
                                               path_, entry<StoredSwitch>(switch_of)));
    if (taken && wanted(Kind::verdict))
        taken = take(verdicts_with_reasons(database_, path_,
                                           filtered(database_, verdicts_sql, "time", filter)));
    if (!taken) return tl::unexpected(taken.error());
    std::stable_sort(events.begin(), events.end(),
                     [](const Event& a, const Event& b) { return time_of(a) > time_of(b); });
    if (events.size() > filter.limit)
        events.erase(events.begin() + static_cast<std::ptrdiff_t>(filter.limit), events.end());
    return events;
}

Result<std::vector<Entry<Window>>> JournalReader::windows(const Filter& filter) const {
    return rows<Entry<Window>>(filtered(database_, windows_sql, "begin", filter), path_,
                               entry<Window>(window_of));
}

Result<std::vector<Entry<StoredVerdict>>> JournalReader::last_verdicts() const {
    const auto transaction = TRY(Transaction::begin(database_, "BEGIN"));
    // By id: the clock may have gone backwards.
    const std::string sql = fmt::format(
        "{} WHERE t.id = (SELECT max(id) FROM verdicts WHERE pool = p.id) ORDER BY name",
        verdicts_sql);
    return verdicts_with_reasons(database_, path_, database_.prepare(sql.c_str()));
}

Result<std::vector<Entry<StoredTrial>>> JournalReader::open_trials() const {
    const std::string sql = fmt::format("{} WHERE closed IS NULL ORDER BY name", trials_sql);
    return rows<Entry<StoredTrial>>(database_.prepare(sql.c_str()), path_,
                                    entry<StoredTrial>(trial_of));
}

Result<std::vector<Counts>> JournalReader::counts() const {
    return rows<Counts>(
        database_.prepare("SELECT name, total(result = 'done' AND NOT revert),"
                          " total(result = 'done' AND revert), total(result = 'failed')"
                          " FROM switches t JOIN pools p ON p.id = t.pool"
                          " GROUP BY name ORDER BY name"),
        path_, [](Row& row) {
            Counts out;
            out.pool = row.text();
            out.switches = row.count();
            out.reverts = row.count();
            out.failed = row.count();
            return out;
        });
}

Result<std::vector<TrialSample>> JournalReader::samples() const {
    const auto version = TRY(database_.value("PRAGMA user_version"));
    if (*version < 2)
        return fail("{}: is of version {}, which kept no samples of its trials; the service keeps "
                    "them from its next start on",
                    path_, *version);
    std::string wrong;
    auto read = [&](Row& row) {
        const auto trial = entry(trial_of)(row);
        std::string intent = row.text();
        TrialSample out{.pool = trial.pool.name,
                        .intent = intent,
                        .trial = trial.id,
                        .time = trial.what.time(),
                        .from = trial.what.from.layout,
                        .to = trial.what.to.layout};
        proto::Sample& sample = out.sample;
        if (!parse_bounded(row.text(), sample)) wrong = "no sample where one is to be";
        sample.set_scenario(fmt::format("{} trial {}", printable(trial.pool.name, 64), trial.id));
        sample.set_family("trial");
        sample.set_topology("host");
        sample.clear_scores();
        if (trial.what.comparison) {
            add_scores(sample, trial.what, intent);
            out.difference = trial.what.comparison->difference;
        }
        if (sample.schema_version() != feature_schema_version && wrong.empty()) return out;
        if (auto checked = check_sample(sample, "a trial's sample"); !checked)
            wrong = checked.error().message;
        return out;
    };
    const std::string sql = fmt::format(
        "SELECT q.*, intent, sample FROM ({}) q JOIN samples s ON s.trial = q.id"
        " WHERE load_changed = 0 AND from_layout <> to_layout AND difference IS NOT NULL AND"
        " error IS NOT NULL AND ending IN ('{}') ORDER BY s.id",
        trials_sql,
        fmt::join(std::array{to_string(Ending::kept_better), to_string(Ending::kept_unclear),
                             to_string(Ending::reverted_harm), to_string(Ending::reverted_worse),
                             to_string(Ending::reverted_unclear)},
                  "','"));
    auto samples = rows<TrialSample>(database_.prepare(sql.c_str()), path_, read);
    if (!samples) return samples;
    if (!wrong.empty())
        return fail("{}: damaged: {}; move the file away to begin a new one", path_, wrong);
    // What another version of the program measured cannot be measured again, and is no damage.
    std::erase_if(*samples, [](const TrialSample& one) {
        return one.sample.schema_version() != feature_schema_version;
    });
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

} // namespace intellisched::service
