// SPDX-License-Identifier: MIT
// Reading the service's journal: by the service itself, and beside it by the command line. What the
// entries are follows src/policy; the tables are in journal_schema.cpp.
#pragma once

#include "src/policy/machine.hpp"
#include "src/policy/protection.hpp"
#include "src/proto/model.pb.h"
#include "src/service/host_calls.hpp"
#include "src/service/sqlite.hpp"
#include "src/service/trial_samples.hpp"

#include <limits>
#include <variant>

namespace intellisched::service {

/// An entry of the journal. Ids are never used twice.
template<class What> struct Entry {
    std::int64_t id = 0;
    PoolName pool;
    What what;
};

struct Window {
    UnixTime begin = 0;
    Nanoseconds length = 0;
    Arrangement in_force = {};                  ///< during all of it
    std::optional<unsigned> rate_limit_us = {}; ///< in force as it was read last; nothing: not told
    double coverage = 0;
    std::uint64_t decisions = 0;
    double utility = 0; ///< live score; NaN: none
    std::optional<Prediction> prediction = {};
};

struct StoredReason {
    std::string code, text;
};

struct StoredVerdict {
    UnixTime time = 0;
    Decision decision = Decision::abstain;
    std::optional<Change> target = {};        ///< of a switch, a revert or a recommendation
    std::optional<std::uint64_t> serial = {}; ///< of a switch or a revert
    std::optional<Layout> recommended = {};   ///< by judge(), whatever may be done
    std::string bundle;                       ///< id of the model
    std::vector<StoredReason> reasons;
};

/// Codes of reasons that tell what happened to a pool, beside switches and trials.
inline constexpr std::array<std::string_view, 18> happenings{
    "paused-by-hand", "resumed",          "foreign-change",       "advice-followed",
    "pool-anew",      "topology-changed", "breaker-tripped",      "pool-gone",
    "leaving",        "returned-to-boot", "not-returned-to-boot", "weight-raised",
    "weight-eased",   "weight-kept",      "weight-reverted",      "weight-restored",
    "weight-refused", "weight-foreign"};

enum class SwitchOutcome : std::uint8_t {
    waiting, ///< no result yet
    done,
    failed,
    unknown, ///< the service ended before there was a result
};
/// "waiting", "done", "failed" or "unknown".
[[nodiscard]] std::string_view to_string(SwitchOutcome outcome);

struct StoredSwitch {
    std::int64_t verdict = 0; ///< id of what asked for it
    std::uint64_t serial = 0;
    bool revert = false;
    Arrangement from, to;
    std::optional<unsigned> from_rate_limit_us = {}, to_rate_limit_us = {}; ///< as of a Window
    UnixTime asked = 0;
    std::optional<UnixTime> answered = {}; ///< done or failed
    SwitchOutcome outcome = SwitchOutcome::waiting;
    std::string text; ///< why it failed
};

struct StoredTrial {
    std::optional<std::int64_t> of = {}; ///< id of the switch that it tries
    Arrangement from, to;
    std::optional<unsigned> from_rate_limit_us = {}, to_rate_limit_us = {}; ///< as of a Window
    double promised = 0;
    std::optional<UnixTime> opened = {}; ///< nothing: could not be recorded then
    std::optional<UnixTime> closed = {};
    std::string ending; ///< a name of Ending, "unrecorded", or "" while it is open
    std::optional<Comparison> comparison = {}; ///< of a closed one

    /// Of its latest news.
    [[nodiscard]] UnixTime time() const { return closed ? *closed : opened.value_or(0); }
};

struct StoredState {
    State state;
    UnixTime stored = 0;
    std::string boot; ///< id of the boot it is of; another one than now: the host was rebooted
};

/// A guest that is protected, as of the boot whose clock its times are of.
struct StoredProtection {
    std::string guest; ///< its name
    std::string boot = {};
    std::uint64_t uuid = 0; ///< uuid_hash()
    unsigned domain = 0;    ///< a guest that was started again has another, and its first weight
    Protection state = {};  ///< without its windows
};

/// Ordered by time: that of a verdict, that at which a switch was asked for, that of the latest
/// news of a trial.
using Event = std::variant<Entry<StoredVerdict>, Entry<StoredSwitch>, Entry<StoredTrial>>;
enum class Kind : std::uint8_t { verdict, change, trial }; // as in Event

struct Filter {
    std::optional<std::string> pool = {}; ///< its name
    UnixTime since = std::numeric_limits<UnixTime>::min();
    UnixTime until = std::numeric_limits<UnixTime>::max(); ///< not after it
    std::optional<Kind> kind = {};                         ///< of no meaning for windows
    /// Of verdicts only those that recommend something, or tell of happenings.
    bool telling = false;
    std::size_t limit = 100; ///< at most so many, the newest
};

/// Since the journal was begun.
struct Counts {
    std::string pool;
    std::uint64_t switches = 0, reverts = 0; ///< that were done
    std::uint64_t failed = 0;                ///< applies, of either
};

class JournalReader {
  public:
    /// Opens a journal for reading, beside the service or without it. Nothing in it is changed.
    /// Errors: there is none, or it is damaged, of a newer version or of another program.
    [[nodiscard]] static Result<JournalReader> open(const std::filesystem::path& path);

    /// Newest first; of the same time, what follows from another first.
    [[nodiscard]] Result<std::vector<Event>> history(const Filter& filter) const;
    /// Newest first.
    [[nodiscard]] Result<std::vector<Entry<Window>>> windows(const Filter& filter) const;
    /// The last verdict of each pool that has one, by the pools' names.
    [[nodiscard]] Result<std::vector<Entry<StoredVerdict>>> last_verdicts() const;
    /// The open trial of each pool that has one, by the pools' names.
    [[nodiscard]] Result<std::vector<Entry<StoredTrial>>> open_trials() const;
    /// What trials have found, for to_learn_from() to choose from, oldest first: the last window
    /// before each switch and the last one in its trial, with the two layouts' scores under the
    /// pool's intent. Only of trials that were compared to their end, on one load, and with
    /// features of this version of the program. Errors: also a journal of a version that kept none.
    [[nodiscard]] Result<std::vector<TrialSample>> samples() const;
    /// Of each pool that was ever asked to switch, by name.
    [[nodiscard]] Result<std::vector<Counts>> counts() const;
    /// The policy's state of the pool of that name; nothing when none was stored. Errors: also a
    /// state that cannot be parsed. Then begin with a new one, which replaces it when it is
    /// recorded.
    [[nodiscard]] Result<std::optional<StoredState>> state(const std::string& pool) const;
    /// All of them. Errors: also one that is damaged.
    [[nodiscard]] Result<std::vector<StoredProtection>> protections() const;

  protected:
    JournalReader(Database database, std::string path)
        : database_(std::move(database)), path_(std::move(path)) {}

    Database database_;
    std::string path_;
};

} // namespace intellisched::service
