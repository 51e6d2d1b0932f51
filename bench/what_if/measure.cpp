// SPDX-License-Identifier: MIT
#include "bench/what_if/measure.hpp"

#include "src/base/parallel.hpp"
#include "src/host/apply.hpp"

#include <atomic>

namespace intellisched::what_if {
namespace {

Result<proto::Truth> run(const proto::Scenario& scenario, const std::string& pool,
                         const Change& change, SimOptions options) {
    options.tracing = false;
    auto host = TRY(SimHost::open(scenario, options));
    const HostView& seen = host->first_view();
    if (!change.empty())
        TRY(apply(*host, seen.topology, TRY(find_pool(seen.pools, pool)), change, false));
    while (TRY(host->next()))
        if (options.stop != nullptr && *options.stop) return fail("interrupted");
    return host->truth(); // of the measured time: it begins anew after the warm-up
}

} // namespace

Result<Truths> measure(const std::vector<proto::Scenario>& scenarios, const std::string& pool,
                       const std::vector<Change>& configurations, const MeasureOptions& options) {
    Truths truths(configurations.size(), std::vector<proto::Truth>(scenarios.size()));
    const std::size_t all = configurations.size() * scenarios.size();
    std::atomic<std::size_t> done = 0;
    TRY(in_parallel(options.jobs, all, [&](std::size_t i) -> Result<void> {
        const std::size_t c = i / scenarios.size(), s = i % scenarios.size();
        auto truth = run(scenarios[s], pool, configurations[c], options.sim);
        if (options.sim.stop != nullptr && *options.sim.stop) return fail("interrupted");
        if (!truth)
            return fail("under {}: {}",
                        configurations[c].empty() ? "what is in force"
                                                  : to_string(configurations[c]),
                        truth.error().message);
        truths[c][s] = std::move(*truth);
        options.progress(++done, all);
        return {};
    }));
    return truths;
}

} // namespace intellisched::what_if
