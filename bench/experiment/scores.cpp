// SPDX-License-Identifier: MIT
#include "bench/experiment/scores.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace intellisched::bench {
namespace {

/// 0 of none.
double mean(std::span<const double> values) {
    return std::accumulate(values.begin(), values.end(), 0.0) /
           static_cast<double>(std::max<std::size_t>(values.size(), 1));
}

/// Of the values themselves, not of their mean; needs two.
double variance(std::span<const double> values) {
    const double middle = mean(values);
    double squares = 0;
    for (const double value : values) squares += (value - middle) * (value - middle);
    return squares / static_cast<double>(values.size() - 1);
}

} // namespace

Result<proto::IntentScores> scores(Intent intent, const Repeats& repeats) {
    std::size_t count = 0;
    std::vector<LayoutResult> all;
    std::array<std::size_t, layout_count> place{}; // of its results in `all`
    for (std::size_t l = 0; l < layout_count; ++l) {
        place[l] = all.size();
        all.insert(all.end(), repeats[l].begin(), repeats[l].end());
        if (repeats[l].empty()) continue;
        if (count != 0 && repeats[l].size() != count)
            return fail("not every layout was measured equally often");
        count = repeats[l].size();
    }
    if (count == 0) return fail("no layout was measured");
    const auto utility = TRY(utilities(intent, all));
    const auto of = [&](std::size_t layout) {
        return std::span(utility).subspan(place[layout], repeats[layout].size());
    };
    std::array<double, layout_count> means{};
    for (std::size_t l = 0; l < layout_count; ++l)
        means[l] = repeats[l].empty() ? -std::numeric_limits<double>::infinity() : mean(of(l));
    const auto best =
        static_cast<std::size_t>(std::max_element(means.begin(), means.end()) - means.begin());

    std::array<double, layout_count> variances{};
    std::vector<double> pooled; // the best and those of its partition have nothing to add
    for (std::size_t l = 0; l < layout_count; ++l) {
        variances[l] = std::nan("");
        if (count < 2 || repeats[l].empty()) continue;
        std::vector<double> differences;
        for (std::size_t r = 0; r < count; ++r) differences.push_back(of(l)[r] - of(best)[r]);
        variances[l] = variance(differences);
        if (means[l] != means[best]) pooled.push_back(variances[l]);
    }
    proto::IntentScores out;
    out.set_intent(std::string(to_string(intent)));
    for (std::size_t l = 0; l < layout_count; ++l) {
        out.add_score(repeats[l].empty() ? std::nan("") : std::exp(means[l] - means[best]));
        const bool is_best = count > 1 && means[l] == means[best];
        const double both = is_best ? 0 : (variances[l] + mean(pooled)) / 2;
        out.add_spread(std::sqrt(both / static_cast<double>(count)));
    }
    for (std::size_t r = 0; r < count; ++r)
        for (std::size_t l = 0; l < layout_count; ++l)
            out.add_repeat(repeats[l].empty() ? std::nan("") : of(l)[r] - means[best]);
    return out;
}

Result<std::array<ScoreParts, layout_count>> mean_parts(const Repeats& repeats) {
    std::vector<LayoutResult> all;
    for (const auto& results : repeats) all.insert(all.end(), results.begin(), results.end());
    const auto of_all = TRY(parts(all));
    std::array<ScoreParts, layout_count> out;
    auto next = of_all.begin();
    for (std::size_t l = 0; l < layout_count; ++l) {
        const std::span of_layout(next, repeats[l].size());
        next += static_cast<std::ptrdiff_t>(of_layout.size());
        const auto mean_of = [&](double ScoreParts::*part) {
            std::vector<double> values;
            for (const ScoreParts& one : of_layout) values.push_back(one.*part);
            return values.empty() ? std::nan("") : mean(values);
        };
        out[l] = {mean_of(&ScoreParts::work), mean_of(&ScoreParts::headroom),
                  mean_of(&ScoreParts::tail), mean_of(&ScoreParts::share)};
    }
    return out;
}

} // namespace intellisched::bench
