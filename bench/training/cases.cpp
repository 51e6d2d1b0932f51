// SPDX-License-Identifier: MIT
#include "bench/training/cases.hpp"

#include "src/base/random.hpp"
#include "src/model/score.hpp"

#include <algorithm>
#include <cmath>
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
    one.current = *option_from_string(*knob_of(sample), sample.current());
    one.classes = classes_of(sample);
    const auto measured = [&](Option option) {
        return !std::isnan(scores.score(static_cast<int>(index(option))));
    };
    for (const Option option : all_options) {
        const auto members =
            std::count_if(all_options.begin(), all_options.end(), [&](Option other) {
                return one.equivalent(option, other) && measured(other);
            });
        double score = members > 0 ? 0 : NAN, spread = score;
        for (const Option other : all_options) {
            if (!one.equivalent(option, other) || !measured(other)) continue;
            const int at = static_cast<int>(index(other));
            score += scores.score(at) / static_cast<double>(members);
            spread +=
                (scores.spread().empty() ? NAN : scores.spread(at)) / static_cast<double>(members);
        }
        one.score[index(option)] = score;
        one.spread[index(option)] = spread;
    }
    one.repeats.resize(static_cast<std::size_t>(scores.repeat_size()) / option_count);
    for (std::size_t r = 0; r < one.repeats.size(); ++r)
        for (std::size_t l = 0; l < option_count; ++l)
            one.repeats[r][l] = scores.repeat(static_cast<int>(r * option_count + l));
    for (const double score : one.score) one.best_score = std::fmax(one.best_score, score);
    for (std::size_t l = 0; l < option_count; ++l)
        one.best[l] = one.score[l] >= one.best_score * (1 - tie);
    return one;
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

} // namespace

const std::string& group_of(const Case& one, Group group) {
    switch (group) {
    case Group::family:
        return one.sample->family();
    case Group::topology:
        return one.sample->topology();
    case Group::scenario:
        break;
    }
    return one.sample->scenario();
}

int Case::members(Option option) const {
    return static_cast<int>(std::count(classes.begin(), classes.end(), classes[index(option)]));
}

double Case::regret(Option option) const { return 1 - score[index(option)] / best_score; }

bool Case::complete() const {
    return std::none_of(score.begin(), score.end(), [](double one) { return std::isnan(one); });
}

Result<std::vector<Case>> make_cases(std::span<const proto::Sample> samples) {
    if (samples.empty()) return fail("no samples; make some (intellisched bench)");
    std::vector<Case> cases;
    const std::uint32_t first = score_version_of(samples.front());
    for (std::size_t i = 0; i < samples.size(); ++i) {
        TRY(check_sample(samples[i], fmt::format("sample {}", i + 1)));
        if (const auto version = score_version_of(samples[i]); version != first)
            return fail("sample {} ({}) was scored by version {} of the score, the first one by "
                        "version {}; score them all by one: run intellisched bench again on the "
                        "finished folders",
                        i + 1, printable(samples[i].scenario(), 64), version, first);
        if (knob_of(samples[i]) != knob_of(samples.front()))
            return fail(
                "sample {} ({}) is about another knob than the first one; train a model for "
                "each (--knob)",
                i + 1, printable(samples[i].scenario(), 64));
        for (const auto& scores : samples[i].scores())
            cases.push_back(make_case(samples[i], scores));
    }
    return cases;
}

Result<Folds> make_folds(std::span<const Case> cases, Group group, std::uint64_t seed,
                         unsigned most) {
    std::map<std::string_view, unsigned> fold_of; // in the order of the names
    for (const Case& one : cases) fold_of.emplace(group_of(one, group), 0);
    if (fold_of.size() < 2)
        return fail(
            "the samples are of one {} only, so nothing is left to test on; make samples of "
            "two at least (intellisched bench)",
            name_of(group));
    const bool alone = fold_of.size() <= (most > 0 ? most : leave_one_out_limit);
    std::vector<unsigned> order(fold_of.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<unsigned>(i);
    if (!alone)
        for (std::size_t i = order.size() - 1; i > 0; --i)
            std::swap(order[i], order[splitmix64(seed) % (i + 1)]);

    Folds folds;
    folds.groups = static_cast<unsigned>(fold_of.size());
    folds.count = alone ? folds.groups : most > 0 ? most : grouped_folds;
    std::size_t next = 0;
    for (auto& [name, fold] : fold_of) fold = order[next++] % folds.count;
    for (const Case& one : cases) folds.fold.push_back(fold_of[group_of(one, group)]);
    return folds;
}

} // namespace intellisched
