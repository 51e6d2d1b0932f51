// SPDX-License-Identifier: MIT
// What the journal keeps: it comes back as it was, by pool, time and kind, and is forgotten in
// time.
#include "src/policy/state_message.hpp"
#include "tests/policy/policy_world.hpp"
#include "tests/service/journal_steps.hpp"

#include <cmath>

using namespace intellisched;
using namespace intellisched::test;
using namespace intellisched::service;

namespace {

/// The entries of one kind, newest first.
template<class What>
std::vector<Entry<What>> all(const JournalReader& journal, Filter filter = {}) {
    const auto events = journal.history(filter);
    REQUIRE(events);
    std::vector<Entry<What>> out;
    for (const Event& event : *events)
        if (const auto* one = std::get_if<Entry<What>>(&event)) out.push_back(*one);
    return out;
}

void record(Journal& journal, const Step& step) {
    const auto recorded = journal.record(step);
    if (!recorded) FAIL(recorded.error().message);
}

Window window_at(UnixTime begin) {
    return {.begin = begin,
            .length = second,
            .in_force = {Layout::node, 8},
            .rate_limit_us = 0,
            .coverage = 0.95,
            .decisions = 12345,
            .utility = -0.25,
            .prediction = Prediction{{0.1, 0.2, 0.3, 0.15, 0.25},
                                     {0.01, -0.02, 0, 0.03, -0.5},
                                     option_of(Layout::core),
                                     0.125}};
}

} // namespace

TEST_CASE("a window comes back as it was, with a prediction and without") {
    const Folder folder;
    Journal journal = open_journal(folder.journal());
    const Window window = window_at(epoch);
    Window poor{.begin = epoch + 1, .utility = NAN};
    // What no window can have is no reason to lose the step.
    poor.decisions = ~std::uint64_t{0};
    poor.coverage = NAN;
    record(journal, {.pool = {"Pool-0", 3}, .time = epoch, .window = &window});
    record(journal, {.pool = {"Pool-0", 4}, .time = epoch, .window = &poor});
    const auto found = journal.windows({});
    REQUIRE(found);
    REQUIRE(found->size() == 2);
    const Entry<Window>& one = found->at(1);
    CHECK(one.id == 1);
    CHECK(one.pool.name == "Pool-0");
    CHECK(one.pool.id == 3);
    CHECK(one.what.begin == epoch);
    CHECK(one.what.length == second);
    CHECK(one.what.in_force == window.in_force);
    CHECK(one.what.rate_limit_us == 0);
    CHECK(one.what.coverage == 0.95);
    CHECK(one.what.decisions == 12345);
    CHECK(one.what.utility == -0.25);
    REQUIRE(one.what.prediction);
    CHECK(one.what.prediction->best == option_of(Layout::core));
    CHECK(one.what.prediction->outside_training == 0.125);
    CHECK(one.what.prediction->probability == window.prediction->probability);
    CHECK(one.what.prediction->expected_gain == window.prediction->expected_gain);
    const Entry<Window>& other = found->at(0);
    CHECK(other.pool.id == 4);
    CHECK(other.what.decisions == ~std::uint64_t{0});
    CHECK(std::isnan(other.what.utility));
    CHECK(std::isnan(other.what.coverage));
    CHECK_FALSE(other.what.prediction);
    CHECK_FALSE(other.what.rate_limit_us);
}

