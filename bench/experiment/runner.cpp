// SPDX-License-Identifier: MIT
#include "bench/experiment/runner.hpp"

#include "bench/experiment/simulators.hpp"
#include "collector/window/features.hpp"
#include "src/base/random.hpp"
#include "src/host/apply.hpp"
#include "src/host/observe.hpp"
#include "src/host/simulator.hpp"
#include "src/model/sample.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace intellisched::bench {
namespace {

constexpr double least_coverage = 0.8;

std::uint64_t seed_of(std::uint64_t seed, unsigned repeat) {
    std::uint64_t state = seed;
    for (unsigned i = 0; i < repeat; ++i) seed = splitmix64(state);
    return seed;
}

struct Task {
    const Entry* entry = nullptr;
    Cell cell;
    unsigned repeat = 0;
    std::string fingerprint;
    std::string simulator; ///< its identity
    double cost = 1;       ///< about how long it takes, for the time left
};

/// vCPUs and CPUs make the events, and they make the time.
double cost_of(const proto::Scenario& scenario) {
    const proto::Machine& m = scenario.machine();
    double things = m.sockets() * m.cores() * m.threads();
    for (const proto::Guest& guest : scenario.guests()) things += guest.vcpus();
    const double warmup = scenario.warmup_s() > 0 ? scenario.warmup_s() : 1.5;
    const double measured = scenario.measured_s() > 0 ? scenario.measured_s() : 4;
    return things * (warmup + measured);
}

/// A host whose trace begins shortly before `from_ns` of virtual time: windows then begin there.
class Measured final : public Host {
  public:
    Measured(SimHost& host, std::uint64_t from_ns) : host_(host), from_ns_(from_ns) {}
    [[nodiscard]] const HostInfo& info() const override { return host_.info(); }
    [[nodiscard]] Result<std::optional<HostItem>> next() override {
        auto item = host_.next();
        if (!item || !*item || host_.elapsed_ns() + lead_ns > from_ns_) return item;
        if (auto* trace = std::get_if<TraceBytes>(&**item)) trace->bytes.clear();
        return item;
    }

  private:
    // Until a vCPU has been seen to run, nothing is known of it.
    static constexpr std::uint64_t lead_ns = 100'000'000;
    SimHost& host_;
    std::uint64_t from_ns_;
};

/// The windows of the measured part; the host is then at its end.
Result<void> measure(SimHost& host, const Pool& pool, const Arrangement& wanted, double warmup_s,
                     bool traced, proto::Run& run) {
    Measured measured(host, static_cast<std::uint64_t>(warmup_s * 1e9));
    auto observed = observe(measured, {}, [&](const WindowStats& stats) {
        if (!usable(stats, pool, wanted)) return;
        const FeatureVector vector = feature_vector(stats);
        run.add_windows()->mutable_features()->Assign(vector.values.begin(), vector.values.end());
    });
    if (!observed) return tl::unexpected(observed.error());
    if (traced && run.windows().empty())
        return fail("no usable window in the measured part; measure for half a second at least");
    return {};
}

Result<void> fill(const Plan& plan, const Task& task, const SimOptions& options, proto::Run& run) {
    const proto::Scenario scenario = scenario_of(plan, *task.entry, task.repeat);
    auto host = TRY(SimHost::open(scenario, options));
    const HostView& seen = host->first_view();
    auto pool = TRY(find_pool(seen.pools, task.entry->pool));

    const Representatives same = representatives(seen.topology, pool, no_cap);
    for (const Layout layout : same) run.add_representative(std::string(to_string(layout)));
    const auto measured = std::ranges::find_if(plan.layouts, [&](Layout one) {
        return same[index(one)] == same[index(task.cell.layout)];
    });
    const bool by_default = task.cell.limit_us == default_rate_limit_us;
    if (by_default && *measured != task.cell.layout) { // one of the plan's, for the task's is
        run.set_same_as(std::string(to_string(*measured)));
        return {};
    }
    const Arrangement wanted{task.cell.layout, no_cap};
    Change change{.arrangement = wanted};
    if (plan.rate_limits) change.rate_limit_us = task.cell.limit_us;
    TRY(apply(*host, seen.topology, pool, change, false));
    TRY(measure(*host, pool, wanted, scenario.warmup_s(), options.tracing, run));
    *run.mutable_truth() = TRY(host->truth());
    // A simulator that does not tell its costs has those that the scenario gives.
    const auto costs =
        costs_for_sample(host->costs().ByteSizeLong() > 0 ? host->costs() : scenario.costs());
    run.mutable_costs()->Assign(costs.begin(), costs.end());
    return {};
}

proto::Run run_of(const Plan& plan, const Task& task, const SimOptions& options) {
    proto::Run run;
    run.set_entry(task.entry->name);
    run.set_layout(std::string(to_string(task.cell.layout)));
    if (plan.rate_limits) run.set_rate_limit_us(task.cell.limit_us);
    run.set_repeat(task.repeat);
    run.set_fingerprint(task.fingerprint);
    run.set_family(task.entry->family);
    run.set_topology(task.entry->topology);
    run.set_pool(task.entry->pool);
    run.set_schema_version(feature_schema_version);
    run.set_simulator(task.simulator);
    run.set_scenario(identity(scenario_of(plan, *task.entry, task.repeat)));
    proto::Run failed = run;
    auto filled = fill(plan, task, options, run);
    // What the simulator says is checked here, so that it is this run's error and no other's.
    if (filled)
        if (auto outcome = outcome_of(run); !outcome) filled = tl::unexpected(outcome.error());
    if (filled) return run;
    failed.set_error(filled.error().message);
    return failed;
}

std::vector<Task> tasks_of(const Plan& plan, std::span<const Entry> entries,
                           const std::string& simulator, const Results& results) {
    std::vector<Task> tasks;
    for (const Entry& entry : entries)
        for (unsigned repeat = 0; repeat < plan.repeats; ++repeat) {
            const proto::Scenario scenario = scenario_of(plan, entry, repeat);
            const std::string name = fingerprint(entry, scenario, plan, repeat, simulator);
            for (const Cell& cell : cells_of(plan, entry))
                if (!results.has({entry.name, cell.layout, repeat, cell.limit_us}, name))
                    tasks.push_back({&entry, cell, repeat, name, simulator, cost_of(scenario)});
        }
    return tasks;
}

/// What the threads share.
struct Shared {
    std::mutex mutex;
    std::condition_variable finished;
    std::atomic<bool> halt = false;
    std::size_t next = 0, done = 0;
    double cost_done = 0;
    unsigned working = 0;
    Result<void> stored;
};

void work(const Plan& plan, std::span<const Task> tasks, Results& results, SimOptions options,
          Shared& shared) {
    options.stop = &shared.halt;
    std::unique_lock lock(shared.mutex);
    while (!shared.halt && shared.next < tasks.size()) {
        const Task& task = tasks[shared.next++];
        lock.unlock();
        options.tracing = task.repeat < plan.traced;
        const proto::Run run = run_of(plan, task, options);
        lock.lock();
        if (shared.halt) break; // it may have failed for that reason only
        if (auto added = results.add(run); !added) {
            shared.stored = added;
            shared.halt = true;
            break;
        }
        ++shared.done;
        shared.cost_done += task.cost;
    }
    --shared.working;
    shared.finished.notify_all();
}

} // namespace

