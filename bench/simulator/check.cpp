// SPDX-License-Identifier: GPL-2.0-only
// What is refused of a scenario, with the field, the value and the way out.
#include "bench/simulator/check.hpp"

#include "bench/simulator/costs.hpp"
#include "bench/simulator/loads/kind.hpp"
#include "bench/simulator/machine.hpp"
#include "src/layout/layout.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace sim {

using intellisched::printable;

namespace {

constexpr double longest_s = 1000;
constexpr double longest_us = 1e9;

void check_machine(Checker& check, const proto::Machine& machine) {
    check.range("machine.sockets", machine.sockets(), 1, max_sockets);
    check.range("machine.cores", machine.cores(), 1, max_cores);
    check.range("machine.threads", machine.threads(), 1, max_threads);
    check.range("machine.nodes", machine.nodes(), 0, max_nodes);
    check.that(machine.slow_cores() == 0 || machine.slow_cores() < machine.cores(),
               "machine.slow_cores is {} of {} cores; leave at least one fast core",
               machine.slow_cores(), machine.cores());
    check.that(machine.slow_speed() == 0 ||
                   (machine.slow_speed() >= 0.5 && machine.slow_speed() <= 1),
               "machine.slow_speed is {}; 0.5 to 1 are accepted, 0 for {}", machine.slow_speed(),
               standard_slow_speed);
    if (check.failed()) return;
    check.that(machine.nodes() == 0 ||
                   nodes_fit(machine.nodes(), machine.sockets(), machine.cores()),
               "machine.nodes is {} for {} sockets of {} cores; a node has whole sockets, or a "
               "socket whole nodes, all the same number",
               machine.nodes(), machine.sockets(), machine.cores());
    check.that(machine.llcs() == 0 ||
                   llcs_fit(machine.llcs(), machine.nodes(), machine.sockets(), machine.cores()),
               "machine.llcs is {} for {} cores and {} nodes of {} sockets; each last-level cache "
               "of a socket has as many whole cores, and a node whole caches",
               machine.llcs(), machine.cores(), machine.nodes(), machine.sockets());
}

void check_name(Checker& check, const std::string& what, const std::string& name,
                std::set<std::string>& names) {
    check.that(!name.empty() && name.size() <= 63 && printable(name) == name,
               "{} is '{}'; give it a name of 1 to 63 printable characters", what,
               printable(name, 64));
    check.that(names.insert(name).second, "{} '{}' is there twice; rename one", what,
               printable(name));
}

void check_arrangement(Checker& check, const std::string& what,
                       const proto::Arrangement& arrangement) {
    check.that(intellisched::layout_from_string(arrangement.layout()).has_value(),
               "{} is '{}'; choose cpu, core, socket, node or all", what,
               printable(arrangement.layout()));
}

std::optional<std::vector<unsigned>> check_cpus(Checker& check, const std::string& what,
                                                const std::string& text, unsigned cpus) {
    auto list = parse_cpu_list(text, cpus);
    if (list) return *list;
    check.that(false, "{}: {}", what, list.error().message);
    return std::nullopt;
}

void check_pools(Checker& check, const proto::Scenario& scenario, std::set<std::string>& names) {
    const unsigned cpus = cpu_count(scenario.machine());
    std::set<unsigned> taken;
    names.insert(std::string(pool0));
    check.range("the number of pools", scenario.pools_size(), 0, 31);
    for (const proto::CpuPool& pool : scenario.pools()) {
        check_name(check, "pools.name", pool.name(), names);
        const std::string what = fmt::format("pool '{}'", printable(pool.name()));
        const auto list = check_cpus(check, what + ": cpus", pool.cpus(), cpus);
        if (!list) return;
        for (const unsigned cpu : *list)
            check.that(taken.insert(cpu).second,
                       "{}: CPU {} is in another pool already; a CPU has one pool", what, cpu);
        if (pool.has_arrangement())
            check_arrangement(check, what + ": arrangement.layout", pool.arrangement());
    }
    check.that(taken.size() < cpus, "the pools take all {} CPUs; leave at least one to Pool-0",
               cpus);
}

void check_affinity(Checker& check, const std::string& what,
                    const google::protobuf::RepeatedPtrField<std::string>& lists,
                    const proto::Guest& guest, unsigned cpus, const std::vector<unsigned>* within) {
    check.that(lists.size() <= static_cast<int>(guest.vcpus()),
               "{}: {} lists for {} vCPUs; give one a vCPU at most", what, lists.size(),
               guest.vcpus());
    for (const std::string& text : lists) {
        const auto list = check_cpus(check, what, text, cpus);
        if (!list || within == nullptr) continue;
        const bool some = std::any_of(list->begin(), list->end(), [&](unsigned cpu) {
            return std::binary_search(within->begin(), within->end(), cpu);
        });
        check.that(some, "{} '{}' has no CPU of its pool; a vCPU needs one to run on", what,
                   printable(text));
    }
}

void check_load(Checker& check, const std::string& guest, WrittenLoad written) {
    if (written.load.kind_case() == proto::Load::KIND_NOT_SET) {
        check.that(false, "{}: a load is empty; say what it does, or remove it", guest);
        return;
    }
    const auto* field = proto::Load::descriptor()->FindFieldByNumber(written.load.kind_case());
    written.field = fmt::format("{}: {}", guest, field->name());
    kind_of(written.load).check(check, written);
}

void check_guest(Checker& check, const proto::Scenario& scenario, const proto::Guest& guest,
                 bool first) {
    const std::string what = fmt::format("guest '{}'", printable(guest.name()));
    const unsigned cpus = cpu_count(scenario.machine());
    check.range(what + ": vcpus", guest.vcpus(), 1, max_guest_vcpus);
    check.range(what + ": weight", guest.weight(), 0, 65535);
    check.that(
        guest.cap() <= guest.vcpus() * 100,
        "{}: cap is {}, its {} vCPUs can use {} percent of a CPU at most; lower it, 0 for none",
        what, guest.cap(), guest.vcpus(), guest.vcpus() * 100);
    check.range(what + ": start_s", guest.start_s(), 0, longest_s);
    check.range(what + ": stop_s", guest.stop_s(), 0, longest_s);
    check.that(guest.stop_s() == 0 || guest.stop_s() > guest.start_s(),
               "{}: stop_s is {}, not after start_s {}; 0 lets it stay", what, guest.stop_s(),
               guest.start_s());
    check.range(what + ": working_set_kb", guest.working_set_kb(), 0, 1e6);
    check.range(what + ": memory_share", guest.memory_share(), 0, 1);
    const bool is_domain0 = guest.name() == domain0;
    check.that(!is_domain0 || first, "{} is not the first guest; move it to the front", what);
    check.that(
        !is_domain0 || (guest.start_s() == 0 && guest.stop_s() == 0 &&
                        (guest.pool().empty() || guest.pool() == pool0)),
        "{} is in Pool-0 all the time, as on every host; remove its pool, start_s and stop_s",
        what);

    const auto pools = pool_cpus(scenario);
    const std::vector<unsigned>* within =
        guest.pool().empty() || guest.pool() == pool0 ? &pools.front() : nullptr;
    for (int i = 0; i < scenario.pools_size(); ++i)
        if (scenario.pools(i).name() == guest.pool())
            within = &pools[static_cast<std::size_t>(i) + 1];
    check.that(within != nullptr,
               "{}: pool '{}' is not there; define it, or leave it empty for Pool-0", what,
               printable(guest.pool()));
    check_affinity(check, what + ": hard_affinity", guest.hard_affinity(), guest, cpus, within);
    check_affinity(check, what + ": soft_affinity", guest.soft_affinity(), guest, cpus, nullptr);

    check.range(what + ": the number of phases", guest.phases_size(), 0, 64);
    double before = -1;
    for (const proto::Phase& phase : guest.phases()) {
        check.range(what + ": phases.at_s", phase.at_s(), 0, longest_s);
        check.that(phase.at_s() > before,
                   "{}: phases.at_s {} is not after the phase before; sort them", what,
                   phase.at_s());
        before = phase.at_s();
        check.range(what + ": the number of loads", phase.loads_size(), 0, 16);
        for (const proto::Load& load : phase.loads())
            check_load(check, what, {load, guest, scenario, {}});
    }
}

const proto::Guest* find_guest(const proto::Scenario& scenario, const std::string& name) {
    for (const proto::Guest& guest : scenario.guests())
        if (guest.name() == name) return &guest;
    return nullptr;
}

void check_action(Checker& check, const proto::Scenario& scenario, const proto::Action& action,
                  const std::set<std::string>& pools) {
    const std::string what = fmt::format("the action at {} s", action.at_s());
    check.range("actions.at_s", action.at_s(), 0, longest_s);
    const auto pool = [&](const std::string& name) {
        check.that(name.empty() || pools.contains(name), "{}: pool '{}' is not there; define it",
                   what, printable(name));
    };
    const auto guest = [&](const std::string& name) {
        const proto::Guest* found = find_guest(scenario, name);
        check.that(found != nullptr, "{}: guest '{}' is not there; define it", what,
                   printable(name));
        return found;
    };
    switch (action.what_case()) {
    case proto::Action::kSetArrangement:
        pool(action.set_arrangement().pool());
        check_arrangement(check, what + ": layout", action.set_arrangement().arrangement());
        break;
    case proto::Action::kMoveCpu:
        pool(action.move_cpu().pool());
        check.range(what + ": cpu", action.move_cpu().cpu(), 0,
                    cpu_count(scenario.machine()) - 1.0);
        break;
    case proto::Action::kMoveGuest:
        pool(action.move_guest().pool());
        check.that(action.move_guest().guest() != domain0,
                   "{}: Domain-0 cannot leave Pool-0; move another guest", what);
        (void)guest(action.move_guest().guest());
        break;
    case proto::Action::kSetScheduling: {
        const auto& wanted = action.set_scheduling();
        const proto::Guest* found = guest(wanted.guest());
        check.range(what + ": weight", wanted.weight(), 0, 65535);
        if (found != nullptr) check.range(what + ": cap", wanted.cap(), -1, found->vcpus() * 100.0);
        break;
    }
    case proto::Action::kCreatePool: {
        std::set<std::string> none; // it may be there at other times
        check_name(check, what + ": pool", action.create_pool().name(), none);
        (void)check_cpus(check, what + ": cpus", action.create_pool().cpus(),
                         cpu_count(scenario.machine()));
        if (action.create_pool().has_arrangement())
            check_arrangement(check, what + ": layout", action.create_pool().arrangement());
        break;
    }
    case proto::Action::kDestroyPool:
        pool(action.destroy_pool());
        break;
    case proto::Action::kRenamePool: {
        std::set<std::string> none;
        pool(action.rename_pool().pool());
        check_name(check, what + ": pool", action.rename_pool().name(), none);
        break;
    }
    case proto::Action::kTraceKb:
        check.range(what + ": trace_kb", action.trace_kb(), 0, 65536);
        break;
    case proto::Action::WHAT_NOT_SET:
        check.that(false, "{} does nothing; say what, or remove it", what);
        break;
    }
}

} // namespace

