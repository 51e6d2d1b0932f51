// SPDX-License-Identifier: MIT
#include "bench/classes/learn.hpp"

#include "bench/classes/kinds.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <set>

namespace intellisched {
namespace {

constexpr std::size_t classes = guest_class_count;
constexpr std::size_t scenario_folds = 8, threshold_folds = 4;
constexpr double wanted_accuracy = 0.98; ///< of what is told
constexpr float least_hessian = 1e-6F;

/// A sample that has a class.
struct Row {
    const proto::GuestSample* sample = nullptr;
    std::size_t of = 0;
    double alike = 1; ///< guests of its scenario and class
};
using Rows = std::vector<Row>;
using Probabilities = std::array<double, classes>;

Rows rows_of(std::span<const proto::GuestSample> samples) {
    Rows rows;
    std::map<std::pair<std::string_view, std::size_t>, double> alike;
    for (const proto::GuestSample& sample : samples)
        if (const auto of = class_of(sample)) {
            rows.push_back({&sample, *of});
            ++alike[{sample.scenario(), *of}];
        }
    for (Row& row : rows) row.alike = alike[{row.sample->scenario(), row.of}];
    return rows;
}

Result<Matrix> matrix_of(const Rows& rows) {
    std::vector<float> values;
    values.reserve(rows.size() * guest_trait_count);
    for (const Row& row : rows)
        values.insert(values.end(), row.sample->traits().begin(), row.sample->traits().end());
    return Matrix::create(values, rows.size(), guest_trait_count);
}

Probabilities softmax_of(std::span<const float> margins) {
    const float top = *std::ranges::max_element(margins);
    Probabilities p{};
    double sum = 0;
    for (std::size_t k = 0; k < classes; ++k)
        sum += p[k] = std::exp(static_cast<double>(margins[k] - top));
    for (double& one : p) one /= sum;
    return p;
}

/// Cross-entropy, as bench/training/fit.cpp has it.
Result<Booster> fit(const Rows& rows, const ClassLearning& learning) {
    if (rows.empty()) return fail("no samples of guests to learn from; collect some");
    const auto matrix = TRY(matrix_of(rows));
    auto booster =
        TRY(Booster::create(matrix, {{"objective", "multi:softprob"},
                                     {"num_class", std::to_string(classes)},
                                     {"base_score", "0"},
                                     {"tree_method", "hist"},
                                     {"max_bin", "64"},
                                     {"max_depth", std::to_string(learning.max_depth)},
                                     {"eta", fmt::format("{}", learning.learning_rate)},
                                     {"min_child_weight", fmt::format("{}", learning.leaf)},
                                     {"subsample", "0.7"},
                                     {"colsample_bynode", "0.4"},
                                     {"seed", std::to_string(learning.seed % 2147483647)}}));
    double mean = 0;
    for (const Row& row : rows) mean += 1 / std::sqrt(row.alike) / static_cast<double>(rows.size());
    std::vector<float> gradient(rows.size() * classes), hessian(gradient.size());
    for (unsigned round = 0; round < learning.rounds; ++round) {
        const auto margins = TRY(booster.margins(matrix));
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const auto p = softmax_of(std::span(margins).subspan(i * classes, classes));
            const double weight = 1 / std::sqrt(rows[i].alike) / mean;
            for (std::size_t k = 0; k < classes; ++k) {
                const std::size_t at = i * classes + k;
                gradient[at] = static_cast<float>(weight * (p[k] - (k == rows[i].of ? 1 : 0)));
                hessian[at] =
                    std::max(static_cast<float>(2 * weight * p[k] * (1 - p[k])), least_hessian);
            }
        }
        TRY(booster.boost(matrix, gradient, hessian));
    }
    return booster;
}

/// What is thought of a row by a model that has not seen it.
struct Guess {
    Row row;
    std::size_t of = 0;
    double confidence = 0;
    double least = 0; ///< the threshold that goes with it
    [[nodiscard]] bool right() const { return of == row.of; }
    [[nodiscard]] double weight() const { return 1 / row.alike; }
};

Result<std::vector<Guess>> guesses_of(const Booster& booster, const Rows& rows) {
    if (rows.empty()) return std::vector<Guess>{};
    const auto matrix = TRY(matrix_of(rows));
    const auto margins = TRY(booster.margins(matrix));
    std::vector<Guess> guesses;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto p = softmax_of(std::span(margins).subspan(i * classes, classes));
        const auto top = std::ranges::max_element(p);
        guesses.push_back({rows[i], static_cast<std::size_t>(top - p.begin()), *top});
    }
    return guesses;
}

