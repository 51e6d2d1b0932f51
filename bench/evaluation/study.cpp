// SPDX-License-Identifier: MIT
#include "bench/evaluation/study.hpp"

#include "src/base/parallel.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <set>

namespace intellisched {

namespace {

using Predictions = std::vector<Prediction>; // by case

/// Of the cases of that intent.
std::vector<CaseOutcome> outcomes_of(std::span<const Case> cases, Intent intent,
                                     const Predictions& predictions) {
    std::vector<CaseOutcome> outcomes;
    for (std::size_t i = 0; i < cases.size(); ++i)
        if (cases[i].intent == intent) outcomes.push_back(judge(cases[i], predictions[i]));
    return outcomes;
}

std::vector<CaseOutcome> cautious_outcomes(std::span<const Case> cases, Intent intent,
                                           const Predictions& predictions) {
    std::vector<CaseOutcome> outcomes;
    for (std::size_t i = 0; i < cases.size(); ++i)
        if (cases[i].intent == intent && under_default(cases[i]))
            outcomes.push_back(judge_cautiously(cases[i], predictions[i]));
    return outcomes;
}

/// Whether any case is of that intent.
bool any(std::span<const Case> cases, Intent intent) {
    return std::any_of(cases.begin(), cases.end(),
                       [&](const Case& one) { return one.intent == intent; });
}

/// The outcomes by the name of a part of the cases.
std::map<std::string, std::vector<CaseOutcome>>
split(std::span<const CaseOutcome> outcomes,
      const std::function<std::string(const Case&)>& name_of_part) {
    std::map<std::string, std::vector<CaseOutcome>> parts;
    for (const CaseOutcome& outcome : outcomes) parts[name_of_part(*outcome.of)].push_back(outcome);
    return parts;
}

void add_cells(proto::EvaluationSection& section, std::string_view by,
               std::span<const CaseOutcome> outcomes, std::span<const CaseOutcome> cautious,
               const std::function<std::string(const Case&)>& name_of_part) {
    std::vector<proto::FigureCell> cells;
    const auto cautious_parts = split(cautious, name_of_part);
    for (const auto& [name, part] : split(outcomes, name_of_part)) {
        proto::FigureCell cell;
        cell.set_by(std::string(by));
        cell.set_name(name);
        *cell.mutable_figures() = figures_of("model", part);
        const auto found = cautious_parts.find(name);
        *cell.mutable_cautious() =
            figures_of("policy", found == cautious_parts.end() ? std::span<const CaseOutcome>()
                                                               : found->second);
        cells.push_back(std::move(cell));
    }
    std::stable_sort(cells.begin(), cells.end(), [](const auto& a, const auto& b) {
        return a.figures().mean_regret() > b.figures().mean_regret();
    });
    for (auto& cell : cells) *section.add_cells() = std::move(cell);
}

/// The model's own rows and cells: they come before the other methods.
void add_model(proto::EvaluationSection& section, std::span<const CaseOutcome> outcomes,
               std::span<const CaseOutcome> cautious, const std::string& name) {
    *section.add_methods() = figures_of(name, outcomes);
    *section.add_methods() = figures_of(name + ", by policy", cautious);
    add_cells(section, "family", outcomes, cautious,
              [](const Case& one) { return one.sample->family(); });
    add_cells(section, "topology", outcomes, cautious,
              [](const Case& one) { return one.sample->topology(); });
}

/// Those that a choice can be judged by.
Result<std::vector<Case>> complete_cases(std::span<const proto::Sample> samples) {
    auto cases = make_cases(samples);
    if (!cases) return cases;
    std::erase_if(*cases, [](const Case& one) { return !one.complete(); });
    if (cases->empty())
        return fail("no sample has scores of all options, as trials have not; make some "
                    "(intellisched bench)");
    return cases;
}

proto::EvaluationSection section_of(std::string title, Intent intent,
                                    std::span<const proto::Sample> samples) {
    proto::EvaluationSection section;
    section.set_title(std::move(title));
    section.set_intent(std::string(to_string(intent)));
    section.set_knob(std::string(to_string(knob_of(samples.front()).value_or(Knob::layout))));
    section.set_samples(static_cast<std::uint32_t>(samples.size()));
    std::set<std::string_view> scenarios;
    for (const auto& sample : samples) scenarios.insert(sample.scenario());
    section.set_scenarios(static_cast<std::uint32_t>(scenarios.size()));
    return section;
}

std::string_view title_of(Group group) {
    switch (group) {
    case Group::family:
        return "held out by workload family";
    case Group::topology:
        return "held out by topology";
    case Group::scenario:
        break;
    }
    return "held out by scenario";
}

Result<Predictions> ask(const Classifier& classifier, std::span<const Case> cases,
                        bool with_costs) {
    Predictions predictions;
    FeatureVector features;
    for (const Case& one : cases) {
        const auto& sample = *one.sample;
        features.values.assign(sample.features().begin(), sample.features().end());
        Question question{&features, one.intent, one.current, one.classes};
        if (with_costs)
            question.costs = {sample.costs().data(), static_cast<std::size_t>(sample.costs_size())};
        auto prediction = TRY(classifier.predict(question));
        predictions.push_back(std::move(prediction));
    }
    return predictions;
}

} // namespace

std::vector<Learner> all_learners(const Learning& learning, bool ablations) {
    std::vector<Learner> learners{model_learner("model", learning)};
    const auto ablated = [&](std::string name, InputMask inputs) {
        Learning other = learning;
        other.inputs = std::move(inputs);
        learners.push_back(model_learner(std::move(name), other));
    };
    if (ablations) {
        const InputMask& all = learning.inputs;
        ablated("model without machine costs", without(all, "cost."));
        ablated("model without the trace", snapshot_inputs());
        ablated("model without the topology", without(without(all, "topology."), "runqueues."));
    }
    learners.push_back(boot_default());
    learners.push_back(best_static());
    learners.push_back(hand_written_rules());
    learners.push_back(logistic_regression());
    learners.push_back(nearest_neighbours());
    return learners;
}

Result<std::vector<proto::EvaluationSection>> hold_out(std::span<const proto::Sample> samples,
                                                       Group group, const StudyOptions& options) {
    const auto cases = TRY(complete_cases(samples));
    const auto folds = TRY(make_folds(cases, group, options.seed));

    std::vector<Predictions> predictions(options.learners.size(), Predictions(cases.size()));
    const std::size_t total = options.learners.size() * folds.count;
    std::mutex mutex;
    std::size_t done = 0;
    const auto run = [&](std::size_t task) -> Result<void> {
        if (options.stop != nullptr && options.stop->load()) return fail("evaluation stopped");
        const std::size_t learner = task / folds.count, fold = task % folds.count;
        const auto training =
            choose_cases(cases, [&](std::size_t i) { return folds.fold[i] != fold; });
        const auto test = choose_cases(cases, [&](std::size_t i) { return folds.fold[i] == fold; });
        const auto said = TRY(options.learners[learner].learn(training, test));
        for (std::size_t i = 0; i < test.size(); ++i)
            predictions[learner][static_cast<std::size_t>(test[i] - cases.data())] = said[i];
        const std::lock_guard lock(mutex);
        if (options.progress) options.progress(++done, total);
        return {};
    };
    TRY(in_parallel(options.jobs, total, run));

    if (options.said)
        for (std::size_t i = 0; i < cases.size(); ++i) options.said(cases[i], predictions[0][i]);
    std::vector<proto::EvaluationSection> sections;
    for (const Intent intent : all_intents) {
        if (!any(cases, intent)) continue;
        auto& section =
            sections.emplace_back(section_of(std::string(title_of(group)), intent, samples));
        add_model(section, outcomes_of(cases, intent, predictions[0]),
                  cautious_outcomes(cases, intent, predictions[0]), options.learners[0].name);
        for (std::size_t l = 1; l < options.learners.size(); ++l)
            *section.add_methods() =
                figures_of(options.learners[l].name, outcomes_of(cases, intent, predictions[l]));
        std::vector<CaseOutcome> measured;
        for (const Case& one : cases) {
            if (one.intent != intent) continue;
            const auto outcomes = judge_repeats(one);
            measured.insert(measured.end(), outcomes.begin(), outcomes.end());
        }
        if (!measured.empty()) *section.add_methods() = figures_of(std::string(repeated), measured);
    }
    return sections;
}

Result<std::vector<proto::EvaluationSection>> judge_bundle(const Classifier& classifier,
                                                           std::span<const proto::Sample> samples,
                                                           const std::string& title) {
    const auto cases = TRY(complete_cases(samples));
    const auto knowing = TRY(ask(classifier, cases, true));
    const auto ignorant = TRY(ask(classifier, cases, false));
    // Gains of one version of the score are no gains of another one.
    const auto learned = score_version_of(classifier.manifest());
    const auto judged = score_version_of(samples.front());
    const std::string versions =
        learned == judged
            ? std::string()
            : fmt::format(" (learned from version {} of the score, judged by {})", learned, judged);
    std::vector<proto::EvaluationSection> sections;
    for (const Intent intent : all_intents) {
        if (!any(cases, intent)) continue;
        auto& section = sections.emplace_back(section_of(title + versions, intent, samples));
        add_model(section, outcomes_of(cases, intent, knowing),
                  cautious_outcomes(cases, intent, knowing), "model");
        *section.add_methods() =
            figures_of("model, costs not known", outcomes_of(cases, intent, ignorant));
        std::vector<CaseOutcome> stays;
        for (const Case& one : cases)
            if (one.intent == intent) stays.push_back(outcome_of(one, boot_option, 1));
        *section.add_methods() = figures_of("boot default", stays);
    }
    return sections;
}

CaseOutcome judge_cautiously(const Case& one, const Prediction& prediction,
                             const Margins& margins) {
    const std::size_t best = index(prediction.best);
    const bool moves =
        probability_over(prediction, prediction.best, one.current) >= margins.confidence &&
        prediction.expected_gain[best] >= margins.gain;
    const Option chosen = moves ? prediction.best : one.current;
    return outcome_of(one, chosen, prediction.probability[index(chosen)]);
}

proto::Figures figures_of(std::string method, std::span<const CaseOutcome> outcomes) {
    const Evaluation all = summarise(outcomes);
    proto::Figures figures;
    figures.set_method(std::move(method));
    figures.set_cases(all.cases);
    figures.set_accuracy(all.accuracy);
    figures.set_mean_regret(all.regret.mean);
    figures.set_regret_error(all.regret_error);
    figures.set_median_regret(all.regret.median);
    figures.set_p95_regret(all.regret.p95);
    figures.set_max_regret(all.regret.max);
    figures.set_default_regret(all.default_regret);
    figures.set_captured(all.captured);
    figures.set_harm(all.harm);
    figures.set_calibration_error(all.calibration_error);
    figures.set_work(std::expm1(all.gained.work));
    figures.set_cpu_time(std::expm1(0 - all.gained.headroom));
    figures.set_tail(std::expm1(all.gained.tail));
    figures.set_share(all.gained.share);
    for (const CalibrationBin& bin : all.calibration) {
        auto* out = figures.add_calibration();
        out->set_cases(bin.cases);
        out->set_confidence(bin.confidence);
        out->set_accuracy(bin.accuracy);
    }
    for (const auto& row : all.confusion) {
        auto* out = figures.add_confusion();
        for (const std::size_t cases : row) out->add_chosen(cases);
    }
    return figures;
}

} // namespace intellisched
