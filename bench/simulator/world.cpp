// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/world.hpp"

#include "bench/simulator/loads/backend.hpp"
#include "src/layout/snapshot.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace sim {

using intellisched::fail;

namespace {

/// Of the guests without competition, times those that the scenario is estimated to do.
constexpr double steps_alone = 1;

/// The CPUs of a scenario's affinity lists, which have been checked.
std::vector<std::vector<unsigned>>
cpu_lists(const google::protobuf::RepeatedPtrField<std::string>& texts, unsigned cpus) {
    std::vector<std::vector<unsigned>> lists;
    for (const std::string& text : texts)
        lists.push_back(parse_cpu_list(text, cpus).value_or(std::vector<unsigned>{}));
    return lists;
}

/// CPUs of the pool that some of the guest's vCPUs may run on.
unsigned cpus_of(const DomainPlace& place, const proto::HostSnapshot& host, std::uint32_t pool_id) {
    unsigned count = 0;
    for (const proto::Pool& pool : host.pools()) {
        if (pool.id() != pool_id) continue;
        for (const unsigned cpu : pool.cpus())
            count += std::any_of(place.hard.begin(), place.hard.end(), [&](const auto& hard) {
                return std::find(hard.begin(), hard.end(), cpu) != hard.end();
            });
    }
    return count;
}

} // namespace

Result<MachineOptions> machine_options(const proto::Scenario& scenario, bool tracing) {
    auto costs = TRY(costs_from(scenario.costs()));
    MachineOptions options;
    options.sockets = scenario.machine().sockets();
    options.cores = scenario.machine().cores();
    options.threads = scenario.machine().threads();
    options.nodes = scenario.machine().nodes();
    options.slow_cores = scenario.machine().slow_cores();
    if (options.slow_cores > 0) options.slow_speed = scenario.machine().slow_speed();
    options.llcs = scenario.machine().llcs();
    options.xen_args = scenario.xen_args();
    options.costs = costs;
    options.tracing = tracing;
    return options;
}

World::World(std::unique_ptr<Machine> machine, proto::Scenario scenario,
             std::optional<proto::Arrangement> layout)
    : machine_(std::move(machine)), scenario_(std::move(scenario)), layout_(std::move(layout)),
      begin_(machine_->now()), warm_(time_of(scenario_.warmup_s())),
      end_(time_of(scenario_.warmup_s() + scenario_.measured_s())), truth_since_(begin_),
      alone_(begin_, steps_alone * estimated_steps(scenario_)) {}

Nanoseconds World::time_of(double seconds) const {
    return begin_ + static_cast<Nanoseconds>(std::llround(seconds * 1e9));
}

Result<std::unique_ptr<World>> World::create(std::unique_ptr<Machine> machine,
                                             proto::Scenario scenario,
                                             const std::optional<proto::Arrangement>& layout) {
    // Nobody asks anything of a host before its CPUs have had a moment to come up.
    TRY(machine->advance(machine->now() + settling));
    std::unique_ptr<World> world(new World(std::move(machine), std::move(scenario), layout));
    world->topology_ = TRY(intellisched::topology_of(world->machine_->snapshot()));
    TRY(world->make_pools());
    world->make_guests();
    world->plan_events();
    TRY(world->advance(world->now()));
    return world;
}

Result<void> World::make_pools() {
    pool_ids_[std::string(pool0)] = 0;
    for (const proto::CpuPool& pool : scenario_.pools()) TRY(make_pool(pool));
    if (!layout_) return {};
    const auto set = machine_->set_layout(0, *layout_);
    if (!set) return fail("layout {}: {}", layout_->layout(), set.error().message);
    return {};
}

Result<void> World::make_pool(const proto::CpuPool& pool) {
    std::optional<proto::Arrangement> wanted = layout_;
    if (!wanted && pool.has_arrangement()) wanted = pool.arrangement();
    const auto id = machine_->create_pool(pool.name(), wanted);
    if (!id) return fail("pool '{}': {}", pool.name(), id.error().message);
    pool_ids_[pool.name()] = *id;
    for (const unsigned cpu : parse_cpu_list(pool.cpus(), cpu_count(scenario_.machine()))
                                  .value_or(std::vector<unsigned>{}))
        if (auto moved = machine_->move_cpu(cpu, *id); !moved)
            return fail("pool '{}', CPU {}: {}", pool.name(), cpu, moved.error().message);
    return {};
}

Result<std::uint32_t> World::pool_id(const std::string& name) const {
    const auto found = pool_ids_.find(name);
    if (found == pool_ids_.end()) return fail("pool '{}' is not there then", name);
    return found->second;
}

void World::make_guests() {
    std::map<std::string, std::size_t> by_name;
    for (int i = 0; i < scenario_.guests_size(); ++i) {
        by_name[scenario_.guests(i).name()] = guests_.size();
        const auto make = [&] {
            return std::make_unique<GuestOs>(static_cast<std::uint32_t>(i), scenario_, begin_);
        };
        guests_.push_back({.os = make(), .alone = make(), .domid = {}, .place = {}});
    }
    for (const auto os : {&Guest::os, &Guest::alone}) connect(os, by_name);
}