/// The number of the part that a row is held out with.
using FoldOf = std::function<std::size_t(const Row&)>;

/// By scenario, in turn in the order of their names. Beside other folds, another order.
FoldOf by_scenario(const Rows& rows, std::size_t folds) {
    std::map<std::string_view, std::size_t> fold;
    for (const Row& row : rows) fold[row.sample->scenario()];
    std::size_t next = 0;
    for (auto& [name, of] : fold) of = next++ % folds;
    return [fold = std::move(fold)](const Row& row) { return fold.at(row.sample->scenario()); };
}

FoldOf by_topology(const Rows& rows) {
    std::map<std::string_view, std::size_t> fold;
    for (const Row& row : rows) fold[row.sample->topology()];
    std::size_t next = 0;
    for (auto& [name, of] : fold) of = next++;
    return [fold = std::move(fold)](const Row& row) { return fold.at(row.sample->topology()); };
}

/// Calls `judge(seen, unseen)` for each part.
Result<void> hold_out(const Rows& rows, const FoldOf& fold_of, const auto& judge) {
    std::map<std::size_t, Rows> parts;
    for (const Row& row : rows) parts[fold_of(row)].push_back(row);
    for (const auto& [number, unseen] : parts) {
        Rows seen;
        for (const auto& [other, part] : parts)
            if (other != number) seen.insert(seen.end(), part.begin(), part.end());
        TRY(judge(seen, unseen));
    }
    return {};
}

/// The least threshold at which what is told is right as often as wanted.
Result<double> threshold_of(const Rows& rows, const ClassLearning& learning) {
    std::vector<Guess> guesses;
    TRY(hold_out(rows, by_scenario(rows, threshold_folds),
                 [&](const Rows& seen, const Rows& unseen) -> Result<void> {
                     const auto booster = TRY(fit(seen, learning));
                     const auto some = TRY(guesses_of(booster, unseen));
                     guesses.insert(guesses.end(), some.begin(), some.end());
                     return {};
                 }));
    for (int percent = 40; percent < 99; ++percent) {
        const double least = percent / 100.0;
        double told = 0, right = 0;
        for (const Guess& guess : guesses) {
            if (guess.confidence < least) continue;
            told += guess.weight();
            right += guess.right() ? guess.weight() : 0;
        }
        if (right >= wanted_accuracy * told) return least;
    }
    return 0.99;
}

} // namespace

Result<GuestClassModel> learn_classes(std::span<const proto::GuestSample> samples,
                                      const ClassLearning& learning) {
    const Rows rows = rows_of(samples);
    GuestClassModel model;
    std::set<std::string_view> scenarios;
    std::set<std::size_t> there;
    for (const Row& row : rows) {
        scenarios.insert(row.sample->scenario());
        there.insert(row.of);
    }
    for (std::size_t k = 0; k < classes; ++k)
        if (!there.contains(k))
            return fail("no guest of class {} among the samples; collect more",
                        guest_class_names[k]);
    const auto booster = TRY(fit(rows, learning));
    model.ubj = TRY(booster.save());
    for (const auto name : guest_trait_names) model.manifest.add_traits(std::string(name));
    for (const auto name : guest_class_names) model.manifest.add_classes(std::string(name));
    model.manifest.set_least_confidence(TRY(threshold_of(rows, learning)));
    model.manifest.set_samples(static_cast<std::uint32_t>(rows.size()));
    model.manifest.set_scenarios(static_cast<std::uint32_t>(scenarios.size()));
    model.manifest.set_seed(learning.seed);
    TRY(check_guest_classes(model));
    return model;
}