TEST_CASE("a switch, its result, its trial and the end of it come back as they were") {
    const Folder folder;
    Journal journal = open_journal(folder.journal());
    const Round first(1);
    record(journal, first.step());

    auto verdicts = all<StoredVerdict>(journal);
    REQUIRE(verdicts.size() == 1);
    CHECK(verdicts[0].what.time == epoch + static_cast<UnixTime>(second));
    CHECK(verdicts[0].what.decision == Decision::switch_option);
    CHECK(verdicts[0].what.target == Change{.arrangement = core_any});
    CHECK(verdicts[0].what.serial == 1u);
    CHECK(verdicts[0].what.bundle == "b1");
    CHECK_FALSE(verdicts[0].what.recommended);
    REQUIRE(verdicts[0].what.reasons.size() == 3);
    CHECK(verdicts[0].what.reasons[1].code == "agreement");
    CHECK(verdicts[0].what.reasons[1].text == "5 of 5");
    auto switches = all<StoredSwitch>(journal);
    REQUIRE(switches.size() == 1);
    CHECK(switches[0].what.verdict == verdicts[0].id);
    CHECK(switches[0].what.outcome == SwitchOutcome::waiting);
    CHECK(switches[0].what.from == socket_16);
    CHECK(switches[0].what.to == core_any);
    CHECK_FALSE(switches[0].what.answered);
    auto trials = journal.open_trials();
    REQUIRE(trials);
    REQUIRE(trials->size() == 1);
    CHECK(trials->at(0).what.of == switches[0].id);
    CHECK(trials->at(0).what.promised == 0.07);
    CHECK(trials->at(0).what.opened == verdicts[0].what.time);
    CHECK_FALSE(trials->at(0).what.comparison);

    // The result; then the trial ends, and the old layout is asked for.
    State state = first.state;
    const ApplyResult failed{.serial = 1, .done = false, .text = "no\nmemory"};
    record(journal, {.pool = {"Pool-0", 0}, .time = epoch + 5, .answer = &failed, .state = &state});
    const ApplyResult late{.serial = 1, .done = true};
    record(journal, {.pool = {"Pool-0", 0}, .time = epoch + 6, .answer = &late, .state = &state});
    state.trial.reset();
    state.serial = 2;
    state.pool->in_force = core_any;
    PoolVerdict back;
    back.decision = Decision::revert;
    back.target = {.arrangement = socket_16};
    back.serial = 2;
    back.trial = report(Ending::reverted_worse);
    back.evidence.emplace().option = option_of(Layout::node);
    record(journal, {.pool = {"Pool-0", 0}, .time = epoch + 7, .verdict = &back, .state = &state});

    verdicts = all<StoredVerdict>(journal, {.kind = Kind::verdict, .limit = 1});
    REQUIRE(verdicts.size() == 1);
    switches = all<StoredSwitch>(journal, {.kind = Kind::change});
    REQUIRE(switches.size() == 2);
    CHECK(switches[0].what.outcome ==
          SwitchOutcome::failed); // asked a second later than the revert
    CHECK(switches[0].what.text == "no?memory");
    CHECK(switches[0].what.answered == epoch + 5);
    CHECK(switches[1].what.revert);
    CHECK(switches[1].what.from == core_any);
    CHECK(switches[1].what.to == socket_16);
    const auto last = journal.last_verdicts();
    REQUIRE(last);
    REQUIRE(last->size() == 1);
    CHECK(last->at(0).what.decision == Decision::revert);
    CHECK(last->at(0).what.recommended == Layout::node);
    trials = journal.open_trials();
    REQUIRE(trials);
    CHECK(trials->empty());
    const auto closed = all<StoredTrial>(journal);
    REQUIRE(closed.size() == 1);
    CHECK(closed[0].what.ending == "reverted-worse");
    CHECK(closed[0].what.closed == epoch + 7);
    REQUIRE(closed[0].what.comparison);
    const Comparison& found = *closed[0].what.comparison;
    CHECK(found.difference == 0.05);
    CHECK(found.error == 0.01);
    CHECK(found.freedom == 12.5);
    CHECK(found.correlation == 0.3);
    CHECK(found.excused == 0.002);
    CHECK(found.undeserved == 0.001);
    CHECK(found.load_changed);
    CHECK(found.gain_back == -0.04);

    const auto counts = journal.counts();
    REQUIRE(counts);
    REQUIRE(counts->size() == 1);
    CHECK(counts->at(0).pool == "Pool-0");
    CHECK(counts->at(0).switches == 0);
    CHECK(counts->at(0).reverts == 0);
    CHECK(counts->at(0).failed == 1);
    const ApplyResult done{.serial = 2, .done = true};
    record(journal, {.pool = {"Pool-0", 0}, .time = epoch + 8, .answer = &done, .state = &state});
    CHECK(journal.counts()->at(0).reverts == 1);
}

