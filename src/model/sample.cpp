// SPDX-License-Identifier: MIT
#include "src/model/sample.hpp"

#include "collector/window/schema.hpp"
#include "src/base/counted.hpp"
#include "src/model/intent.hpp"
#include "src/model/score.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched {

namespace {

Result<void> check_scores(const proto::Sample& sample, const std::string& name) {
    if (sample.scores().empty())
        return fail("{}: no scores; measure every layout of '{}' again", name,
                    printable(sample.scenario(), 64));
    std::array<bool, all_intents.size()> seen{};
    for (const auto& scores : sample.scores()) {
        const auto intent = intent_from_string(scores.intent());
        if (!intent || std::exchange(seen[index(*intent)], true))
            return fail("{}: scores for intent '{}', which is unknown or there twice; intents are "
                        "throughput, latency and balanced",
                        name, printable(scores.intent(), 32));
        bool good = scores.score_size() == static_cast<int>(option_count);
        if (scores.spread_size() > 0) good &= scores.spread_size() == scores.score_size();
        for (const double spread : scores.spread()) good &= std::isnan(spread) || spread >= 0;
        good &= scores.repeat_size() % static_cast<int>(option_count) == 0;
        for (const double repeat : scores.repeat()) good &= std::isfinite(repeat);
        double best = 0;
        std::size_t measured = 0;
        for (const double score : scores.score()) {
            if (std::isnan(score)) continue;
            good &= std::isfinite(score) && score >= 0;
            best = std::max(best, score);
            ++measured;
        }
        if (!good || best <= 0 || measured < 2)
            return fail("{}: its scores for {} are not five numbers from 0 up with one above 0, or "
                        "their spreads or repeats are not; measure '{}' again",
                        name, to_string(*intent), printable(sample.scenario(), 64));
    }
    return {};
}

} // namespace

Result<void> check_sample(const proto::Sample& sample, const std::string& name) {
    if (sample.schema_version() != feature_schema_version)
        return fail("{}: made with version {} of the features, this program measures version {}; "
                    "make the samples again (intellisched bench) or use the program they belong to",
                    name, sample.schema_version(), feature_schema_version);
    if (sample.score_version() > score_version)
        return fail("{}: made with version {} of the score, this program knows {}; use the program "
                    "it belongs to, or make the samples again (intellisched bench)",
                    name, sample.score_version(), score_version);
    if (static_cast<std::size_t>(sample.features_size()) != feature_schema().size())
        return fail("{}: {} where the schema has {}; make the samples again (intellisched bench)",
                    name, counted(sample.features_size(), "feature"), feature_schema().size());
    for (int i = 0; i < sample.features_size(); ++i)
        if (std::isinf(sample.features(i)))
            return fail("{}: feature {} is infinite; make the samples again (intellisched bench)",
                        name, feature_schema()[static_cast<std::size_t>(i)].name);
    if (sample.scenario().empty())
        return fail("{}: no scenario; without one it cannot be kept out of its own test", name);
    const auto knob = knob_of(sample);
    if (!knob)
        return fail("{}: its knob '{}' is unknown; knobs are layout and rate-limit", name,
                    printable(sample.knob(), 32));
    if (!option_from_string(*knob, sample.current()))
        return fail("{}: its current {} '{}' is no option; make the samples again (intellisched "
                    "bench)",
                    name, to_string(*knob), printable(sample.current(), 32));
    bool known = sample.representative_size() == static_cast<int>(option_count);
    for (const auto& option : sample.representative())
        known &= option_from_string(*knob, option).has_value();
    if (!known)
        return fail("{}: its classes are not one option for each of the five; make the samples "
                    "again (intellisched bench)",
                    name);
    if (!sample.costs().empty() &&
        static_cast<std::size_t>(sample.costs_size()) != sample_costs.size())
        return fail("{}: it has {} of the machine, where this program has {}; use the version "
                    "that it belongs to, or make the samples again (intellisched bench)",
                    name, counted(sample.costs_size(), "cost"), sample_costs.size());
    for (const float cost : sample.costs())
        if (std::isinf(cost))
            return fail("{}: one of its costs is infinite; make the samples again (intellisched "
                        "bench)",
                        name);
    bool parts = sample.parts().empty() || sample.parts_size() == static_cast<int>(option_count);
    for (const auto& one : sample.parts())
        for (const double part : {one.work(), one.headroom(), one.tail(), one.share()})
            parts &= std::isfinite(part);
    if (!parts)
        return fail("{}: the parts of its scores are not five of finite numbers; make the samples "
                    "again (intellisched bench)",
                    name);
    return check_scores(sample, name);
}

std::array<float, sample_costs.size()> costs_for_sample(const proto::Costs& costs) {
    std::array<float, sample_costs.size()> values{};
    const auto* fields = costs.GetDescriptor();
    for (std::size_t i = 0; i < values.size(); ++i) {
        const auto* field = fields->FindFieldByName(std::string(sample_costs[i]));
        values[i] = costs.GetReflection()->HasField(costs, field)
                        ? static_cast<float>(costs.GetReflection()->GetDouble(costs, field))
                        : std::nanf("");
    }
    return values;
}

std::optional<Knob> knob_of(const proto::Sample& sample) {
    return sample.knob().empty() ? Knob::layout : knob_from_string(sample.knob());
}

Classes classes_of(const proto::Sample& sample) {
    Classes classes{};
    const Knob knob = knob_of(sample).value_or(Knob::layout);
    for (const Option option : all_options)
        classes[index(option)] =
            option_from_string(knob, sample.representative(static_cast<int>(index(option))))
                .value_or(option);
    return classes;
}

} // namespace intellisched
