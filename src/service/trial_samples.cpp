// SPDX-License-Identifier: MIT
#include "src/service/trial_samples.hpp"

#include <algorithm>
#include <cmath>
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

/// Whether a trial that ended so measured what the layout does.
bool measured(Ending ending) {
    switch (ending) {
    case Ending::kept_better:
    case Ending::kept_unclear:
    case Ending::reverted_harm:
    case Ending::reverted_worse:
    case Ending::reverted_unclear:
        return true;
    case Ending::kept_predicted: // the load or the guests changed
    case Ending::went_back:
    case Ending::reverted_changed:
    case Ending::reverted_predicted:
    case Ending::reverted_untested:
    case Ending::voided_mode:
    case Ending::voided_intent:
    case Ending::voided_topology:
    case Ending::voided_foreign:
    case Ending::voided_rate_limit:
    case Ending::voided_layout:
    case Ending::voided_reboot:
    case Ending::voided_gone:
    case Ending::voided_stop:
    case Ending::not_applied:
        break;
    }
    return false;
}

} // namespace

std::optional<proto::IntentScores> lesson_of(std::string_view ending, Layout from, Layout to,
                                             const std::optional<Comparison>& found) {
    const auto ended = ending_from_string(ending);
    if (!ended || !measured(*ended) || from == to || !found || found->load_changed ||
        std::isnan(found->difference) || std::isnan(found->error))
        return std::nullopt;
    // A difference that the load may explain is not the layout's, here as for the policy.
    const double difference = found->difference > 0
                                  ? std::max(found->difference - found->undeserved, 0.0)
                                  : std::min(found->difference + found->excused, 0.0);
    proto::IntentScores scores;
    for (const Layout layout : all_layouts) {
        scores.add_score(layout == to ? std::exp(difference) : layout == from ? 1 : NAN);
        scores.add_spread(layout == to || layout == from ? found->error : NAN);
    }
    return scores;
}

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
