// SPDX-License-Identifier: MIT
// What `history` makes of the journal's entries for people.
#include "src/cli/history_lines.hpp"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::cli;
using namespace intellisched::service;

namespace {

constexpr UnixTime begin = 1'700'000'000'000'000'000;
constexpr Arrangement socket_any{Layout::socket, no_cap}, core_any{Layout::core, no_cap};

UnixTime at(unsigned seconds) { return begin + static_cast<UnixTime>(seconds * second); }

Entry<StoredVerdict> verdict(unsigned seconds, Decision decision, std::optional<Change> target,
                             std::vector<StoredReason> reasons) {
    return {seconds,
            {"Pool-0", 0},
            {.time = at(seconds),
             .decision = decision,
             .target = target,
             .bundle = {},
             .reasons = std::move(reasons)}};
}

Entry<StoredSwitch> change(std::int64_t id, unsigned seconds, bool revert) {
    StoredSwitch what{.revert = revert,
                      .from = revert ? core_any : socket_any,
                      .to = revert ? socket_any : core_any,
                      .asked = at(seconds),
                      .outcome = SwitchOutcome::done,
                      .text = {}};
    return {id, {"Pool-0", 0}, what};
}

Entry<StoredTrial> trial(std::int64_t of, unsigned opened, std::optional<unsigned> closed,
                         const std::string& ending) {
    StoredTrial what{.of = of,
                     .from = socket_any,
                     .to = core_any,
                     .promised = 0.05,
                     .opened = at(opened),
                     .ending = ending};
    if (closed) {
        what.closed = at(*closed);
        what.comparison = Comparison{.difference = -0.04, .error = 0.01};
    }
    return {1, {"Pool-0", 0}, what};
}

/// The text after the time.
std::vector<std::string> texts(const std::vector<HistoryLine>& lines) {
    std::vector<std::string> all;
    for (const HistoryLine& line : lines) all.push_back(text_of(line).substr(21));
    return all;
}
using Texts = std::vector<std::string>;

} // namespace

TEST_CASE("history: a switch, its trial and its way back are one line") {
    const std::vector<Event> events{
        verdict(0, Decision::switch_option, Change{.arrangement = core_any},
                {{"better-layout", "it is"}}),
        change(1, 0, false),
        verdict(20, Decision::keep, {}, {{"trial-running", "3 of 20 windows"}}),
        verdict(60, Decision::revert, Change{.arrangement = socket_any},
                {{"reverted-worse", "it is worse"}}),
        change(2, 60, true),
        trial(1, 0, 60, "reverted-worse"),
    };
    CHECK(texts(in_short(events)) == Texts{"Pool-0  switch from socket to core: reverted-worse "
                                           "(the new one is worse), -4.0% (standard error 1.0%, "
                                           "promised +5.0%); back to socket: done\n"});
    CHECK(each_entry(events).size() == events.size());
    CHECK(texts(each_entry(events))[2] == "Pool-0  keep: 3 of 20 windows\n");
}

TEST_CASE(
    "history: a switch that is on trial, one that failed, and a trial before the first line") {
    std::vector<Event> events{change(1, 0, false), trial(1, 0, {}, "")};
    CHECK(texts(in_short(events)) == Texts{"Pool-0  switch from socket to core: on trial\n"});
    auto waiting = change(1, 0, false);
    waiting.what.outcome = SwitchOutcome::unknown;
    CHECK(texts(in_short({waiting})) ==
          Texts{"Pool-0  switch from socket to core: unknown (the service ended before there was a "
                "result)\n"});
    auto failed = change(1, 0, false);
    failed.what.outcome = SwitchOutcome::failed;
    failed.what.text = "no memory";
    events = {failed, trial(1, 0, {}, "not-applied")};
    CHECK(texts(in_short(events)) ==
          Texts{"Pool-0  switch from socket to core: failed; no memory\n"});
    events = {trial(1, 0, 60, "kept-better"), change(7, 90, true)};
    const auto lines = texts(in_short(events));
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].starts_with(
        "Pool-0  trial from socket to core: kept-better (the new one is better), "));
    CHECK(lines[1] == "Pool-0  revert from core to socket: done\n"); // of no trial
}

TEST_CASE("history: a rate limit's is as short") {
    auto one = change(1, 0, false);
    one.what.to = one.what.from;
    one.what.from_rate_limit_us = 1000;
    one.what.to_rate_limit_us = 3000;
    CHECK(texts(in_short({one})) ==
          Texts{"Pool-0  switch from rate limit 1000 us to rate limit 3000 us: done\n"});
}

TEST_CASE("history: a recommendation is told once, and what happened each time") {
    const Change core{.arrangement = core_any}, limit{.rate_limit_us = 3000};
    const auto recommends = [](unsigned seconds, const Change& what) {
        return verdict(seconds, Decision::recommend, what, {{"mode-recommend", "only so"}});
    };
    const std::vector<Event> events{
        recommends(0, core),  verdict(10, Decision::keep, {}, {{"small-gain", "too little"}}),
        recommends(20, core), verdict(30, Decision::keep, {}, {{"paused-by-hand", "paused"}}),
        recommends(40, core), recommends(50, limit)};
    CHECK(texts(in_short(events)) == Texts{"Pool-0  recommend to core: only so\n",
                                           "Pool-0  paused-by-hand: paused\n",
                                           "Pool-0  recommend to core: only so\n",
                                           "Pool-0  recommend to rate limit 3000 us: only so\n"});
}

TEST_CASE("history: CSV has a field a column, whatever is in a name") {
    auto one = change(1, 0, false);
    one.pool.name = "a,\"b\"";
    auto line = in_short({one, trial(1, 0, 60, "kept-better")})[0];
    CHECK(csv_of(line) == "2023-11-14T22:13:20Z,\"a,\"\"b\"\"\",switch,switch,socket,core,"
                          "kept-better,-0.04,0.01,0.05,\n");
    line = each_entry({verdict(1, Decision::keep, {}, {{"a", "one"}, {"b", "two"}})})[0];
    CHECK(csv_of(line) == "2023-11-14T22:13:21Z,Pool-0,verdict,keep,,,,,,,one; two\n");
    CHECK(std::ranges::count(csv_head, ',') == 10);
}