void World::connect(std::unique_ptr<GuestOs> Guest::*os,
                    const std::map<std::string, std::size_t>& by_name) {
    std::vector<GuestOs*> all;
    for (const Guest& guest : guests_) all.push_back((guest.*os).get());
    for (GuestOs* guest : all) guest->meet(all);
    // A back-end for each pair of a guest and the one that has its back-end.
    for (std::size_t i = 0; i < guests_.size(); ++i) {
        std::map<std::string, unsigned> queues; // by the guest that has the back-end
        for (const proto::Phase& phase : scenario_.guests(static_cast<int>(i)).phases())
            for (const proto::Load& load : phase.loads())
                if (load.has_frontend())
                    queues[load.frontend().backend()] =
                        std::max(queues[load.frontend().backend()], load.frontend().queues());
        for (const auto& [name, count] : queues) {
            GuestOs& host = *(guests_[by_name.at(name)].*os);
            auto backend = std::make_unique<Backend>(host, count);
            (guests_[i].*os)->connect(name, *backend);
            host.add_service(std::move(backend));
        }
    }
}

void World::plan_events() {
    for (std::size_t i = 0; i < guests_.size(); ++i) {
        const proto::Guest& guest = scenario_.guests(static_cast<int>(i));
        const Nanoseconds start = time_of(guest.start_s()) + i * stagger;
        const Nanoseconds stop = time_of(guest.stop_s()) + i * stagger;
        events_.push_back({start, [this, i, start] { return start_guest(i, start); }});
        if (guest.stop_s() > 0)
            events_.push_back({stop, [this, i, stop] { return stop_guest(i, stop); }});
    }
    for (const proto::Action& action : scenario_.actions())
        events_.push_back({time_of(action.at_s()), [this, &action]() -> Result<void> {
                               if (auto done = act(action); !done)
                                   return fail("the action at {} s: {}; change the scenario",
                                               action.at_s(), done.error().message);
                               return {};
                           }});
    events_.push_back({warm_, [this]() -> Result<void> {
                           reset_truth();
                           return {};
                       }});
    std::stable_sort(events_.begin(), events_.end(),
                     [](const Event& a, const Event& b) { return a.at < b.at; });
}

Result<void> World::advance(Nanoseconds until) {
    while (next_event_ < events_.size() && events_[next_event_].at <= until) {
        const Event& event = events_[next_event_];
        if (event.at > now()) TRY(machine_->advance(event.at));
        ++next_event_;
        TRY(event.happen());
    }
    if (until > now()) return machine_->advance(until);
    return {};
}

Nanoseconds World::next_change() const {
    return next_event_ < events_.size() ? events_[next_event_].at
                                        : std::numeric_limits<Nanoseconds>::max();
}

Result<void> World::start_guest(std::size_t index, Nanoseconds at) {
    const proto::Guest& described = scenario_.guests(static_cast<int>(index));
    const unsigned cpus = cpu_count(scenario_.machine());
    Guest& guest = guests_[index];
    const auto pool_there = pool_id(described.pool());
    if (!pool_there) return fail("guest '{}': {}", described.name(), pool_there.error().message);
    DomainOptions options;
    options.guest = static_cast<std::uint32_t>(index);
    options.name = described.name();
    options.pool_id = *pool_there;
    options.vcpus = described.vcpus();
    options.weight = described.weight();
    options.cap = described.cap();
    options.hard = cpu_lists(described.hard_affinity(), cpus);
    options.soft = cpu_lists(described.soft_affinity(), cpus);
    options.working_set_kb = described.working_set_kb();
    options.memory_share = described.memory_share();

    std::vector<unsigned> all(cpus);
    std::iota(all.begin(), all.end(), 0U);
    guest.place = {.pool = described.pool(), .hard = {}, .preferred = all};
    for (std::size_t i = 0; i < options.vcpus; ++i)
        guest.place.hard.push_back(
            options.hard.empty() ? all : options.hard[std::min(i, options.hard.size() - 1)]);
    // xl places a guest that does not say itself where it likes to be, and whose vCPUs have all the
    // same hard affinity; Domain-0 is there before xl.
    if (index > 0 && options.soft.empty() && options.hard.size() <= 1) {
        std::vector<DomainPlace> others;
        for (const Guest& other : guests_)
            if (other.domid) others.push_back(other.place);
        std::vector<unsigned> suitable;
        const proto::HostSnapshot host = machine_->snapshot();
        for (const proto::Pool& pool : host.pools())
            if (pool.id() == options.pool_id)
                std::copy_if(pool.cpus().begin(), pool.cpus().end(), std::back_inserter(suitable),
                             [&](unsigned cpu) {
                                 const auto& hard = guest.place.hard.front();
                                 return std::binary_search(hard.begin(), hard.end(), cpu);
                             });
        if (const auto chosen =
                numa_placement(topology_, others, described.pool(), suitable, options.vcpus)) {
            guest.place.preferred = *chosen;
            options.soft = {*chosen};
        }
    }
    const auto domid = machine_->create_domain(options, *guest.os);
    if (!domid) return fail("guest '{}': {}", described.name(), domid.error().message);
    guest.domid = *domid;
    alone_.advance(at);
    const unsigned own_cpus = cpus_of(guest.place, machine_->snapshot(), options.pool_id);
    alone_.start(options.guest, *guest.alone, options.vcpus, std::max(own_cpus, 1U));
    return {};
}

