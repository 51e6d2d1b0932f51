// SPDX-License-Identifier: MIT
// Which trials are learnt from: no pool, no week and no lucky trial rules.
#include "src/service/trial_samples.hpp"

#include <doctest/doctest.h>
#include <set>

using namespace intellisched;
using namespace intellisched::service;

namespace {

constexpr std::int64_t day = std::int64_t{86'400} * 1'000'000'000;

void add(std::vector<TrialSample>& to, std::int64_t trial, double difference,
         const std::string& pool = "Pool-0", std::int64_t time = 0, Layout from = Layout::socket,
         Layout target = Layout::core, bool guest_scores = false) {
    for (const char* window : {"before", "after"}) {
        TrialSample one{pool, "balanced", trial, time, from, target, difference, {}};
        one.sample.set_scenario(std::to_string(trial));
        one.sample.set_family(window);
        one.sample.set_guest_scores(guest_scores);
        to.push_back(one);
    }
}

std::set<std::string> taken(const std::vector<TrialSample>& from, bool guest_scores = false) {
    std::set<std::string> out;
    for (const auto& sample : to_learn_from(from, guest_scores)) out.insert(sample.scenario());
    return out;
}

} // namespace

TEST_CASE("trial samples: of repeats the median, with both its windows") {
    std::vector<TrialSample> trials;
    for (const auto& [trial, found] : {std::pair{1, 0.9}, std::pair{2, 0.01}, std::pair{3, 0.02}})
        add(trials, trial, found);
    const auto chosen = to_learn_from(trials, false);
    REQUIRE(chosen.size() == 2);
    CHECK(chosen[0].scenario() == "3");
    CHECK(chosen[0].family() == "before");
    CHECK(chosen[1].family() == "after");
    // One that is repeated without end is no more than that.
    for (int i = 4; i < 1000; ++i) add(trials, i, 0.9);
    CHECK(taken(trials).size() == 1);
}

TEST_CASE("trial samples: a pool's week has a bound, other pools and weeks their own") {
    std::vector<TrialSample> trials;
    std::int64_t trial = 0;
    for (const Layout from : all_layouts)
        for (const Layout to : all_layouts)
            for (int repeat = 0; from != to && repeat < (to == Layout::all ? 2 : 1); ++repeat)
                add(trials, ++trial, 0.1, "a", day, from, to);
    CHECK(taken(trials).size() == trials_a_pool_and_week);
    add(trials, 1000, 0.1, "b", day);
    add(trials, 1001, 0.1, "a", 8 * day);
    const auto chosen = taken(trials);
    CHECK(chosen.size() == trials_a_pool_and_week + 2);
    CHECK(chosen.count("1000") == 1);
    CHECK(chosen.count("1001") == 1);
    // Those with repeats come first: all four ways to `all`.
    std::size_t to_all = 0;
    for (const TrialSample& one : trials)
        to_all += one.to == Layout::all && one.sample.family() == "after" &&
                  chosen.count(std::to_string(one.trial)) > 0;
    CHECK(to_all == 4);
}

TEST_CASE("trial samples: what guests say of themselves is left out unless it is asked for") {
    std::vector<TrialSample> trials;
    add(trials, 1, 0.5, "Pool-0", 0, Layout::socket, Layout::core, true);
    add(trials, 2, 0.1, "Pool-0", 0, Layout::socket, Layout::all);
    CHECK(taken(trials) == std::set<std::string>{"2"});
    CHECK(taken(trials, true) == std::set<std::string>{"1", "2"});
}
