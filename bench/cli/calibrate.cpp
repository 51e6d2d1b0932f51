// SPDX-License-Identifier: MIT
#include "bench/calibrate/cpu_costs.hpp"
#include "bench/calibrate/trace_costs.hpp"
#include "bench/cli/commands.hpp"
#include "collector/trace/stream.hpp"
#include "src/base/files.hpp"
#include "src/base/interrupt.hpp"
#include "src/cli/output.hpp"
#include "src/cli/source.hpp"
#include "src/host/observe.hpp"
#include "src/host/xl.hpp"
#include "src/layout/snapshot.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace intellisched::cli {
namespace {

struct CalibrateArguments {
    Source source;
    double seconds = 10;
    std::string out;
    bool accept_unusual = false;
    bool json = false;
};

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t dom0 = 0;
constexpr std::chrono::milliseconds settle{1}; // after a vCPU was moved

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What a stretch of trace told.
struct WatchedMachine {
    calibrate::TraceTimes times;
    Observed observed;
    Topology topology;
    Pool pool;
    bool has_dom0 = false;
};

Result<WatchedMachine> watch_machine(const CalibrateArguments& options, double seconds) {
    auto host = TRY(options.source.open());
    WatchedMachine watched;
    bool seen = false;
    calibrate::TraceTimer timer;
    trace::TraceStream stream("the trace");
    const auto handler = [&](const trace::Record& record) { timer.add(record); };
    Progress progress;
    const auto start = Clock::now();
    ObserveOptions observation;
    // observe() tells the TSC's frequency in the end; until then times are in cycles.
    observation.tap = [&](const HostItem& item) -> Result<void> {
        if (const auto* trace = std::get_if<TraceBytes>(&item))
            return stream.feed(trace->bytes, handler);
        const auto* now = std::get_if<HostView>(&item);
        if (!now) return {};
        auto pool = TRY(find_pool(now->pools, options.source.pool));
        if (pool.scheduler != "credit2")
            return fail("cpupool '{}' runs the {} scheduler; it takes credit2's records to tell "
                        "what things cost",
                        printable(pool.name), printable(pool.scheduler));
        timer.set_cpus(now->topology, pool.cpus);
        watched.topology = now->topology;
        watched.pool = std::move(pool);
        watched.has_dom0 = std::ranges::any_of(now->snapshot.domains(), [&](const auto& domain) {
            return domain.id() == dom0 && domain.pool_id() == watched.pool.id;
        });
        seen = true;
        return {};
    };
    observation.stop = [&] {
        if (options.source.live())
            progress.show(fmt::format("watching cpupool {}: {:.0f} of {:.0f} s",
                                      options.source.pool, seconds_since(start), seconds));
        return interrupted || (options.source.live() && seconds_since(start) >= seconds);
    };
    auto observed = TRY(observe(*host, observation, [](const WindowStats&) {}));
    stream.finish(handler);
    if (!seen) return fail("the host gave no snapshot of its pools; nothing can be measured");
    watched.times = timer.times();
    watched.observed = observed;
    return watched;
}

/// What keeps the CPUs from being measured, in one line; empty: nothing.
std::string obstacle(const WatchedMachine& watched, std::size_t vcpus) {
    if (!watched.has_dom0) return "dom0, which would measure it, is in another pool";
    if (watched.pool.granularity != Granularity::cpu)
        return "the pool schedules more than a CPU at a time (sched-gran)";
    if (vcpus < 2) return "dom0 has one vCPU only, and measuring takes two";
    return {};
}

/// Pins two vCPUs of dom0 here and there in the pool and measures; they have their affinity back on
/// return, and whatever happens. Errors: one that has not.
Result<void> measure_cpus(proto::Calibration& found, const WatchedMachine& watched,
                          double seconds) {
    auto xl = TRY(Xl::open());
    auto before = TRY(xl.hard_affinities(dom0));
    if (const std::string why = obstacle(watched, before.size()); !why.empty()) {
        for (const std::string_view name : calibrate::cpu_costs)
            calibrate::leave_out(found, name, why);
        return {};
    }
    Progress progress;
    const auto start = Clock::now();
    calibrate::CpuCostOptions options;
    options.topology = watched.topology;
    options.cpus = watched.pool.cpus;
    // The last ones: the first has most of the interrupts. A vCPU of dom0 is its Linux's CPU of
    // that number.
    options.seats = {before[before.size() - 1].vcpu, before[before.size() - 2].vcpu};
    Pins pins(std::move(before),
              [&](const HardAffinity& affinity) { return xl.set_hard_affinity(dom0, affinity); });
    options.place = [&](unsigned vcpu, unsigned cpu) -> Result<void> {
        auto put = pins.put(vcpu, cpu);
        if (put) std::this_thread::sleep_for(settle);
        return put;
    };
    options.stop = [&] {
        progress.show(
            fmt::format("measuring CPUs: {:.0f} of {:.0f} s", seconds_since(start), seconds));
        return interrupted || seconds_since(start) >= seconds;
    };
    const auto added = calibrate::add_cpu_costs(found, options);
    TRY(pins.restore());
    if (!added)
        for (const std::string_view name : calibrate::cpu_costs)
            calibrate::leave_out(found, name, added.error().message);
    return {};
}

Result<int> calibrate_host(const CalibrateArguments& options) {
    const auto start = Clock::now();
    auto watched = TRY(watch_machine(options, options.seconds / 2));
    for (const std::string& line : watched.observed.told())
        fmt::print(stderr, "calibrate: {}\n", line);
    proto::Calibration found;
    found.set_pool(watched.pool.name);
    calibrate::add_trace_costs(found, watched.times, watched.observed.tsc_khz);
    if (options.source.live()) {
        // What is left of the time, however long the trace took to begin.
        const double left = options.seconds - seconds_since(start);
        TRY(measure_cpus(found, watched, left));
    } else {
        for (const std::string_view name : calibrate::cpu_costs)
            calibrate::leave_out(found, name, "no trace tells it; only a live host does");
    }
    if (!options.accept_unusual) calibrate::drop_unusual(found);
    if (found.measured().empty())
        return fail("cpupool '{}': nothing could be measured; {}: {}", printable(watched.pool.name),
                    found.left_out(0).constant(), found.left_out(0).why());
    if (!options.out.empty()) {
        const std::string text = calibrate::costs_text(found);
        TRY(replace_file(options.out, std::as_bytes(std::span(text))));
    }
    TRY(print(options.json ? json_output(found) : calibrate::table(found)));
    return done;
}

} // namespace

void add_calibrate(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "calibrate", "measure what things cost on this machine, for recommend --costs and the "
                     "simulator");
    auto options = std::make_shared<CalibrateArguments>();
    options->source.add_to(*command);
    options->source.add_trace_options(*command);
    command->add_option("--seconds", options->seconds, "how long it may take on a live host")
        ->capture_default_str()
        ->transform(seconds_within(2, 3600));
    command->add_option("--out", options->out,
                        "the costs file to write, for `recommend --costs` and the simulator");
    command->add_flag("--accept-unusual", options->accept_unusual,
                      "write figures, too, that are more than a factor of three from the "
                      "simulator's defaults");
    command->add_flag("--json", options->json, "print JSON");
    command->callback(
        [options, &action] { action = [options] { return calibrate_host(*options); }; });
}

} // namespace intellisched::cli