Result<ClassesJudged> judge_classes(std::span<const proto::GuestSample> samples,
                                    const ClassLearning& learning, HeldOutBy by) {
    const Rows rows = rows_of(samples);
    std::vector<Guess> guesses;
    const FoldOf fold =
        by == HeldOutBy::topology ? by_topology(rows) : by_scenario(rows, scenario_folds);
    TRY(hold_out(rows, fold, [&](const Rows& seen, const Rows& unseen) -> Result<void> {
        const auto booster = TRY(fit(seen, learning));
        const double least = TRY(threshold_of(seen, learning));
        for (Guess guess : TRY(guesses_of(booster, unseen))) {
            guess.least = least;
            guesses.push_back(guess);
        }
        return {};
    }));
    ClassesJudged judged{.guests = guesses.size()};
    std::set<std::string_view> scenarios;
    double all = 0, told = 0;
    for (const Guess& guess : guesses) {
        const double weight = guess.weight(), right = guess.right() ? weight : 0;
        scenarios.insert(guess.row.sample->scenario());
        ++judged.confusion[guess.row.of][guess.of];
        const proto::GuestSample& sample = *guess.row.sample;
        ++judged
              .by_kind[sample.kind() + (hardly_blocks(sample) ? ", hardly blocks" : "")][guess.of];
        all += weight;
        judged.accuracy += right;
        judged.guests_right += guess.right() ? 1 : 0;
        judged.least_confidence += guess.least / static_cast<double>(guesses.size());
        if (guess.confidence < guess.least) continue;
        told += weight;
        judged.told_accuracy += right;
    }
    judged.scenarios = scenarios.size();
    judged.accuracy /= all;
    judged.guests_right /= static_cast<double>(guesses.size());
    judged.told = told / all;
    judged.told_accuracy /= told;
    return judged;
}

std::string text_of(const ClassesJudged& judged) {
    std::string head;
    for (const auto name : guest_class_names) head += fmt::format(" {} |", name);
    const std::string line = "\n|---|" + [] {
        std::string all;
        for (std::size_t k = 0; k < classes; ++k) all += "---|";
        return all;
    }();
    const auto cells = [](const auto& counts) {
        std::string all;
        for (const std::size_t count : counts) all += fmt::format(" {} |", count);
        return all;
    };
    std::string text = fmt::format(
        "{} guests of {} scenarios: {:.1f}% right ({:.1f}% of guests); told at a confidence of "
        "{:.2f}: {:.1f}%, of which {:.1f}% right\n| class \\ told |{} right |{}---|",
        judged.guests, judged.scenarios, 100 * judged.accuracy, 100 * judged.guests_right,
        judged.least_confidence, 100 * judged.told, 100 * judged.told_accuracy, head, line);
    for (std::size_t k = 0; k < classes; ++k) {
        const auto& row = judged.confusion[k];
        const auto all = std::accumulate(row.begin(), row.end(), std::size_t{0});
        text += fmt::format("\n| {} |{} {} |", guest_class_names[k], cells(row),
                            all > 0 ? fmt::format("{:.0f}%", 100 * static_cast<double>(row[k]) /
                                                                 static_cast<double>(all))
                                    : "-");
    }
    text += fmt::format("\n\n| kind \\ told |{}{}", head, line);
    for (const auto& [kind, counts] : judged.by_kind)
        text += fmt::format("\n| {} |{}", kind, cells(counts));
    return text + "\n";
}

} // namespace intellisched
