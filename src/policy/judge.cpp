// SPDX-License-Identifier: MIT
#include "src/policy/judge.hpp"

#include "src/base/counted.hpp"
#include "src/model/novelty.hpp"

#include <algorithm>
#include <cmath>
#include <map>

namespace intellisched {

Observation observation_of(const WindowStats& window, const Prediction& prediction) {
    return {.coverage = window.coverage(),
            .decisions = window.decisions,
            .prediction = prediction,
            .rearrangements = window.rearrangements,
            .explained = window.facts.explained,
            .untracked = window.untracked,
            .disordered = window.disordered,
            .mismatched = window.mismatched(),
            .runs_only = window.runs_only(),
            .cleared = window.cleared()};
}

std::string_view to_string(Decision decision) {
    switch (decision) {
    case Decision::keep:
        return "keep";
    case Decision::switch_option:
        return "switch";
    case Decision::revert:
        return "revert";
    case Decision::recommend:
        return "recommend";
    case Decision::abstain:
        break;
    }
    return "abstain";
}

namespace {

// No gain of a model comes near it: make_prediction() has e^3 at most.
constexpr double largest_gain = 1e3;

/// Whether these are numbers that a window and a model can give; a NaN passes any comparison below.
bool possible(const Observation& window) {
    const auto part = [](double value) { return value >= 0 && value <= 1.001; };
    const auto& [probability, gain, best, outside] = window.prediction;
    return part(window.coverage) && part(window.cleared) && part(window.mismatched) &&
           outside >= 0 && outside <= most_novel && index(best) < option_count &&
           std::all_of(probability.begin(), probability.end(), part) &&
           std::all_of(gain.begin(), gain.end(),
                       [](double value) { return std::abs(value) <= largest_gain; });
}

} // namespace

std::optional<Reason> rejected(const Observation& window, const InputGate& gate) {
    if (!possible(window))
        return Reason{"impossible", "its coverage or its prediction is no possible number"};
    if (window.rearrangements > 0)
        return Reason{"rearranged", "the pool's runqueues were formed anew in the middle of it"};
    if (!window.explained)
        return Reason{"unexplained",
                      "the runqueues in force are none that a layout gives on this topology: CPUs "
                      "came and went, or the processor counts its threads otherwise; forming them "
                      "anew helps (a reboot; on a patched Xen `intellisched apply`)"};
    if (window.untracked > 0)
        return Reason{"untracked",
                      fmt::format("{} of vCPUs or domains that there is no room for (more than "
                                  "65536 vCPUs or 4096 domains at a time, or a damaged trace)",
                                  counted(window.untracked, "record was", "records were"))};
    if (window.runs_only)
        return Reason{"runs-only",
                      "vCPUs ran, but none waited, slept or was woken: the trace lacks "
                      "records, or the clocks of the CPUs differ"};
    if (window.mismatched > gate.mismatched)
        return Reason{"clocks-differ",
                      fmt::format("{:.0f}% of the runstate changes of a CPU come in an order "
                                  "that is not possible: the clocks (TSC) of the CPUs differ",
                                  window.mismatched * 100)};
    if (window.coverage < gate.coverage && window.disordered > 0)
        return Reason{"clocks-differ",
                      fmt::format("records came too late to be put in order, and the trace covers "
                                  "{:.0f}% of the CPUs' time: the clocks (TSC) of the CPUs differ, "
                                  "or the trace is damaged",
                                  window.coverage * 100)};
    if (window.coverage < gate.coverage)
        return Reason{
            "records-lost",
            fmt::format("records were lost: the trace covers {:.0f}% of the CPUs' time in "
                        "which it was on, {:.0f}% is needed (larger trace buffers help)",
                        window.coverage * 100, gate.coverage * 100)};
    if (window.cleared < gate.cleared && window.disordered > 0)
        return Reason{"clocks-differ",
                      fmt::format("some CPU's records came too late to be put in order in all but "
                                  "{:.0f}% of the time: the clocks (TSC) of the CPUs differ, or "
                                  "the trace is damaged",
                                  window.cleared * 100)};
    if (window.cleared < gate.cleared)
        return Reason{
            "records-lost",
            fmt::format("some CPU lost records in all but {:.0f}% of the time, so that waits are "
                        "not known; {:.0f}% is needed (larger trace buffers help)",
                        window.cleared * 100, gate.cleared * 100)};
    if (window.decisions < gate.decisions)
        return Reason{"too-little-data",
                      fmt::format("only {} seen, {} are needed (the pool may be idle)",
                                  counted(window.decisions, "scheduling decision was",
                                          "scheduling decisions were"),
                                  gate.decisions)};
    if (window.prediction.outside_training > gate.outside_training)
        return Reason{
            "outside-training",
            fmt::format("it is unlike what the model was trained on: at a distance of "
                        "{:.2f}, {:.2f} is allowed (a host or a load of another kind; "
                        "`intellisched guests` and `intellisched diagnose` need no model)",
                        std::ceil(window.prediction.outside_training * 100) / 100,
                        gate.outside_training)};
    return std::nullopt;
}

std::vector<Reason> refusals(std::span<const Reason> rejected, std::size_t all) {
    std::map<std::string_view, std::pair<std::size_t, std::string_view>> by_code;
    for (const Reason& reason : rejected) {
        auto& [count, text] = by_code[reason.code];
        ++count;
        text = reason.text;
    }
    std::vector<Reason> told;
    for (const auto& [code, refusal] : by_code)
        told.push_back({code, fmt::format("{} of {} not used: {}", refusal.first,
                                          counted(all, "window"), refusal.second)});
    return told;
}

namespace {

void add_up(Prediction& sum, const Prediction& one) {
    for (std::size_t l = 0; l < option_count; ++l) {
        sum.probability[l] += one.probability[l];
        sum.expected_gain[l] += one.expected_gain[l];
    }
    sum.outside_training += one.outside_training;
}

} // namespace

Verdict judge(std::span<const Observation> windows, Knob knob, Option current,
              const Classes& classes, const InputGate& gate, const Margins& margins) {
    Verdict verdict;
    verdict.option = verdict.favourite = current;
    const auto name = [&](Option option) { return text_of(knob, option); };

    std::vector<Reason> rejections;
    std::array<unsigned, option_count> better{}; // windows that promise more of it than `current`
    for (const Observation& window : windows) {
        if (auto reason = rejected(window, gate)) {
            rejections.push_back(std::move(*reason));
            continue;
        }
        ++verdict.windows;
        for (std::size_t l = 0; l < option_count; ++l)
            better[l] += window.prediction.expected_gain[l] > 0;
        add_up(verdict.mean, window.prediction);
    }
    verdict.reasons = refusals(rejections, windows.size());
    if (verdict.windows > 0) {
        for (std::size_t l = 0; l < option_count; ++l) {
            verdict.mean.probability[l] /= verdict.windows;
            verdict.mean.expected_gain[l] /= verdict.windows;
        }
        verdict.mean.outside_training /= verdict.windows;
        verdict.favourite = verdict.mean.best = favourite(verdict.mean, classes, current);
        verdict.agreement = static_cast<double>(better[index(verdict.favourite)]) / verdict.windows;
    }

    const bool one_partition =
        std::ranges::find(verdict.reasons, "unexplained", &Reason::code) == verdict.reasons.end() &&
        std::ranges::all_of(classes, [&](Option one) { return one == classes.front(); });
    if (one_partition) {
        verdict.decision = Decision::keep;
        verdict.reasons.push_back({"one-partition", "all five are the same on this pool: there is "
                                                    "nothing to choose"});
        return verdict;
    }
    if (verdict.windows < margins.windows) {
        verdict.reasons.push_back(
            {"too-few-windows",
             fmt::format("{}, {} are needed{}", counted(verdict.windows, "usable window"),
                         margins.windows, verdict.reasons.empty() ? "; observe for longer" : "")});
        return verdict;
    }
    // The table beside these sentences may have another option as the most probable one.
    const auto& probability = verdict.mean.probability;
    const auto most =
        static_cast<std::size_t>(std::ranges::max_element(probability) - probability.begin());
    const auto chosen = index(verdict.favourite);
    const std::string though =
        probability[most] <= probability[chosen]
            ? std::string()
            : fmt::format("; {} is the best with a higher probability, {:.1f}%, but the expected "
                          "gain decides",
                          name(all_options[most]), probability[most] * 100);
    const double over = probability_over(verdict.mean, verdict.favourite, current);
    const double gain = verdict.mean.expected_gain[chosen];
    if (verdict.favourite == current) {
        verdict.decision = Decision::keep;
        verdict.reasons.push_back(
            {"current-is-best", fmt::format("no {} has a higher expected gain than the current "
                                            "one, {}{}",
                                            words_of(knob), name(current), though)});
        return verdict;
    }
    // Too unsure to move is a reason to stay; the administrator still sees what the model favours.
    verdict.decision = Decision::keep;
    const std::string promise = fmt::format("{} has the highest expected gain, {:+.1f}%",
                                            name(verdict.favourite), gain * 100);
    const std::string of_the_two = fmt::format(
        "{:.0f}% of the probability that one of these two is the best ({:.1f}% against "
        "{}'s {:.1f}%)",
        over * 100, probability[chosen] * 100, name(current), probability[index(current)] * 100);
    if (gain < margins.gain)
        verdict.reasons.push_back({"small-gain", fmt::format("{}; a switch needs {:+.1f}%", promise,
                                                             margins.gain * 100)});
    else if (verdict.agreement < margins.agreement)
        verdict.reasons.push_back(
            {"windows-disagree",
             fmt::format("{}, but is better than {} in {:.0f}% of the windows only; {:.0f}% are "
                         "needed to switch",
                         promise, name(current), verdict.agreement * 100,
                         margins.agreement * 100)});
    else if (over < margins.confidence)
        verdict.reasons.push_back(
            {"unsure", fmt::format("{}, but only {}; {:.0f}% are needed to switch", promise,
                                   of_the_two, margins.confidence * 100)});
    else {
        verdict.decision = Decision::switch_option;
        verdict.option = verdict.favourite;
        verdict.reasons.push_back(
            {knob == Knob::layout ? "better-layout" : "better-rate-limit",
             fmt::format("{} over {}, and is better in {:.0f}% of {}; it has {}{}", promise,
                         name(current), verdict.agreement * 100, counted(verdict.windows, "window"),
                         of_the_two, though)});
    }
    return verdict;
}

} // namespace intellisched