Result<void> World::stop_guest(std::size_t index, Nanoseconds at) {
    Guest& guest = guests_[index];
    alone_.advance(at);
    alone_.stop(static_cast<std::uint32_t>(index));
    guest.alone->stop();
    guest.os->stop();
    const std::uint32_t domid = *std::exchange(guest.domid, std::nullopt);
    if (auto gone = machine_->destroy_domain(domid); !gone)
        return fail("guest '{}': {}", scenario_.guests(static_cast<int>(index)).name(),
                    gone.error().message);
    return {};
}

Result<World::Guest*> World::present(const std::string& name) {
    for (std::size_t i = 0; i < guests_.size(); ++i)
        if (scenario_.guests(static_cast<int>(i)).name() == name && guests_[i].domid)
            return &guests_[i];
    return fail("guest '{}' is not running then", name);
}

Result<void> World::act(const proto::Action& action) {
    switch (action.what_case()) {
    case proto::Action::kSetArrangement: {
        const auto& wanted = action.set_arrangement();
        const auto pool = TRY(pool_id(wanted.pool()));
        TRY(machine_->set_layout(pool, wanted.arrangement()));
        return {};
    }
    case proto::Action::kMoveCpu: {
        const auto& move = action.move_cpu();
        if (move.pool().empty()) return machine_->move_cpu(move.cpu(), std::nullopt);
        const auto pool = TRY(pool_id(move.pool()));
        return machine_->move_cpu(move.cpu(), pool);
    }
    case proto::Action::kMoveGuest: {
        const auto guest = TRY(present(action.move_guest().guest()));
        const std::string name =
            action.move_guest().pool().empty() ? std::string(pool0) : action.move_guest().pool();
        const auto pool = TRY(pool_id(name));
        guest->place.pool = name;
        return machine_->move_domain(*guest->domid, pool);
    }
    case proto::Action::kCreatePool:
        return make_pool(action.create_pool());
    case proto::Action::kDestroyPool: {
        const auto pool = TRY(pool_id(action.destroy_pool()));
        TRY(machine_->destroy_pool(pool));
        pool_ids_.erase(action.destroy_pool());
        return {};
    }
    case proto::Action::kRenamePool: {
        const auto& rename = action.rename_pool();
        const auto pool = TRY(pool_id(rename.pool()));
        TRY(machine_->rename_pool(pool, rename.name()));
        pool_ids_.erase(rename.pool());
        pool_ids_[rename.name()] = pool;
        for (Guest& guest : guests_)
            if (guest.place.pool == rename.pool()) guest.place.pool = rename.name();
        return {};
    }
    case proto::Action::kTraceKb:
        machine_->set_trace_buffers(std::size_t{action.trace_kb()} << 10);
        return {};
    case proto::Action::kSetScheduling: {
        const auto& wanted = action.set_scheduling();
        const auto guest = TRY(present(wanted.guest()));
        std::optional<unsigned> weight;
        std::optional<unsigned> cap;
        if (wanted.weight() > 0) weight = wanted.weight();
        if (wanted.cap() >= 0) cap = static_cast<unsigned>(wanted.cap());
        return machine_->set_scheduling(*guest->domid, weight, cap);
    }
    case proto::Action::WHAT_NOT_SET:
        break;
    }
    return {};
}

void World::reset_truth() {
    machine_->reset_truth();
    alone_.advance(now());
    alone_.reset();
    for (const Guest& guest : guests_) guest.os->results = {};
    truth_since_ = now();
}

proto::Truth World::truth() const {
    proto::Truth truth = machine_->truth();
    truth.set_scenario(scenario_.name());
    truth.set_seed(scenario_.seed());
    alone_.advance(now());
    truth.set_seconds(static_cast<double>(machine_->now() - truth_since_) / 1e9);
    for (std::size_t i = 0; i < guests_.size(); ++i) {
        const proto::Guest& described = scenario_.guests(static_cast<int>(i));
        auto& all = *truth.mutable_guests();
        auto found = std::find_if(all.begin(), all.end(), [&](const proto::GuestTruth& guest) {
            return guest.name() == described.name();
        });
        proto::GuestTruth& guest = found != all.end() ? *found : *all.Add();
        guest.set_name(described.name());
        guest.set_background(described.background());
        guests_[i].os->results_by_now().put(guest);
        guest.set_demand_ns(alone_.run_ns(static_cast<std::uint32_t>(i)));
    }
    return truth;
}

} // namespace sim
