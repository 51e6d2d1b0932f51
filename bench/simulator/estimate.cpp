// SPDX-License-Identifier: GPL-2.0-only
// How much a scenario is to simulate, before it is tried.
#include "bench/simulator/loads/guest_os.hpp"
#include "bench/simulator/scenario.hpp"

#include <algorithm>
#include <numeric>

namespace sim {

namespace {

/// What a load does in a second if it gets the CPUs that it wants.
struct Pace {
    double steps = 0;  ///< that take CPU time: fewer when there are not CPUs enough
    double events = 0; ///< that come in any case
    double cpus = 0;   ///< wanted
};

/// `actors` go round a cycle of `work_us` on a CPU and `away_us` elsewhere, with at most `vcpus` of
/// them on a CPU at a time and `most` of the cycles in a second.
Pace cycles(double actors, double work_us, double away_us, double vcpus, double steps_a_cycle,
            double most = 1e12) {
    const double rate = std::min({1e6 * actors / (work_us + away_us), 1e6 * vcpus / work_us, most});
    return {.steps = rate * steps_a_cycle, .cpus = rate * work_us / 1e6};
}

Pace pace_of(const proto::Load& load, double vcpus) {
    switch (load.kind_case()) {
    case proto::Load::kHog:
        return cycles(load.hog().threads(), static_cast<double>(time_slice) / 1e3, 0, vcpus, 1);
    case proto::Load::kOpenServer: {
        const auto& server = load.open_server();
        const double rate = server.requests_per_s();
        return {.steps = 2 * rate,
                .events = rate,
                .cpus = std::min(rate * server.service().mean_us() / 1e6, vcpus)};
    }
    case proto::Load::kClosedServer: {
        const auto& server = load.closed_server();
        return cycles(server.clients(), server.service().mean_us(), server.think().mean_us(), vcpus,
                      4);
    }
    case proto::Load::kRing:
        return cycles(load.ring().tokens(), load.ring().hop().mean_us(), 0, vcpus, 2);
    case proto::Load::kBuild: {
        const auto& build = load.build();
        return cycles(build.width(), build.job().mean_us(),
                      build.io_per_job() * build.io().mean_us(), vcpus,
                      3 * (build.io_per_job() + 1.0));
    }
    case proto::Load::kPeriodic: {
        const double rate = vcpus * 1e6 / load.periodic().period_us();
        return {.steps = 2 * rate,
                .events = rate,
                .cpus = std::min(rate * load.periodic().run().mean_us() / 1e6, vcpus)};
    }
    case proto::Load::kDatabase: {
        const auto& database = load.database();
        return cycles(database.threads(), database.work().mean_us() + database.critical().mean_us(),
                      database.think().mean_us(), vcpus, 5,
                      1e6 * database.locks() / database.critical().mean_us());
    }
    case proto::Load::kBoot:
        return cycles(vcpus, load.boot().stretch().mean_us(), load.boot().io().mean_us(), vcpus, 3);
    case proto::Load::kFrontend: {
        const auto& frontend = load.frontend();
        return cycles(frontend.threads(), frontend.work().mean_us(),
                      frontend.backend_work().mean_us() + frontend.device().mean_us(), vcpus, 6,
                      1e6 / frontend.backend_work().mean_us());
    }
    case proto::Load::kReplay: {
        Pace pace;
        for (const auto& vcpu : load.replay().vcpus()) {
            const double run_us = std::reduce(vcpu.run_us().begin(), vcpu.run_us().end());
            const double open_us = std::reduce(vcpu.wake_us().begin(), vcpu.wake_us().end());
            const double closed_us = std::reduce(vcpu.block_us().begin(), vcpu.block_us().end());
            const double length_us = std::max(open_us, closed_us + run_us);
            if (!(length_us > 0)) continue;
            pace.steps += 3e6 * vcpu.run_us_size() / length_us;
            pace.cpus += run_us / length_us;
        }
        return pace;
    }
    default:
        return {};
    }
}

} // namespace

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
                const Pace pace = pace_of(load, guest.vcpus());
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
