// SPDX-License-Identifier: MIT
// Prints, for every vCPU of an xentrace file, what tests/integration/xenalyze holds against
// xenalyze: the runstate changes counted record by record, and the cycles spent running and
// runnable.
#include "collector/trace/runstates.hpp"
#include "collector/trace/stream.hpp"
#include "src/base/files.hpp"

#include <map>

using namespace intellisched;
using namespace intellisched::trace;

namespace {

struct Times {
    std::uint64_t changes = 0, running = 0, runnable = 0;
};

struct Totals {
    std::map<std::uint32_t, Times> by_vcpu;

    void on_change(std::uint32_t, const VcpuState& before, Runstate, std::uint16_t,
                   std::uint64_t tsc) {
        if (before.state == Runstate::running)
            by_vcpu[before.ref.key()].running += tsc - before.since;
        if (before.state == Runstate::runnable)
            by_vcpu[before.ref.key()].runnable += tsc - before.since;
    }
};

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "usage: runstate-times TRACE\n");
        return 2;
    }
    const auto bytes = read_file(argv[1], std::size_t{1} << 30);
    if (!bytes) {
        fmt::print(stderr, "runstate-times: {}\n", bytes.error().message);
        return 1;
    }
    TraceStream stream(argv[1]);
    RunstateTracker tracker;
    Totals totals;
    const auto handler = [&](const Record& record) {
        tracker.saw(record);
        visit(record, Visitor{[&](const RunstateChange& change) {
                                  ++totals.by_vcpu[change.vcpu.key()].changes;
                                  tracker.on(record, change, totals);
                              },
                              [&](const auto& event) { tracker.on(record, event, totals); }});
    };
    if (auto fed = stream.feed(*bytes, handler); !fed) {
        fmt::print(stderr, "runstate-times: {}\n", fed.error().message);
        return 1;
    }
    stream.finish(handler);
    tracker.finish(totals);
    for (const auto& [key, times] : totals.by_vcpu)
        fmt::print("{} {} {} {} {}\n", key >> 16, key & 0xffff, times.changes, times.running,
                   times.runnable);
    fmt::print(stderr, "mismatches {} lost {} late {} damaged {}\n", tracker.mismatches(),
               stream.stats().lost, stream.stats().late, stream.stats().damaged);
}
