// SPDX-License-Identifier: MIT
#include "src/cli/explanation.hpp"

#include "src/model/inputs.hpp"
#include "src/model/sample.hpp"
#include "src/pool/pool_loop.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace intellisched::cli {
namespace {

// Explaining takes about 2 ms a window; a few, evenly spread, say as much as all of them.
constexpr std::size_t explained_windows = 16;
constexpr std::size_t explained_features = 8;

constexpr std::string_view yes_or_no = "0 or 1";

Question question(const ExplainedWindow& window, const Favoured& what) {
    if (what.knob == Knob::rate_limit)
        return {&window.features, what.intent, rate_limit_option(window.facts), all_options,
                what.costs};
    return {&window.features, what.intent, option_of(window.facts.current),
            classes_of(window.facts.representatives), what.costs};
}

void fill(proto::FeatureContribution& row, const Classifier& model, const Contribution& one) {
    const auto schema = feature_schema();
    row.set_feature(model.manifest().feature_names(static_cast<int>(one.feature)));
    if (!std::isnan(one.value)) row.set_value(one.value);
    row.set_contribution(one.weight);
    if (one.feature < schema.size()) {
        row.set_unit(std::string(schema[one.feature].unit));
        row.set_meaning(std::string(schema[one.feature].meaning));
    } else if (one.feature < first_intent_input()) {
        row.set_meaning(
            fmt::format("the machine's {}", sample_costs.at(one.feature - schema.size())));
    } else {
        const auto intent = all_intents.at(one.feature - first_intent_input());
        row.set_unit(std::string(yes_or_no));
        row.set_meaning(fmt::format("the intent is {}", to_string(intent)));
    }
    if (row.unit() == yes_or_no) return;
    const UsualValues usual = model.usual(one.feature);
    if (!std::isnan(usual.usual)) row.set_usual(usual.usual);
    if (!std::isnan(usual.least)) row.set_least(usual.least);
    if (!std::isnan(usual.most)) row.set_most(usual.most);
}

} // namespace

Result<void> explain(const Classifier& model, std::span<const ExplainedWindow> windows,
                     const Favoured& what,
                     google::protobuf::RepeatedPtrField<proto::FeatureContribution>& to) {
    const std::size_t used = std::min(windows.size(), explained_windows);
    std::map<std::size_t, Contribution> sums;
    std::map<std::size_t, unsigned> values;
    for (std::size_t i = 0; i < used; ++i) {
        const auto contributions =
            TRY(model.explain(question(windows[i * windows.size() / used], what), what.option,
                              model_feature_count()));
        for (const Contribution& one : contributions) {
            Contribution& sum = sums[one.feature];
            sum.feature = one.feature;
            sum.weight += one.weight / static_cast<double>(used);
            if (std::isnan(one.value)) continue;
            sum.value += one.value;
            ++values[one.feature];
        }
    }
    std::vector<Contribution> all;
    for (auto& [feature, sum] : sums) {
        const unsigned n = values[feature];
        sum.value = n > 0 ? sum.value / n : std::numeric_limits<double>::quiet_NaN();
        all.push_back(sum);
    }
    std::ranges::sort(all, [](const Contribution& a, const Contribution& b) {
        return std::abs(a.weight) > std::abs(b.weight);
    });
    all.resize(std::min(all.size(), explained_features));
    for (const Contribution& one : all) fill(*to.Add(), model, one);
    return {};
}

} // namespace intellisched::cli
