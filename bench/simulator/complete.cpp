// SPDX-License-Identifier: GPL-2.0-only
// What a scenario leaves out, filled in once, so that nothing below knows a default.
#include "bench/simulator/loads/kind.hpp"
#include "bench/simulator/scenario.hpp"

#include <algorithm>

namespace sim {

proto::Scenario completed(proto::Scenario scenario) {
    auto& machine = *scenario.mutable_machine();
    SET_DEFAULT(machine, nodes, machine.sockets());
    SET_DEFAULT(machine, llcs, 1);
    if (machine.slow_cores() > 0) SET_DEFAULT(machine, slow_speed, standard_slow_speed);
    SET_DEFAULT(scenario, warmup_s, 1.5);
    SET_DEFAULT(scenario, measured_s, 4);
    if (const unsigned vcpus = added_vcpus(scenario); vcpus > 0) {
        auto& guests = *scenario.mutable_guests();
        auto* guest = guests.Add();
        guest->set_name(std::string(domain0));
        guest->set_vcpus(vcpus);
        for (int i = guests.size() - 1; i > 0; --i) guests.SwapElements(i, i - 1);
    }
    for (proto::Guest& guest : *scenario.mutable_guests()) {
        if (guest.pool().empty()) guest.set_pool(std::string(pool0));
        SET_DEFAULT(guest, weight, 256);
        SET_DEFAULT(guest, working_set_kb, 256);
        for (proto::Phase& phase : *guest.mutable_phases())
            for (proto::Load& load : *phase.mutable_loads())
                kind_of(load).complete(load, guest.vcpus());
    }
    for (proto::Action& action : *scenario.mutable_actions())
        if (action.has_set_arrangement() && action.set_arrangement().pool().empty())
            action.mutable_set_arrangement()->set_pool(std::string(pool0));
    return scenario;
}

unsigned added_vcpus(const proto::Scenario& scenario) {
    const bool there = !scenario.guests().empty() && scenario.guests(0).name() == domain0;
    return there ? 0 : std::min(cpu_count(scenario.machine()), 4U);
}

unsigned cpu_count(const proto::Machine& machine) {
    const unsigned threads = machine.cores() * machine.threads();
    return machine.sockets() * (threads - machine.slow_cores() * (machine.threads() - 1));
}

} // namespace sim