proto::Scenario scenario_of(const Plan& plan, const Entry& entry, unsigned repeat) {
    proto::Scenario scenario = entry.scenario;
    scenario.set_seed(seed_of(scenario.seed(), repeat));
    scenario.mutable_costs()->MergeFrom(plan.costs);
    if (plan.warmup_s > 0) scenario.set_warmup_s(plan.warmup_s);
    if (plan.measured_s > 0) scenario.set_measured_s(plan.measured_s);
    if (scenario.warmup_s() <= 0) scenario.set_warmup_s(1.5); // as the simulator takes it
    return scenario;
}

Result<void> check_makers(const Plan& plan, std::span<const Entry> entries,
                          const Results& results) {
    std::map<std::string, unsigned> runs; // by simulator
    for (const Entry& entry : entries)
        for (unsigned repeat = 0; repeat < plan.repeats; ++repeat) {
            const std::string scenario =
                plan.live() ? "" : identity(scenario_of(plan, entry, repeat));
            for (const Layout layout : plan.layouts) {
                const RunResult* outcome = results.find({entry.name, layout, repeat});
                if (outcome == nullptr || !outcome->error.empty()) continue;
                ++runs[outcome->simulator];
                if (!outcome->scenario.empty() && outcome->scenario != scenario)
                    return fail("entry {}, layout {}, repeat {}: it was made of another scenario "
                                "than the plan has now; run the plan without --stored",
                                printable(entry.name, 64), to_string(layout), repeat);
            }
        }
    if (runs.size() < 2) return {};
    std::string list;
    for (const auto& [simulator, count] : runs)
        list += fmt::format("{}{} of {}", list.empty() ? "" : ", ", count,
                            simulator.empty() ? "an unknown one" : printable(simulator, 32));
    return fail(
        "the runs of the plan are of {} simulators, which may tell another truth each ({}); "
        "run the plan without --stored: what another one has made is made again",
        runs.size(), list);
}

bool usable(const WindowStats& stats, const Pool& pool, const Arrangement& wanted) {
    return stats.facts.pool_id == pool.id && stats.facts.in_force == wanted &&
           stats.rearrangements == 0 && stats.coverage() >= least_coverage;
}

Result<void> run_simulated(const Plan& plan, std::span<const Entry> entries, Results& results,
                           const RunnerOptions& options) {
    SimOptions sim = options.sim;
    if (sim.program.empty()) {
        auto program = TRY(find_simulator());
        sim.program = program;
    }
    const auto pinned = TRY(PinnedProgram::open(sim.program));
    sim.program = pinned.path();
    const std::vector<Task> tasks = tasks_of(plan, entries, pinned.identity(), results);
    double cost = 0;
    for (const Task& task : tasks) cost += task.cost;

    Shared shared;
    shared.working = std::max(1U, std::min<unsigned>(options.jobs, 1024));
    std::vector<std::jthread> threads;
    for (unsigned i = shared.working; i > 0; --i)
        threads.emplace_back([&] { work(plan, tasks, results, sim, shared); });

    using namespace std::chrono_literals;
    auto synced = std::chrono::steady_clock::now();
    std::unique_lock lock(shared.mutex);
    while (!shared.finished.wait_for(lock, 100ms, [&] { return shared.working == 0; })) {
        if (options.stop && *options.stop) shared.halt = true;
        if (options.progress)
            options.progress(cost > 0 ? shared.cost_done / cost : 1, shared.done, tasks.size());
        if (std::chrono::steady_clock::now() - synced < 5s) continue;
        synced = std::chrono::steady_clock::now();
        if (auto done = results.sync(); !done && shared.stored) {
            shared.stored = done;
            shared.halt = true;
        }
    }
    lock.unlock();
    threads.clear();
    if (!shared.stored) return shared.stored;
    return results.sync();
}

} // namespace intellisched::bench
