// SPDX-License-Identifier: MIT
// How much the model is worth on cases that it has not seen, and what else would have been.
#pragma once

#include "bench/evaluation/learners.hpp"
#include "bench/proto/evaluation.pb.h"
#include "bench/training/evaluate.hpp"
#include "src/policy/settings.hpp"

#include <atomic>
#include <functional>

namespace intellisched {

/// The last row of a study's methods, where the samples have repeats: judge_repeats().
inline constexpr std::string_view repeated = "measured in the other repeats";

struct StudyOptions {
    std::vector<Learner> learners; ///< the model first
    std::uint64_t seed = 1;        ///< of the folds, where there are more groups than folds
    unsigned jobs = 1;             ///< folds at a time; they change nothing in what comes out
    /// Called after every fold of every learner, by one thread at a time.
    std::function<void(std::size_t done, std::size_t total)> progress = {};
    const std::atomic<bool>* stop = nullptr;
    /// Called at the end for every case with what the model said of it.
    std::function<void(const Case&, const Prediction&)> said = {};
};

/// The model and all baselines; with `ablations` also the model
/// without machine costs, without the trace, and without the topology.
[[nodiscard]] std::vector<Learner> all_learners(const Learning& learning, bool ablations);

/// Holds out whole groups, each in turn (ten folds of them when they are more than twenty), and
/// judges what each learner says of them, in a section an intent. Here and below, samples of
/// trials, whose scores are of two options, are left out. Errors: no samples, fewer than two
/// groups, stopped, those of the learners.
[[nodiscard]] Result<std::vector<proto::EvaluationSection>>
hold_out(std::span<const proto::Sample> samples, Group group, const StudyOptions& options);

/// What a finished model says of samples: with their costs, without, and the boot default. It only
/// means something for samples that the model was not trained from.
[[nodiscard]] Result<std::vector<proto::EvaluationSection>>
judge_bundle(const Classifier& classifier, std::span<const proto::Sample> samples,
             const std::string& title);

/// Of a case that was seen under the boot default: the outcome of what the policy makes of windows
/// that all say the same, which is to stay unless the service's margins of confidence and gain are
/// met.
[[nodiscard]] CaseOutcome
judge_cautiously(const Case& one, const Prediction& prediction,
                 const Margins& margins = PolicySettings().switch_margins);

[[nodiscard]] proto::Figures figures_of(std::string method, std::span<const CaseOutcome> outcomes);

} // namespace intellisched