void Checker::range(const std::string& what, double value, double least, double most) {
    // Written so that NaN is out of every range.
    that(value >= least && value <= most, "{} is {}; choose one from {} to {}", what, value, least,
         most);
}

void Checker::times(const std::string& what, const proto::Times& times, bool may_be_none) {
    if (may_be_none && times.mean_us() == 0) return;
    that(times.mean_us() > 0 && times.mean_us() <= longest_us,
         "{}.mean_us is {}; choose one above 0, up to {}", what, times.mean_us(), longest_us);
    that(proto::Times::Shape_IsValid(times.shape()),
         "{}.shape is {}; choose EXPONENTIAL, FIXED, PARETO or LOGNORMAL", what,
         static_cast<int>(times.shape()));
    that(times.alpha() == 0 || (times.alpha() > 1 && times.alpha() <= 100),
         "{}.alpha is {}; choose one above 1 (there is no mean below), up to 100", what,
         times.alpha());
    range(what + ".sigma", times.sigma(), 0, 4);
}

Result<void> check_scenario(const proto::Scenario& scenario) {
    Checker check;
    check.that(scenario.has_machine(), "there is no machine; say its sockets, cores and threads");
    check_machine(check, scenario.machine());
    if (check.failed()) return check.result(); // the rest needs to know the CPUs
    check.range("warmup_s", scenario.warmup_s(), 0, longest_s);
    check.range("measured_s", scenario.measured_s(), 0, longest_s);
    check.that(scenario.xen_args().size() <= 1024 &&
                   printable(scenario.xen_args(), 1024) == scenario.xen_args(),
               "xen_args is no line of at most 1024 printable characters; shorten it");
    std::set<std::string> pools;
    check_pools(check, scenario, pools);
    if (check.failed()) return check.result();

    unsigned vcpus = added_vcpus(scenario);
    std::set<std::string> names;
    for (int i = 0; i < scenario.guests_size() && !check.failed(); ++i) {
        const proto::Guest& guest = scenario.guests(i);
        check_name(check, "guests.name", guest.name(), names);
        check_guest(check, scenario, guest, i == 0);
        vcpus += guest.vcpus();
        check.that(vcpus <= max_vcpus, "the guests have more than {} vCPUs; leave some out",
                   max_vcpus);
    }
    check.range("the number of actions", scenario.actions_size(), 0, 10000);
    for (const proto::Action& action : scenario.actions()) {
        if (action.has_create_pool()) pools.insert(action.create_pool().name());
        if (action.has_rename_pool()) pools.insert(action.rename_pool().name());
    }
    for (int i = 0; i < scenario.actions_size() && !check.failed(); ++i)
        check_action(check, scenario, scenario.actions(i), pools);
    if (const auto costs = costs_from(scenario.costs()); !costs)
        check.that(false, "costs: {}", costs.error().message);
    return check.result();
}

} // namespace sim
