// SPDX-License-Identifier: MIT
// From samples to a model bundle.
//
// A row is a sample under an intent: the features, the machine's costs, the intent. What is learnt
// from it is in targets.hpp, how in fit.hpp. The probabilities' temperature is fitted on what
// models say of workload families that they have not seen, for that is what a new host is.
#pragma once

#include "bench/training/cases.hpp"
#include "bench/training/fit.hpp"
#include "src/base/result.hpp"
#include "src/model/bundle.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace intellisched {

struct TrainOptions {
    std::string name = {};                           ///< of the model, as `recommend` shows it
    std::string source = {};                         ///< where the scores come from, in words
    bool snapshot = false;                           ///< without the features that need a trace
    unsigned rounds = Learning().rounds;             ///< trees a layout and ensemble, 1 to 1000
    unsigned max_depth = Learning().max_depth;       ///< of a tree, 1 to 12
    double learning_rate = Learning().learning_rate; ///< above 0, at most 1
    double leaf = Learning().leaf;                   ///< least weight of a leaf, above 0
    std::uint64_t seed = 1; ///< chooses the rows and inputs of each tree, and the folds
    unsigned jobs = 1;      ///< threads; they change nothing in what comes out
    /// Called after every round, by one thread at a time, with the rounds done and to be done.
    std::function<void(std::size_t done, std::size_t total)> progress = {};
    const std::atomic<bool>* stop = nullptr; ///< looked at before every round
};

/// A model with its temperature, and what it says of cases that it has not seen.
struct Calibrated {
    Ensembles ensembles;
    double temperature = 1;
    std::vector<const Case*> judged;  ///< the complete ones of the cases
    std::vector<Prediction> held_out; ///< of each of those
};

/// Fits the cases, and the temperature on up to three folds of whole workload families (of
/// scenarios when there is only one family) of the complete ones; the others, of trials, are learnt
/// from only. Errors: fewer than two scenarios of complete ones; those of fit().
[[nodiscard]] Result<Calibrated> fit_calibrated(Chosen cases, const Learning& learning,
                                                unsigned jobs);

/// How often fit_calibrated() fits: rounds of progress.
[[nodiscard]] unsigned fits_of(Chosen cases);

/// Trains on all samples, which are about one knob. The same samples in the same order with the
/// same options give the same model to the byte. Memory: about 1.5 kB a row with 90 inputs. The
/// model is signed and verified. Errors: no samples, samples that check_sample() refuses, an intent
/// that no sample has all scores for, fewer than two scenarios, options out of range, stopped,
/// XGBoost's own.
[[nodiscard]] Result<Model> train(std::span<const proto::Sample> samples,
                                  const TrainOptions& options);

/// Whether the trials among the samples that a bundle was trained from, with these options, leave
/// it as good on what it has not seen: guests have a part in what a trial measures. It trains once
/// more, without them, when there are any. Errors: a mean held-out regret that is half a percent
/// higher with them; those of train().
[[nodiscard]] Result<void> check_trials(const Model& model, std::span<const proto::Sample> samples,
                                        const TrainOptions& options);

} // namespace intellisched
