// SPDX-License-Identifier: MIT
// Samples after a rule that a model can learn, for tests, fuzzing and benchmarks. They say nothing
// about any real scheduler.
#pragma once

#include "bench/training/train.hpp"
#include "collector/window/schema.hpp"
#include "src/model/intent.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace intellisched::synthetic {

/// The rule: features 0 and 1 run from 0 to 100. Under "throughput" a fifth of feature 0's range
/// belongs to each layout, cpu first; under "latency" a fifth of feature 1's, all first; "balanced"
/// follows feature 0 alone. The best layout scores 1, the others 0.15 less a step away.
inline Option best_layout(Intent intent, float first, float second) {
    const float value = intent == Intent::latency ? 100 - second : first;
    return all_options[static_cast<std::size_t>(std::clamp(value / 20, 0.0F, 4.0F))];
}

/// As a load shows in many figures, feature 0 is in every even feature of the last half, too, and
/// feature 1 in every odd one; the others are noise.
inline bool echoes(std::size_t feature) { return feature >= feature_schema().size() / 2; }

struct Shape {
    std::size_t samples = 600;
    std::size_t scenarios = 8;
    std::size_t seed = 7;
    bool with_small_hosts = true; ///< every other scenario: socket, node and all coincide
    double mislabelled = 0;       ///< share of the samples whose scores follow no rule
};

inline proto::Sample make_sample(std::mt19937& random, const Shape& shape, std::size_t number) {
    const auto uniform = [&] { return static_cast<float>(random() % 10000) / 100; };
    proto::Sample sample;
    sample.set_schema_version(feature_schema_version);
    const std::size_t scenario = number % shape.scenarios;
    sample.set_scenario("scenario " + std::to_string(scenario));
    sample.set_family("family " + std::to_string(scenario % 3));
    sample.set_topology(scenario % 2 == 0 ? "large" : "small");
    sample.set_current(name_of(Knob::layout, all_options[random() % option_count]));
    const bool small = shape.with_small_hosts && scenario % 2 == 1;
    for (const Option layout : all_options)
        sample.add_representative(
            name_of(Knob::layout, small ? std::min(layout, boot_option) : layout));
    for (std::size_t i = 0; i < feature_schema().size(); ++i)
        sample.add_features(echoes(i)                     ? sample.features(static_cast<int>(i % 2))
                            : i > 1 && random() % 20 == 0 ? std::numeric_limits<float>::quiet_NaN()
                                                          : uniform());
    const bool wrong = static_cast<double>(random() % 1000) < shape.mislabelled * 1000;
    for (const Intent intent : all_intents) {
        const Option best = wrong ? all_options[random() % option_count]
                                  : best_layout(intent, sample.features(0), sample.features(1));
        auto* scores = sample.add_scores();
        scores->set_intent(std::string(to_string(intent)));
        for (const Option layout : all_options) {
            const auto one = [&](Option l) { return small ? std::min(l, boot_option) : l; };
            const auto steps =
                std::abs(static_cast<int>(index(one(layout))) - static_cast<int>(index(one(best))));
            scores->add_score(1 - 0.15 * steps);
        }
    }
    return sample;
}

inline std::vector<proto::Sample> make_samples(const Shape& shape = {}) {
    std::mt19937 random(static_cast<std::mt19937::result_type>(shape.seed));
    std::vector<proto::Sample> samples;
    for (std::size_t i = 0; i < shape.samples; ++i)
        samples.push_back(make_sample(random, shape, i));
    return samples;
}

/// Small and quick to train: 60 rounds of depth 4, with small leaves, for the rule has no noise.
inline TrainOptions small_options() {
    TrainOptions options;
    options.name = "synthetic";
    options.source = "made up by a rule";
    options.rounds = 60;
    options.max_depth = 4;
    options.learning_rate = 0.3;
    options.leaf = 1;
    return options;
}

/// Features for asking the rule: `first` and `second` as given, noise in the middle.
inline FeatureVector features(float first, float second) {
    FeatureVector vector;
    vector.values.assign(feature_schema().size(), 50);
    for (std::size_t i = 0; i < vector.values.size(); ++i)
        if (i < 2 || echoes(i)) vector.values[i] = i % 2 == 0 ? first : second;
    return vector;
}

/// No two layouts coincide.
inline constexpr Classes all_differ = all_options;
/// socket, node and all coincide.
inline constexpr Classes small_host{option_of(Layout::cpu), option_of(Layout::core), boot_option,
                                    boot_option, boot_option};

} // namespace intellisched::synthetic
