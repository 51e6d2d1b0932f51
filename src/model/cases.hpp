// SPDX-License-Identifier: MIT
// Samples as training and evaluation see them: one case for every intent that a sample has scores
// for.
#pragma once

#include "src/base/result.hpp"
#include "src/layout/layout.hpp"
#include "src/model/intent.hpp"
#include "src/model/samples.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace intellisched {

struct Case {
    const proto::Sample* sample = nullptr;
    Intent intent = Intent::balanced;
    Layout current = Layout::socket; ///< the layout that the window was seen under
    Representatives representatives{};
    /// By layout; the members of a class of equivalent layouts all have the mean of its scores, for
    /// they are one partition measured several times.
    std::array<double, layout_count> score{};
    std::array<bool, layout_count> best{}; ///< the layouts with the highest score
    double best_score = 0;

    /// How many layouts are best.
    [[nodiscard]] int best_count() const;
    /// The advantage of the best layouts over the mean of the others, as a share of the best score;
    /// 0 when all layouts are alike.
    [[nodiscard]] double advantage() const;
    /// 1 - score(layout) / best score: 0 for a best layout.
    [[nodiscard]] double regret(Layout layout) const;
};

/// The cases of the samples, which must outlive them. Errors: no samples; a sample that
/// check_sample() refuses (named by its number, from 1).
[[nodiscard]] Result<std::vector<Case>> make_cases(std::span<const proto::Sample> samples);

/// What must not be split between training and test.
enum class Group : std::uint8_t { scenario, family, topology };

/// The fold of every case, from 0: one fold a group, or ten folds of whole groups when there are
/// more than twenty. The same for the same groups and seed, whatever the order of the cases.
/// Errors: fewer than two groups.
struct Folds {
    std::vector<unsigned> fold; ///< by case
    unsigned count = 0;
    unsigned groups = 0;
};
[[nodiscard]] Result<Folds> make_folds(std::span<const Case> cases, Group group,
                                       std::uint64_t seed);

} // namespace intellisched
