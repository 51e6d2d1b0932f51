// SPDX-License-Identifier: MIT
// Samples as training and evaluation see them: one case for every intent that a sample has scores
// for.
#pragma once

#include "src/base/result.hpp"
#include "src/model/intent.hpp"
#include "src/model/sample.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace intellisched {

struct Case {
    const proto::Sample* sample = nullptr;
    Intent intent = Intent::balanced;
    Option current = boot_option; ///< the option that the window was seen under
    Classes classes{};
    /// By option. Equivalent options all have the mean of their scores, because they are one
    /// partition measured several times. NaN where none of them was measured.
    std::array<double, option_count> score{};
    /// By option: standard error of the lead that the best option has, as a share of the score; NaN
    /// when it is not known.
    std::array<double, option_count> spread{};
    std::array<bool, option_count> best{}; ///< the options with the highest score
    double best_score = 0;
    /// By repeat: ln of the score that each option had in it, against the best score; none when
    /// that is not known.
    std::vector<std::array<double, option_count>> repeats;

    /// Whether two options are one partition.
    [[nodiscard]] bool equivalent(Option a, Option b) const {
        return classes[index(a)] == classes[index(b)];
    }
    /// How many options are the same partition as this one, itself among them.
    [[nodiscard]] int members(Option option) const;
    /// 1 - score(option) / best score: 0 for a best option, NaN for one that was not measured.
    [[nodiscard]] double regret(Option option) const;
    /// Whether every option was measured. A case with fewer (a trial has two) can be learnt from,
    /// but nothing can be judged by it.
    [[nodiscard]] bool complete() const;
};

/// The cases of the samples, which must outlive them. Errors: no samples; a sample that
/// check_sample() refuses (named by its number, from 1); samples of several knobs or
/// versions of the score.
[[nodiscard]] Result<std::vector<Case>> make_cases(std::span<const proto::Sample> samples);

/// What must not be split between training and test.
enum class Group : std::uint8_t { scenario, family, topology };

/// The fold of every case, from 0: one fold per group, or `most` folds of whole groups when there
/// are more groups than that. `most` 0: ten folds when there are more than twenty groups. The same
/// for the same groups and seed, whatever the order of the cases. Errors: fewer than two groups.
struct Folds {
    std::vector<unsigned> fold; ///< by case
    unsigned count = 0;
    unsigned groups = 0;
};
[[nodiscard]] Result<Folds> make_folds(std::span<const Case> cases, Group group, std::uint64_t seed,
                                       unsigned most = 0);

/// The name of the case's group: its scenario, family or topology.
[[nodiscard]] const std::string& group_of(const Case& one, Group group);

} // namespace intellisched
