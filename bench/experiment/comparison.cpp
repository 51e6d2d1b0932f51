// SPDX-License-Identifier: MIT
#include "bench/experiment/comparison.hpp"

#include "collector/window/schema.hpp"

#include <cmath>
#include <optional>

namespace intellisched::bench {
namespace {

/// What one layout did in one scenario.
struct Did {
    std::map<std::string, double> work; ///< by guest, all repeats together
    double moves = 0;                   ///< to another CPU, a second and CPU
    double far_moves = 0;               ///< of these, to another socket
};

std::optional<Did> did(const std::map<RunKey, RunResult>& outcomes, const std::string& scenario,
                       Layout layout) {
    static const auto column = [](std::string_view name) { return *feature_index(name); };
    static const std::array near{column("moves.sibling"), column("moves.socket")};
    static const std::array far{column("moves.node"), column("moves.remote")};
    Did all;
    double windows = 0;
    for (auto run = outcomes.lower_bound({scenario, layout, 0});
         run != outcomes.end() && run->first.entry == scenario && run->first.layout == layout;
         ++run) {
        if (!run->second.error.empty() || run->second.shared) return std::nullopt;
        for (const auto& [name, guest] : run->second.result) all.work[name] += guest.work;
        for (const auto& features : run->second.windows) {
            ++windows;
            for (const std::size_t at : far) all.far_moves += static_cast<double>(features[at]);
            for (const std::size_t at : near) all.moves += static_cast<double>(features[at]);
        }
    }
    if (windows == 0) return std::nullopt;
    all.far_moves /= windows;
    all.moves = all.moves / windows + all.far_moves;
    return all;
}

/// Mean over guests of the ln of their work ratio.
double work_gain(const Did& now, const Did& before) {
    double sum = 0;
    int guests = 0;
    for (const auto& [name, work] : before.work) {
        const auto found = now.work.find(name);
        if (work <= 0 || found == now.work.end() || found->second <= 0) continue;
        sum += std::log(found->second / work);
        ++guests;
    }
    return guests > 0 ? sum / guests : 0;
}

} // namespace

std::vector<proto::Comparison> compare(const std::map<RunKey, RunResult>& outcomes,
                                       std::span<const Choice> choices) {
    std::map<std::pair<std::string, std::string>, proto::Comparison> parts;
    for (const Choice& choice : choices) {
        const auto before = did(outcomes, choice.scenario, choice.standard);
        const auto now = did(outcomes, choice.scenario, choice.chosen);
        if (!before || !now) continue;
        proto::Comparison& part = parts[{choice.part, choice.method}];
        part.set_cases(part.cases() + 1);
        part.set_changed(part.changed() + (choice.chosen != choice.standard));
        part.set_work_gain(part.work_gain() + work_gain(*now, *before));
        part.set_moves_before(part.moves_before() + before->moves);
        part.set_moves_after(part.moves_after() + now->moves);
        part.set_far_moves_before(part.far_moves_before() + before->far_moves);
        part.set_far_moves_after(part.far_moves_after() + now->far_moves);
    }
    std::vector<proto::Comparison> all;
    for (auto& [key, part] : parts) {
        const double cases = part.cases();
        part.set_part(key.first);
        part.set_method(key.second);
        part.set_work_gain(std::expm1(part.work_gain() / cases));
        part.set_moves_before(part.moves_before() / cases);
        part.set_moves_after(part.moves_after() / cases);
        part.set_far_moves_before(part.far_moves_before() / cases);
        part.set_far_moves_after(part.far_moves_after() / cases);
        all.push_back(part);
    }
    return all;
}

} // namespace intellisched::bench
