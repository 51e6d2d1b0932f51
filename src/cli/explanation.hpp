// SPDX-License-Identifier: MIT
// Why the model favours what it favours: what of a load speaks for it and against it.
#pragma once

#include "collector/window/features.hpp"
#include "src/model/classifier.hpp"
#include "src/proto/recommendation.pb.h"

namespace intellisched::cli {

/// A window of the pool that is explained.
struct ExplainedWindow {
    FeatureVector features;
    PoolFacts facts;
};

/// What is to be explained.
struct Favoured {
    Knob knob = Knob::layout;
    Option option = boot_option;
    Intent intent = Intent::balanced;
    std::span<const float> costs = {}; ///< as Question's
};

/// Adds the inputs that moved the model most towards the option or away from it, in the mean of the
/// windows, the heaviest first. Errors: those of Classifier::explain().
[[nodiscard]] Result<void>
explain(const Classifier& model, std::span<const ExplainedWindow> windows, const Favoured& what,
        google::protobuf::RepeatedPtrField<proto::FeatureContribution>& to);

} // namespace intellisched::cli
