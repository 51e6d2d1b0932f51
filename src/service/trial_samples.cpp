// SPDX-License-Identifier: MIT
#include "src/service/trial_samples.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace intellisched::service {
namespace {

constexpr std::int64_t week = std::int64_t{7} * 86'400 * 1'000'000'000;

using Repeats = std::map<std::int64_t, double>; ///< difference, by trial

std::int64_t median_of(const Repeats& repeats) {
    std::vector<std::pair<double, std::int64_t>> sorted;
    for (const auto& [trial, difference] : repeats) sorted.emplace_back(difference, trial);
    std::sort(sorted.begin(), sorted.end());
    return sorted[(sorted.size() - 1) / 2].second;
}

} // namespace

std::vector<proto::Sample> to_learn_from(std::vector<TrialSample> samples, bool guest_scores) {
    if (!guest_scores)
        std::erase_if(samples, [](const TrialSample& one) { return one.sample.guest_scores(); });
    using Kind = std::tuple<Layout, Layout, std::string>;
    std::map<std::pair<std::string, std::int64_t>, std::map<Kind, Repeats>> weeks;
    for (const TrialSample& one : samples)
        weeks[{one.pool, one.time / week}][{one.from, one.to, one.intent}][one.trial] =
            one.difference;
    std::set<std::int64_t> chosen;
    for (const auto& [of, kinds] : weeks) {
        std::vector<const Repeats*> most;
        for (const auto& [kind, repeats] : kinds) most.push_back(&repeats);
        std::stable_sort(most.begin(), most.end(),
                         [](const Repeats* a, const Repeats* b) { return a->size() > b->size(); });
        most.resize(std::min(most.size(), trials_a_pool_and_week));
        for (const Repeats* repeats : most) chosen.insert(median_of(*repeats));
    }
    std::vector<proto::Sample> out;
    for (TrialSample& one : samples)
        if (chosen.count(one.trial) > 0) out.push_back(std::move(one.sample));
    return out;
}

} // namespace intellisched::service
