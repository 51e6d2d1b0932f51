// SPDX-License-Identifier: MIT
// What was measured so far: DIR/results.pb, appended to run by run, so that a killed benchmark goes
// on where it was.
#pragma once

#include "bench/experiment/plan.hpp"
#include "src/model/option.hpp"
#include "src/model/score.hpp"
#include "src/proto/records.hpp"

#include <map>
#include <optional>
#include <span>

namespace intellisched::bench {

inline constexpr RecordFormat results_format{"results", 1};
inline constexpr const char* results_name = "results.pb";

struct RunKey {
    std::string entry;
    Layout layout = Layout::cpu;
    unsigned repeat = 0;
    unsigned limit_us = default_rate_limit_us; ///< or whatever a live host has
    friend auto operator<=>(const RunKey&, const RunKey&) = default;
};

/// A layout that is measured with a rate limit.
struct Cell {
    Layout layout = Layout::socket;
    unsigned limit_us = default_rate_limit_us;
    friend auto operator<=>(const Cell&, const Cell&) = default;
};
/// What is measured of an entry: every layout with the default limit, and one of them with the
/// other limits.
[[nodiscard]] std::vector<Cell> cells_of(const Plan& plan, const Entry& entry);
/// The layout that is measured with all rate limits, drawn by the entry's name: socket for every
/// second one, as far as the plan has it. Nothing where the plan wants no rate limits.
[[nodiscard]] std::optional<Layout> limited_layout(const Plan& plan, const Entry& entry);

/// A run as far as samples and report need it.
struct RunResult {
    std::string fingerprint;
    std::string error;               ///< empty: it went well
    std::string simulator, scenario; ///< what made it; empty: not known
    Representatives representatives{};
    bool shared = false; ///< a finer layout gives the same partition: its outcomes count
    LayoutResult result;
    std::vector<std::vector<float>> windows; ///< features of each
    std::vector<float> costs;
};

/// Checks a stored or fresh run as data from outside. Errors: what no run of this program says.
[[nodiscard]] Result<RunResult> outcome_of(const proto::Run& run);

/// The runs that are stored in a directory, the last one of each key; what its program goes on
/// writing meanwhile is left alone. None without a file. Errors: a damaged file; a record that is
/// no run.
[[nodiscard]] Result<std::map<RunKey, RunResult>>
read_results(const std::filesystem::path& directory);

class Results {
  public:
    /// Reads what is there; makes the directory and the file if need be. A torn last record is cut
    /// off. Errors: a damaged file, one that cannot be written; a record that is no run; for root,
    /// a folder or file that others can change.
    [[nodiscard]] static Result<Results> open(const std::filesystem::path& directory);

    /// Stores one run (it replaces an earlier one of its key). Errors: a disk that is full: nothing
    /// is lost then but this run.
    [[nodiscard]] Result<void> add(const proto::Run& run);
    [[nodiscard]] Result<void> sync() { return file_.sync(); }

    /// Whether that run has been made, and went well.
    [[nodiscard]] bool has(const RunKey& key, const std::string& fingerprint) const;
    [[nodiscard]] const RunResult* find(const RunKey& key) const;

  private:
    explicit Results(RecordWriter file) : file_(std::move(file)) {}
    RecordWriter file_;
    std::map<RunKey, RunResult> outcomes_;
};

/// A name for all that decides a run, with the simulator by its identity (live: empty): the same in
/// every process.
[[nodiscard]] std::string fingerprint(const Entry& entry, const proto::Scenario& scenario,
                                      const Plan& plan, unsigned repeat,
                                      const std::string& simulator);

/// A name for a scenario's contents.
[[nodiscard]] std::string identity(const proto::Scenario& scenario);

/// What the options of a knob came to, all else of an entry being the same.
struct Scored {
    const Entry* entry = nullptr;
    Knob knob = Knob::layout;
    Classes classes{};
    std::vector<proto::IntentScores> scores;      ///< one an intent of the plan
    std::array<ScoreParts, option_count> parts{}; ///< means over repeats; NaN: not measured
    /// By option, what was run for it; nothing: neither it nor an equivalent one was.
    std::array<std::optional<Cell>, option_count> measured{};
};

/// The scores of an entry's layouts, with the default rate limit. Errors: a partition of the plan's
/// layouts without a good run of every repeat (the first reason there is).
[[nodiscard]] Result<Scored> score_entry(const Plan& plan, const Entry& entry,
                                         const Results& results);

/// The scores of the rate limits under limited_layout(), which there must be. Errors as above.
[[nodiscard]] Result<Scored> score_limits(const Plan& plan, const Entry& entry,
                                          const Results& results);

/// The samples of what was scored: the windows of all its runs, each with the scores, in the order
/// of options and repeats. None when not all five options were measured.
[[nodiscard]] std::vector<proto::Sample> samples_of(const Plan& plan, const Scored& scored,
                                                    const Results& results);

/// A samples file of both knobs and of all entries that have scores: the same bytes for the same
/// results, in whatever order they came and the plan names its entries. Errors: a sample too large
/// to be stored.
[[nodiscard]] Result<std::string> samples_file(const Plan& plan, std::span<const Entry> entries,
                                               const Results& results);

} // namespace intellisched::bench
