// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/loads/kind.hpp"

#include <algorithm>

namespace sim {

namespace {

constexpr std::array all{&kinds::hog,      &kinds::open_server, &kinds::closed_server, &kinds::ring,
                         &kinds::build,    &kinds::periodic,    &kinds::database,      &kinds::boot,
                         &kinds::frontend, &kinds::replay};

} // namespace

const Kind& kind_of(const proto::Load& load) {
    return **std::find_if(all.begin(), all.end(),
                          [&](const Kind* kind) { return kind->id == load.kind_case(); });
}

const Kind& kind_of(std::string_view family) {
    return **std::find_if(all.begin(), all.end(), [&](const Kind* kind) {
        return std::find(kind->families.begin(), kind->families.end(), family) !=
               kind->families.end();
    });
}

Pace cycles(double actors, double work_us, double away_us, double vcpus, double steps_a_cycle,
            double most) {
    const double rate = std::min({1e6 * actors / (work_us + away_us), 1e6 * vcpus / work_us, most});
    return {.steps = rate * steps_a_cycle, .cpus = rate * work_us / 1e6};
}

} // namespace sim
