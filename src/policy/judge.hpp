// SPDX-License-Identifier: MIT
// The guards between a prediction and a switch. Pure: no I/O, no clock, no knowledge of Xen; the
// same evidence always gives the same verdict.
#pragma once

#include "collector/window/stats.hpp"
#include "src/model/classifier.hpp"

#include <span>
#include <string>
#include <vector>

namespace intellisched {

/// What a window must have to count as evidence.
struct InputGate {
    double coverage = 0.8;   ///< part of the CPUs' time with tracing on without a loss, at least
    double cleared = 0.1;    ///< part of that time in which all CPUs were without one, at least
    double mismatched = 0.1; ///< part of the runstate changes out of order, at most
    std::uint64_t decisions = 20; ///< scheduling decisions seen, at least
    double outside_training = 1;  ///< Prediction's, at most
};

/// What a switch has to promise.
struct Margins {
    unsigned windows = 3;    ///< that passed the gate, at least
    double agreement = 0.6;  ///< part of the windows in which it promises more than the current one
    double confidence = 0.5; ///< probability_over() the current one
    double gain = 0.01;      ///< expected over the current option
};

/// One window as the policy sees it.
struct Observation {
    double coverage = 0;
    std::uint64_t decisions = 0;
    Prediction prediction;
    std::uint64_t rearrangements = 0; ///< of the pool's runqueues, in the middle of it
    bool explained = true;        ///< a layout gives the runqueues that are in force (PoolFacts)
    std::uint64_t untracked = 0;  ///< WindowStats::untracked
    std::uint64_t disordered = 0; ///< WindowStats::disordered
    double mismatched = 0;        ///< part of the runstate changes that fit no state before
    bool runs_only = false;       ///< WindowStats::runs_only()
    double cleared = 1;           ///< WindowStats::cleared()
};

/// What the policy sees of `window`, with the model's prediction for it.
[[nodiscard]] Observation observation_of(const WindowStats& window, const Prediction& prediction);

enum class Decision : std::uint8_t {
    keep,
    switch_option,
    abstain,
    revert,    ///< of a trial; judge() never gives it
    recommend, ///< a switch is worth it, and is a person's to make; nor this
};
/// "keep", "switch", "abstain", "revert" or "recommend".
[[nodiscard]] std::string_view to_string(Decision decision);

/// Why: a stable name for programs, and a sentence for people.
struct Reason {
    std::string_view code;
    std::string text;
};

struct Verdict {
    Decision decision = Decision::abstain;
    Option option = boot_option; ///< what the pool should have; the current one unless it switches
    Option favourite = boot_option; ///< what the model would choose, whatever the guards say
    Prediction mean;                ///< over the windows that passed the gate
    unsigned windows = 0;           ///< that passed
    double agreement = 0; ///< part of them that promises more of the favourite than of the current
                          ///< option; 0 if it is the favourite
    std::vector<Reason> reasons;
};

/// Whether the window may be used; the reason when it may not.
[[nodiscard]] std::optional<Reason> rejected(const Observation& window, const InputGate& gate);

/// Each code of these reasons once, with the last one's text: "2 of 6 windows not used: ...".
/// `all`: how many windows there were.
[[nodiscard]] std::vector<Reason> refusals(std::span<const Reason> rejected, std::size_t all);

/// The verdict on a stretch of windows of one pool, whose predictions are about the knob.
[[nodiscard]] Verdict judge(std::span<const Observation> windows, Knob knob, Option current,
                            const Classes& classes, const InputGate& gate = {},
                            const Margins& margins = {});

} // namespace intellisched
