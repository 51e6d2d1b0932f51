// SPDX-License-Identifier: MIT
// What `recommend` says to a person.
#include "src/cli/recommendation_text.hpp"
#include "tests/support/files.hpp"

#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::cli;
using namespace intellisched::test;

namespace {

proto::Recommendation some() {
    proto::Recommendation r;
    r.set_pool("Pool-0");
    r.set_current("socket");
    r.set_recommended("core");
    r.set_favoured("core");
    r.set_verdict("switch");
    r.set_windows(5);
    auto* row = r.add_layouts();
    row->set_layout("core");
    row->set_probability(0.25);
    row->set_expected_gain(0.031);
    row->set_runqueues(8);
    return r;
}

proto::FeatureContribution& add(auto* rows, const char* meaning, double value, const char* unit,
                                double contribution) {
    auto* row = rows->Add();
    row->set_meaning(meaning);
    row->set_value(value);
    row->set_unit(unit);
    row->set_contribution(contribution);
    return *row;
}

void usual(proto::FeatureContribution& row, double usual, double least, double most) {
    row.set_usual(usual);
    row.set_least(least);
    row.set_most(most);
}

} // namespace

TEST_CASE("recommendation: numbers only where a window gave them") {
    auto r = some();
    CHECK(contains(recommendation_text(r, "latency"),
                   "core            25.0%          +3.1%          8"));
    CHECK(
        contains(recommendation_text(r, "latency"),
                 "expected gain: of the score of the pool's guests under intent latency, over what "
                 "is current; 1% is worth as much as 1% more work of all guests\n"));
    r.mutable_layouts(0)->set_expected_gain(-0.0002);
    CHECK(contains(recommendation_text(r, "latency"), " 0.0% "));
    r.set_windows(0);
    CHECK(contains(recommendation_text(r, "latency"),
                   "core                -              -          8"));
}

TEST_CASE("recommendation: the row in force is marked, with the cap that cuts it up") {
    auto r = some();
    auto& socket = *r.add_layouts();
    socket.set_layout("socket");
    socket.set_runqueues(1);
    socket.set_in_force(true);
    r.set_runqueues(1);
    r.set_max_cpus(16);
    std::string text = recommendation_text(r, "latency");
    CHECK(contains(text, "layout socket now, intent"));
    CHECK(contains(text, " current\n"));
    CHECK(contains(text, " <- recommended\n"));
    r.set_runqueues(2); // of a socket of 24 CPUs
    text = recommendation_text(r, "latency");
    CHECK(contains(text, "layout socket capped at 16 now, intent"));
    CHECK(contains(text, " current capped at 16: 2 runqueues\n"));
}

TEST_CASE("recommendation: one is no plural") {
    auto r = some();
    r.set_windows(1);
    r.mutable_rate_limit()->set_windows(1);
    const std::string text = recommendation_text(r, "latency");
    CHECK(contains(text, "intent latency, 1 window\n"));
    CHECK(contains(text, "verdict of 1 window: "));
}

TEST_CASE("recommendation: what to do and the way back") {
    auto r = some();
    CHECK_FALSE(contains(recommendation_text(r, "latency"), "to do it"));
    r.set_command("intellisched apply --pool Pool-0 --layout core");
    r.set_undo("intellisched apply --pool Pool-0 --layout socket --max-cpus 16");
    CHECK(contains(recommendation_text(r, "latency"),
                   "to do it:        intellisched apply --pool Pool-0 --layout core\n"
                   "and to undo it:  intellisched apply --pool Pool-0 --layout socket --max-cpus "
                   "16\n"));
}

TEST_CASE("recommendation: what it takes, how often it is wrong, and how to see what it does") {
    auto r = some();
    r.set_needed_gain(0.01);
    CHECK(contains(recommendation_text(r, "latency"), "\na switch needs +1.0%; the service"));
    CHECK_FALSE(contains(recommendation_text(r, "latency"), "had not seen"));
    CHECK_FALSE(contains(recommendation_text(r, "latency"), "to see what a change does"));
    r.mutable_rate_limit()->set_needed_gain(0.02);
    r.mutable_rate_limit()->set_command("intellisched apply --pool Pool-0 --rate-limit 3000");
    auto& told = *r.mutable_model()->mutable_held_out();
    told.set_accuracy(0.56);
    told.set_regret(0.016);
    told.set_default_regret(0.024);
    const std::string text = recommendation_text(r, "latency");
    CHECK(contains(text,
                   "\na switch needs +1.0% of a layout and +2.0% of a rate limit, where advice "
                   "is wrong more often; the service"));
    CHECK(contains(
        text, "\non workloads that it had not seen, its layout was the best in 56% of the cases, "
              "and 1.6% behind the best in the mean, as the boot default is by 2.4%\n"));
    CHECK(contains(text, "\nto see what a change does: `intellisched record` before"));
}

TEST_CASE("recommendation: an explanation has the units of people and what is usual") {
    auto r = some();
    auto* rows = r.mutable_explanation();
    usual(add(rows, "mean sleep", 34'000, "us", 0.8), 3'100, 20, 990'000);
    usual(add(rows, "vCPUs woken", 100, "1/s a CPU", -0.2), 150, 3, 10'000);
    usual(add(rows, "time with no CPU idle", 0.02, "fraction", 0.05), 0.11, 0, 1);
    usual(add(rows, "block bytes", 5e7, "B/s", 0.2), 4e7, 0, 2e8);
    add(rows, "the intent is latency", 1, "0 or 1", 0.2);
    add(rows, "the machine's smt_speed", 0.7, "", 0.2);
    add(rows, "median sleep", 0, "us", 0.2).clear_value();
    auto& limit = *r.mutable_rate_limit();
    limit.set_favoured_us(3000);
    usual(add(limit.mutable_explanation(), "median stretch of running", 2.5e6, "us", -0.5), 1e4, 1,
          1e6);
    const std::string text = recommendation_text(r, "latency");
    for (
        const char* line : {
            "what the model saw that speaks for core and against core, the weightiest first:",
            "  - strongly for: mean sleep: 34 ms, more than usual (3.1 ms); 20 us to 990 ms in the "
            "training",
            "  - clearly against: vCPUs woken: 100 a second and CPU, as usual (150 a second and "
            "CPU); 3 to 10000 a second and CPU in the training",
            "  - slightly for: time with no CPU idle: 2%, less than usual (11%); 0% to 100% in the "
            "training",
            "  - clearly for: block bytes: 50 MB/s, as usual (40 MB/s); 0 kB/s to 200 MB/s in the "
            "training",
            "  - clearly for: the intent is latency: yes",
            "  - clearly for: the machine's smt_speed: 0.7",
            "  - clearly for: median sleep: not seen",
            "what the model saw that speaks for 3000 us and against 3000 us, the weightiest first:",
            "  - strongly against: median stretch of running: 2.5 s, more than usual (10 ms); 1 us "
            "to 1 s in the training",
        })
        CHECK_MESSAGE(contains(text, std::string("\n") + line + "\n"), text);
}
