// SPDX-License-Identifier: MIT
// The columns of the journal's tables, each named once: writing, reading and the SQL of both follow
// from it. The types are in journal_schema.cpp.
#pragma once

#include "src/service/journal_reader.hpp"

#include <cmath>

namespace intellisched::service {

/// The table of a record.
template<class Record> inline constexpr std::string_view table = "";
template<> inline constexpr std::string_view table<Window> = "windows";
template<> inline constexpr std::string_view table<StoredVerdict> = "verdicts";
template<> inline constexpr std::string_view table<StoredSwitch> = "switches";
template<> inline constexpr std::string_view table<StoredTrial> = "trials";

/// columns(column, record) calls column(name, value) for each column of the record's table, in
/// order. Column may read the value or set it; id and pool are not among them.
template<class Column> void columns(Column&& column, Arrangement& of, const std::string& prefix) {
    column(prefix + "layout", of.layout);
    column(prefix + "max_cpus", of.max_cpus);
}

template<class Column> void columns(Column&& column, Window& window) {
    column("begin", window.begin);
    column("length", window.length);
    columns(column, window.in_force, "");
    column("rate_limit_us", window.rate_limit_us);
    column("coverage", window.coverage);
    column("decisions", window.decisions);
    column("utility", window.utility);
    Prediction prediction = window.prediction.value_or(Prediction{});
    std::optional<Layout> favourite;
    if (window.prediction) favourite = layout_of(prediction.best);
    column("favourite", favourite);
    column("outside_training", prediction.outside_training);
    for (const Layout layout : all_layouts)
        column(fmt::format("p_{}", to_string(layout)), prediction.probability[index(layout)]);
    for (const Layout layout : all_layouts)
        column(fmt::format("gain_{}", to_string(layout)), prediction.expected_gain[index(layout)]);
    if (!favourite) return;
    prediction.best = option_of(*favourite);
    window.prediction = prediction;
}

template<class Column> void columns(Column&& column, StoredVerdict& verdict) {
    std::optional<Layout> target;
    std::optional<unsigned> max_cpus, rate_limit_us;
    if (verdict.target) {
        if (const auto& to = verdict.target->arrangement)
            target = to->layout, max_cpus = to->max_cpus;
        rate_limit_us = verdict.target->rate_limit_us;
    }
    column("time", verdict.time);
    column("decision", verdict.decision);
    column("target_layout", target);
    column("target_max_cpus", max_cpus);
    column("target_rate_limit_us", rate_limit_us);
    column("serial", verdict.serial);
    column("recommended", verdict.recommended);
    column("bundle", verdict.bundle);
    Change change{.arrangement = {}, .rate_limit_us = rate_limit_us};
    if (target) change.arrangement = {*target, max_cpus.value_or(no_cap)};
    if (!change.empty()) verdict.target = change;
}

template<class Column> void columns(Column&& column, StoredSwitch& change) {
    std::optional<SwitchOutcome> result;
    if (change.outcome != SwitchOutcome::waiting) result = change.outcome;
    column("verdict", change.verdict);
    column("serial", change.serial);
    column("revert", change.revert);
    columns(column, change.from, "from_");
    columns(column, change.to, "to_");
    column("from_rate_limit_us", change.from_rate_limit_us);
    column("to_rate_limit_us", change.to_rate_limit_us);
    column("asked", change.asked);
    column("answered", change.answered);
    column("result", result);
    column("text", change.text);
    change.outcome = result.value_or(SwitchOutcome::waiting);
}

/// Of a trial that has ended.
template<class Column> void end_columns(Column&& column, StoredTrial& trial) {
    std::optional<bool> load_changed; // always known, unlike the numbers
    Comparison found{NAN, NAN, NAN, NAN, NAN, NAN, false, false, NAN};
    if (trial.comparison) found = *trial.comparison, load_changed = found.load_changed;
    column("closed", trial.closed);
    column("ending", trial.ending);
    column("difference", found.difference);
    column("error", found.error);
    column("freedom", found.freedom);
    column("correlation", found.correlation);
    column("excused", found.excused);
    column("undeserved", found.undeserved);
    column("load_changed", load_changed);
    column("gain_back", found.gain_back);
    if (!load_changed) return;
    found.load_changed = *load_changed;
    trial.comparison = found;
}

template<class Column> void columns(Column&& column, StoredTrial& trial) {
    column("switch", trial.of);
    columns(column, trial.from, "from_");
    columns(column, trial.to, "to_");
    column("from_rate_limit_us", trial.from_rate_limit_us);
    column("to_rate_limit_us", trial.to_rate_limit_us);
    column("promised", trial.promised);
    column("opened", trial.opened);
    end_columns(column, trial);
}

/// The columns' names in order, separated by commas, and as many question marks.
struct ColumnList {
    std::string names, marks;
    void operator()(std::string_view name, const auto& /*value*/) {
        names.append(names.empty() ? "" : ", ").append(name);
        marks.append(marks.empty() ? "?" : ", ?");
    }
};
template<class Record> ColumnList column_list() {
    ColumnList list;
    Record record;
    columns(list, record);
    return list;
}

} // namespace intellisched::service
