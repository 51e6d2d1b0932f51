// SPDX-License-Identifier: GPL-2.0-only
// How much a scenario is to simulate, before it is tried.
#include "bench/simulator/loads/kind.hpp"
#include "bench/simulator/scenario.hpp"

#include <algorithm>

namespace sim {

double estimated_steps(const proto::Scenario& scenario) {
    const double end = scenario.warmup_s() + scenario.measured_s();
    Pace total; // here of all the time, not of a second
    for (const proto::Guest& guest : scenario.guests()) {
        const double stop = guest.stop_s() > 0 ? std::min(guest.stop_s(), end) : end;
        for (int i = 0; i < guest.phases_size(); ++i) {
            const double from = std::max(guest.phases(i).at_s(), guest.start_s());
            const double until =
                i + 1 < guest.phases_size() ? std::min(guest.phases(i + 1).at_s(), stop) : stop;
            const double seconds = std::max(until - from, 0.0);
            for (const proto::Load& load : guest.phases(i).loads()) {
                const Pace pace = kind_of(load).pace(load, guest.vcpus());
                total.steps += pace.steps * seconds;
                total.events += pace.events * seconds;
                total.cpus += pace.cpus * seconds;
            }
        }
    }
    const double capacity = cpu_count(scenario.machine()) * end;
    return total.events + total.steps * std::min(1.0, capacity / std::max(total.cpus, 1e-9));
}

Result<void> check_steps(const proto::Scenario& scenario) {
    const double steps = estimated_steps(scenario);
    if (steps <= max_steps) return {};
    return intellisched::fail("the loads do about {:.1e} steps, more than the {:.0e} that are "
                              "simulated; shorten measured_s, or make the loads' times longer",
                              steps, max_steps);
}

} // namespace sim
