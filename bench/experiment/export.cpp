// SPDX-License-Identifier: MIT
#include "bench/experiment/export.hpp"

#include "collector/window/schema.hpp"
#include "src/model/intent.hpp"
#include "src/model/sample.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched::bench {
namespace {

std::string field(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + '"';
}

/// In as few digits as give the same number again.
template<class Number> std::string column(Number value) {
    return std::isnan(value) ? "," : fmt::format(",{}", value);
}

const proto::IntentScores* scores_of(const proto::Sample& sample, Intent intent) {
    for (const auto& scores : sample.scores())
        if (scores.intent() == to_string(intent)) return &scores;
    return nullptr;
}

} // namespace

std::string csv(std::span<const proto::Sample> samples) {
    const Knob knob =
        samples.empty() ? Knob::layout : knob_of(samples.front()).value_or(Knob::layout);
    std::string text = "scenario,family,topology,current";
    for (const FeatureInfo& info : feature_schema()) text += fmt::format(",{}", info.name);
    for (const std::string_view cost : sample_costs) text += fmt::format(",cost.{}", cost);
    for (const std::string_view what : {"score", "spread"})
        for (const Intent intent : all_intents)
            for (const Option option : all_options)
                text += fmt::format(",{}.{}.{}", what, to_string(intent), name_of(knob, option));
    text += "\r\n";
    for (const proto::Sample& sample : samples) {
        text += fmt::format("{},{},{},{}", field(sample.scenario()), field(sample.family()),
                            field(sample.topology()), sample.current());
        for (const float value : sample.features()) text += column(value);
        for (std::size_t i = 0; i < sample_costs.size(); ++i)
            text += sample.costs().empty() ? "," : column(sample.costs(static_cast<int>(i)));
        for (const bool spread : {false, true})
            for (const Intent intent : all_intents) {
                const auto* scores = scores_of(sample, intent);
                for (int l = 0; l < static_cast<int>(option_count); ++l)
                    text += !scores || (spread && scores->spread().empty()) ? ","
                            : spread ? column(scores->spread(l))
                                     : column(scores->score(l));
            }
        text += "\r\n";
    }
    return text;
}

std::string libsvm(std::span<const proto::Sample> samples) {
    std::string text;
    for (const proto::Sample& sample : samples) {
        std::string values;
        std::size_t place = 0;
        const auto add = [&](float value) {
            ++place;
            if (!std::isnan(value)) values += fmt::format(" {}:{}", place, value);
        };
        for (const float value : sample.features()) add(value);
        for (std::size_t i = 0; i < sample_costs.size(); ++i)
            add(sample.costs().empty() ? std::nanf("") : sample.costs(static_cast<int>(i)));
        for (const auto& scores : sample.scores()) {
            if (std::any_of(scores.score().begin(), scores.score().end(),
                            [](double score) { return std::isnan(score); }))
                continue;
            const auto best = std::max_element(scores.score().begin(), scores.score().end());
            const auto intent = index(*intent_from_string(scores.intent()));
            text += fmt::format("{}{} {}:1\n", best - scores.score().begin(), values,
                                place + 1 + intent);
        }
    }
    return text;
}

} // namespace intellisched::bench
