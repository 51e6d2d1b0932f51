// SPDX-License-Identifier: MIT
#include "bench/classes/collect.hpp"

#include "bench/classes/kinds.hpp"
#include "bench/experiment/runner.hpp"
#include "bench/experiment/simulators.hpp"
#include "src/base/parallel.hpp"
#include "src/base/random.hpp"
#include "src/host/apply.hpp"
#include "src/host/observe.hpp"
#include "src/host/simulator.hpp"
#include "src/model/option.hpp"
#include "src/policy/guest_figures.hpp"
#include "src/proto/records.hpp"

#include <array>
#include <fmt/core.h>

namespace intellisched {
namespace {

constexpr RecordFormat guests_format{.kind = "guest-samples", .version = 1};

using Samples = std::vector<proto::GuestSample>;

/// Layout and rate limit of one run: any, whatever suits the load.
Change drawn(std::uint64_t seed) {
    const Layout layout = layout_of(all_options[splitmix64(seed) % option_count]);
    const unsigned limit_us = limit_of(all_options[splitmix64(seed) % option_count]);
    return {.arrangement = Arrangement{layout, no_cap}, .rate_limit_us = limit_us};
}

/// The jobs of generated periodic guests are of one length. In two of three scenarios of that
/// family they vary here, as frames of a video do: it is when a guest works that makes it periodic,
/// not for how long.
void vary_jobs(proto::Scenario& scenario) {
    constexpr std::array spreads{0.0, 0.25, 0.6}; // of the logarithm
    if (scenario.family() != "periodic") return;
    std::uint64_t state = ~scenario.seed();
    const double spread = spreads[splitmix64(state) % spreads.size()];
    if (spread == 0) return;
    for (proto::Guest& guest : *scenario.mutable_guests())
        for (proto::Phase& phase : *guest.mutable_phases())
            for (proto::Load& load : *phase.mutable_loads()) {
                if (!load.has_periodic() || guest.background()) continue;
                load.mutable_periodic()->mutable_run()->set_shape(proto::Times::LOGNORMAL);
                load.mutable_periodic()->mutable_run()->set_sigma(spread);
            }
}

Result<Samples> collect(const bench::Plan& plan, const bench::Entry& entry, unsigned repeat,
                        const SimOptions& options) {
    proto::Scenario scenario = bench::scenario_of(plan, entry, repeat);
    vary_jobs(scenario);
    auto host = TRY(SimHost::open(scenario, options));
    const HostView& seen = host->first_view();
    const Pool pool = TRY(find_pool(seen.pools, entry.pool));
    const Change change = drawn(scenario.seed());
    TRY(apply(*host, seen.topology, pool, change, false));

    const double begin_s = scenario.warmup_s();
    GuestSums sums;
    proto::HostSnapshot snapshot = seen.snapshot;
    ObserveOptions observation;
    observation.tap = [&](const HostItem& item) -> Result<void> {
        if (const auto* view = std::get_if<HostView>(&item)) snapshot = view->snapshot;
        return {};
    };
    std::uint64_t first = 0;
    unsigned windows = 0;
    auto observed = observe(*host, observation, [&](const WindowStats& stats) {
        if (first == 0) first = stats.begin_tsc;
        const double at_s = static_cast<double>(stats.begin_tsc - first) / stats.tsc_hz;
        if (at_s < begin_s - 0.3 || !bench::usable(stats, pool, *change.arrangement)) return;
        sums.add(stats);
        ++windows;
    });
    if (!observed) return tl::unexpected(observed.error());
    const proto::Truth truth = TRY(host->truth());
    Samples samples;
    for (const GuestFigures& figures : sums.figures(snapshot)) {
        const auto guest = std::ranges::find(scenario.guests(), figures.name, &proto::Guest::name);
        if (guest == scenario.guests().end()) continue;
        const std::string kind = kind_of(*guest, begin_s, begin_s + scenario.measured_s());
        const auto done = std::ranges::find(truth.guests(), figures.name, &proto::GuestTruth::name);
        if (kind.empty() || done == truth.guests().end()) continue;
        proto::GuestSample& sample = samples.emplace_back();
        sample.set_scenario(entry.name);
        sample.set_topology(entry.topology);
        sample.set_guest(figures.name);
        sample.set_kind(kind);
        if (done->run_ns() > 0)
            sample.set_wakeups(1e9 * static_cast<double>(done->wake_to_run().count()) /
                               done->run_ns());
        sample.set_used(done->run_ns() / (1e9 * scenario.measured_s() * done->vcpus()));
        sample.mutable_traits()->Assign(figures.traits.begin(), figures.traits.end());
    }
    return samples;
}

} // namespace

Result<Samples> collect_guests(const std::filesystem::path& path,
                               const std::filesystem::path& folder, unsigned jobs) {
    const auto plan = TRY(bench::read_plan(path));
    const auto entries = TRY(bench::expand(plan, folder));
    const auto simulator = TRY(find_simulator());
    const auto pinned = TRY(bench::PinnedProgram::open(simulator));
    const SimOptions options{.program = pinned.path()};
    std::vector<Samples> found(entries.size() * plan.repeats);
    TRY(in_parallel(jobs, found.size(), [&](std::size_t i) -> Result<void> {
        const bench::Entry& entry = entries[i / plan.repeats];
        auto samples = collect(plan, entry, static_cast<unsigned>(i % plan.repeats), options);
        if (!samples) return fail("{}: {}", entry.name, samples.error().message);
        found[i] = std::move(*samples);
        if (i % 20 == 0) fmt::print(stderr, "{} of {} runs\n", i, found.size());
        return {};
    }));
    Samples all;
    for (Samples& some : found) std::ranges::move(some, std::back_inserter(all));
    return all;
}

Result<void> write_guests(const Samples& samples, const std::filesystem::path& path) {
    std::string bytes = encode_header(guests_format);
    for (const proto::GuestSample& sample : samples)
        bytes += TRY(encode_record(sample.SerializeAsString()));
    return replace_file(path, std::as_bytes(std::span(bytes)));
}

Result<Samples> read_guests(const std::filesystem::path& path) {
    auto reader = TRY(RecordReader::open(path, guests_format));
    Samples samples;
    for (;;) {
        proto::GuestSample sample;
        const bool got = TRY(reader.next(sample));
        if (!got) return samples;
        if (static_cast<std::size_t>(sample.traits_size()) != guest_trait_count)
            return fail("{}: sample {} has {} traits, this program measures {}; collect them again",
                        path.string(), samples.size() + 1, sample.traits_size(), guest_trait_count);
        samples.push_back(std::move(sample));
    }
}

} // namespace intellisched
