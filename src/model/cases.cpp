// SPDX-License-Identifier: MIT
#include "src/model/cases.hpp"

#include <algorithm>
#include <map>

namespace intellisched {

namespace {

// Above this many groups one model a group takes too long for what it adds.
constexpr std::size_t leave_one_out_limit = 20;
constexpr unsigned grouped_folds = 10;

// Scores this close are one score: they differ by rounding only.
constexpr double tie = 1e-9;

Case make_case(const proto::Sample& sample, const proto::IntentScores& scores) {
    Case one;
    one.sample = &sample;
    one.intent = *intent_from_string(scores.intent());
    one.current = *layout_from_string(sample.current_layout());
    one.representatives = representatives_of(sample);
    for (std::size_t l = 0; l < layout_count; ++l) {
        int members = 0;
        for (std::size_t other = 0; other < layout_count; ++other) {
            if (one.representatives[l] != one.representatives[other]) continue;
            one.score[l] += scores.score(static_cast<int>(other));
            ++members;
        }
        one.score[l] /= members;
    }
    one.best_score = *std::max_element(one.score.begin(), one.score.end());
    for (std::size_t l = 0; l < layout_count; ++l)
        one.best[l] = one.score[l] >= one.best_score * (1 - tie);
    return one;
}

const std::string& group_of(const proto::Sample& sample, Group group) {
    switch (group) {
    case Group::family:
        return sample.family();
    case Group::topology:
        return sample.topology();
    case Group::scenario:
        break;
    }
    return sample.scenario();
}

std::string_view name_of(Group group) {
    switch (group) {
    case Group::family:
        return "workload family";
    case Group::topology:
        return "topology";
    case Group::scenario:
        break;
    }
    return "scenario";
}

// splitmix64: the standard's shuffle may differ between libraries, and folds must not.
std::uint64_t next_random(std::uint64_t& state) {
    std::uint64_t z = state += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
}

} // namespace

int Case::best_count() const {
    return static_cast<int>(std::count(best.begin(), best.end(), true));
}

double Case::advantage() const {
    double others = 0;
    int count = 0;
    for (std::size_t l = 0; l < layout_count; ++l) {
        if (best[l]) continue;
        others += score[l];
        ++count;
    }
    return count == 0 ? 0 : 1 - others / count / best_score;
}

double Case::regret(Layout layout) const { return 1 - score[index(layout)] / best_score; }

Result<std::vector<Case>> make_cases(std::span<const proto::Sample> samples) {
    if (samples.empty()) return fail("no samples; make some (intellisched bench)");
    std::vector<Case> cases;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        if (auto checked = check_sample(samples[i], fmt::format("sample {}", i + 1)); !checked)
            return tl::unexpected(checked.error());
        for (const auto& scores : samples[i].scores())
            cases.push_back(make_case(samples[i], scores));
    }
    return cases;
}

Result<Folds> make_folds(std::span<const Case> cases, Group group, std::uint64_t seed) {
    std::map<std::string_view, unsigned> fold_of; // in the order of the names
    for (const Case& one : cases) fold_of.emplace(group_of(*one.sample, group), 0);
    if (fold_of.size() < 2)
        return fail(
            "the samples are of one {} only, so nothing is left to test on; make samples of "
            "two at least (intellisched bench)",
            name_of(group));
    const bool alone = fold_of.size() <= leave_one_out_limit;
    std::vector<unsigned> order(fold_of.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<unsigned>(i);
    if (!alone)
        for (std::size_t i = order.size() - 1; i > 0; --i)
            std::swap(order[i], order[next_random(seed) % (i + 1)]);

    Folds folds;
    folds.groups = static_cast<unsigned>(fold_of.size());
    folds.count = alone ? folds.groups : grouped_folds;
    std::size_t next = 0;
    for (auto& [name, fold] : fold_of) fold = order[next++] % folds.count;
    for (const Case& one : cases) folds.fold.push_back(fold_of[group_of(*one.sample, group)]);
    return folds;
}

} // namespace intellisched