TEST_CASE("a state comes back, of the boot that it is of") {
    const Folder folder;
    World world;
    for (int i = 0; i < 40; ++i) {
        world.time += second;
        (void)world.feed(world.next());
    }
    {
        Journal journal = open_journal(folder.journal());
        record(journal, {.pool = {"a", 1}, .time = epoch + 9, .state = &world.state});
        const auto none = journal.state("b");
        REQUIRE(none);
        CHECK_FALSE(none->has_value());
    }
    Journal journal = open_journal(folder.journal(), "boot-2");
    auto found = journal.state("a");
    REQUIRE(found);
    REQUIRE(found->has_value());
    CHECK((*found)->boot == "boot-1");
    CHECK((*found)->stored == epoch + 9);
    CHECK(message_of((*found)->state).SerializeAsString() ==
          message_of(world.state).SerializeAsString());
    record(journal, {.pool = {"a", 2}, .time = epoch, .state = &world.state});
    CHECK(journal.state("a").value()->boot == "boot-2");
}

TEST_CASE("a switch that the service before did not hear of is unknown") {
    const Folder folder;
    {
        Journal journal = open_journal(folder.journal());
        record(journal, Round(1).step());
    }
    Journal journal = open_journal(folder.journal());
    CHECK(journal.warning().empty());
    auto switches = all<StoredSwitch>(journal);
    REQUIRE(switches.size() == 1);
    CHECK(switches[0].what.outcome == SwitchOutcome::unknown);
    CHECK(journal.open_trials()->size() == 1); // the policy goes on with it

    // A policy that began anew knows of no trial, and gives the same serial again.
    record(journal, Round(1).step());
    const State empty;
    const ApplyResult done{.serial = 1, .done = true};
    record(journal, {.pool = {"Pool-0", 0}, .time = epoch, .answer = &done, .state = &empty});
    switches = all<StoredSwitch>(journal);
    REQUIRE(switches.size() == 2);
    CHECK(switches[0].what.outcome == SwitchOutcome::done);
    CHECK(switches[1].what.outcome == SwitchOutcome::unknown);
    CHECK(journal.open_trials()->empty());
    for (const auto& trial : all<StoredTrial>(journal)) CHECK(trial.what.ending == "unrecorded");
}

TEST_CASE("the end of a trial that could not be opened is kept") {
    const Folder folder;
    Journal journal = open_journal(folder.journal());
    const State state;
    PoolVerdict verdict;
    verdict.trial = report(Ending::not_applied);
    record(journal, {.pool = {"p", 0}, .time = epoch, .verdict = &verdict, .state = &state});
    const auto trials = all<StoredTrial>(journal);
    REQUIRE(trials.size() == 1);
    CHECK_FALSE(trials[0].what.opened);
    CHECK(trials[0].what.ending == "not-applied");
    CHECK(trials[0].what.time() == epoch);
}

TEST_CASE("a step that acts without what belongs to it is turned down, and nothing of it kept") {
    const Folder folder;
    Journal journal = open_journal(folder.journal());
    const Round round(1);
    Step step = round.step();
    step.state = nullptr;
    CHECK_FALSE(journal.record(step));
    State state = round.state;
    step.state = &state;
    state.trial.reset();
    CHECK_FALSE(journal.record(step));
    state = round.state;
    state.pool.reset();
    CHECK_FALSE(journal.record(step));
    const ApplyResult answer{.serial = 1, .done = true};
    CHECK_FALSE(journal.record({.pool = {"Pool-0", 0}, .answer = &answer}));
    CHECK(journal.history({})->empty());
    CHECK_FALSE(journal.state("Pool-0").value());
}

