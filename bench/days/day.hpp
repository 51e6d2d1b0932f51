// SPDX-License-Identifier: MIT
// One day of bench/days/days.cpp: drawn, simulated under each layout and with the service, and
// kept.
#pragma once

#include "bench/days/day_figures.hpp"
#include "src/model/bundle.hpp"
#include "src/policy/settings.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace intellisched {

inline constexpr int least_phases = 4; ///< what is less is no day

struct DayRequest {
    proto::DayOptions options;
    std::filesystem::path out; ///< where days are kept, as day-NN.json
    const Bundle& bundle;
    Intent intent = Intent::balanced;
    const PolicySettings& policy; ///< says, too, whether the rate limit may be turned
    bool stock = false;           ///< no layout can be changed
    std::string simulator;        ///< its identity
    /// Of windows recorded under each layout, the rate limit left alone, below out/windows. They
    /// are of this simulator, bundle and intent; after a change of windows or of the live score
    /// that folder is to be removed.
    bool replay = false;
};

/// The knobs that are turned, and their name: "layout", "rate-limit" or "both".
[[nodiscard]] std::vector<Knob> knobs_of(const PolicySettings& policy, bool stock, bool replay);
[[nodiscard]] std::string name_of_knobs(std::span<const Knob> knobs);

/// Makes what is not kept yet of the day. Errors: too few scenarios of as little work as is wanted;
/// those of the simulator, of the model and of files.
[[nodiscard]] Result<proto::Day> make_day(const DayRequest& request);

/// Errors: the phase is not complete.
[[nodiscard]] Result<bench::PhaseFigures> figures_of(const proto::DayPhase& phase, Intent intent);

} // namespace intellisched