TEST_CASE("the history is filtered by pool, time and kind, newest first") {
    const Folder folder;
    Journal journal = open_journal(folder.journal());
    for (std::uint64_t n = 1; n <= 4; ++n) {
        record(journal, Round(n).step("left"));
        record(journal, Round(n).step("right"));
    }
    const auto seconds = [](int n) { return epoch + n * static_cast<UnixTime>(second); };
    CHECK(all<StoredVerdict>(journal).size() == 8);
    CHECK(all<StoredSwitch>(journal, {.pool = "left"}).size() == 4);
    CHECK(journal.history({.pool = "neither"})->empty());
    CHECK(journal.history({.pool = "left' OR '1' = '1"})->empty());
    CHECK(journal.history({.pool = "left"})->size() == 12);
    CHECK(journal.history({.pool = "left", .kind = Kind::trial})->size() == 4);
    CHECK(journal.history({.limit = 0})->empty());
    CHECK(journal.history({.limit = ~std::size_t{0}})->size() == 24);

    const auto between = all<StoredVerdict>(
        journal,
        {.pool = "right", .since = seconds(2), .until = seconds(3), .kind = Kind::verdict});
    REQUIRE(between.size() == 2);
    CHECK(between[0].what.serial == 3u);
    CHECK(between[1].what.serial == 2u);
    CHECK(between[0].pool.name == "right");

    // Of a step, what follows from another first; a trial counts when it ended.
    const auto events = journal.history({.pool = "left", .limit = 5}).value();
    REQUIRE(events.size() == 5);
    REQUIRE(std::holds_alternative<Entry<StoredTrial>>(events[0]));
    CHECK_FALSE(std::get<Entry<StoredTrial>>(events[0]).what.closed);
    REQUIRE(std::holds_alternative<Entry<StoredTrial>>(events[1]));
    CHECK(std::get<Entry<StoredTrial>>(events[1]).what.closed == seconds(4));
    CHECK(std::holds_alternative<Entry<StoredSwitch>>(events[2]));
    CHECK(std::holds_alternative<Entry<StoredVerdict>>(events[3]));
    CHECK(std::holds_alternative<Entry<StoredTrial>>(events[4]));

    const auto last = journal.last_verdicts().value();
    REQUIRE(last.size() == 2);
    CHECK(last[0].pool.name == "left");
    CHECK(last[1].what.serial == 4u);
    CHECK(last[1].what.reasons.size() == 3);
    CHECK(journal.open_trials()->size() == 2);
    const auto counts = journal.counts().value();
    REQUIRE(counts.size() == 2);
    CHECK(counts[1].switches == 3);
}

TEST_CASE("windows and idle verdicts are forgotten in batches; what was done is kept") {
    const Folder folder;
    Journal journal = open_journal(folder.journal());
    PoolVerdict idle;
    idle.decision = Decision::keep;
    idle.reasons = {{"dwell", "too soon"}};
    for (int i = 0; i < 25; ++i) {
        const Window window = window_at(epoch + i);
        record(journal, {.pool = {"p", 0},
                         .time = epoch + i,
                         .window = &window,
                         .verdict = i < 5 ? &idle : nullptr});
    }
    record(journal, Round(1).step("p"));
    CHECK(journal.prune(epoch + 20, epoch + 3, 12) == true);
    CHECK(journal.windows({})->size() == 13);
    CHECK(all<StoredVerdict>(journal).size() == 3);
    CHECK(journal.prune(epoch + 20, epoch + 3, 12) == false);
    const auto left = journal.windows({}).value();
    REQUIRE(left.size() == 5);
    CHECK(left.back().what.begin == epoch + 20);

    constexpr UnixTime end = std::numeric_limits<UnixTime>::max();
    CHECK(journal.prune(end, end) == false);
    CHECK(journal.windows({})->empty());
    const auto verdicts = all<StoredVerdict>(journal);
    REQUIRE(verdicts.size() == 1);
    CHECK(verdicts[0].what.decision == Decision::switch_option);
    CHECK(verdicts[0].what.reasons.size() == 3);
    CHECK(all<StoredSwitch>(journal).size() == 1);

    // An id is never used again.
    const Window window = window_at(epoch);
    record(journal, {.pool = {"p", 0}, .time = epoch, .window = &window});
    CHECK(journal.windows({})->at(0).id == 26);
}

TEST_CASE("any bytes for a name or a reason are kept") {
    const Folder folder;
    Journal journal = open_journal(folder.journal());
    using namespace std::string_literals;
    const std::string odd = "a\0b'\";\xff\xfe\n"s;
    Round round(1);
    round.verdict.reasons = {{odd, odd}, {"", ""}};
    record(journal, round.step(odd));
    record(journal, Round(1).step(""));
    const auto verdicts = all<StoredVerdict>(journal, {.pool = odd});
    REQUIRE(verdicts.size() == 1);
    CHECK(verdicts[0].pool.name == odd);
    REQUIRE(verdicts[0].what.reasons.size() == 2);
    CHECK(verdicts[0].what.reasons[0].code == odd);
    CHECK(verdicts[0].what.reasons[0].text == odd);
    CHECK(all<StoredVerdict>(journal, {.pool = ""}).size() == 1);
}
