// SPDX-License-Identifier: MIT
// Holds the rearrangements that a capture has seen against src/layout: between two REARRANGE records
// the runqueues in Xen's SCHEDULE records must be those that the layout gives. Prints TAP lines, one
// a rearrangement, then how many of the ordered pairs of layouts were among them.
//   rearrangements CAPTURE
#include "collector/trace/event.hpp"
#include "collector/trace/stream.hpp"
#include "src/host/capture_host.hpp"

#include <algorithm>
#include <map>
#include <set>

using namespace intellisched;
using namespace intellisched::trace;

namespace {

struct Segment {
    Rearrange record{};
    // A SCHEDULE just before the next rearrangement's record may be of the next already, and CPUs'
    // clocks differ a little; so what counts is what was seen most.
    std::map<unsigned, std::map<unsigned, unsigned>> seen; // CPU, runqueue, times
};

Partition most_seen(const Segment& segment) {
    std::map<unsigned, std::vector<unsigned>> by_runqueue;
    for (const auto& [cpu, times] : segment.seen) {
        const auto most = std::max_element(times.begin(), times.end(), [](auto& a, auto& b) {
            return a.second < b.second;
        });
        by_runqueue[most->first].push_back(cpu);
    }
    Partition partition;
    for (const auto& [runqueue, cpus] : by_runqueue) partition.push_back(cpus);
    std::sort(partition.begin(), partition.end());
    return partition;
}

Result<int> check(const char* path) {
    auto host = CaptureHost::open(path);
    if (!host) return tl::unexpected(host.error());
    std::vector<Segment> segments;
    std::optional<proto::HostSnapshot> snapshot;
    const auto handler = [&](const Record& record) {
        visit(record, Visitor{[&](const Rearrange& event) { segments.push_back({event, {}}); },
                              [&](const Schedule& event) {
                                  if (!segments.empty())
                                      ++segments.back().seen[event.cpu][event.runqueue];
                              },
                              [](const auto&) {}});
    };
    TraceStream stream(path);
    for (;;) {
        auto item = (*host)->next();
        if (!item) return tl::unexpected(item.error());
        if (!*item) break;
        if (const auto* bytes = std::get_if<TraceBytes>(&**item))
            if (auto fed = stream.feed(bytes->bytes, handler); !fed)
                return tl::unexpected(fed.error());
        if (!snapshot && std::holds_alternative<proto::HostSnapshot>(**item))
            snapshot = std::get<proto::HostSnapshot>(**item);
    }
    stream.finish(handler);
    if (!snapshot) return fail("{}: no snapshot", path);
    auto topology = topology_of(*snapshot);
    if (!topology) return tl::unexpected(topology.error());
    auto pools = pools_of(*snapshot);
    if (!pools) return tl::unexpected(pools.error());

    int failures = 0;
    std::set<std::pair<unsigned, unsigned>> pairs;
    for (const Segment& segment : segments) {
        const Rearrange& event = segment.record;
        const auto layout = static_cast<Layout>(event.layout);
        const auto wanted = partition(*topology, pools->front(), {layout, event.max_cpus});
        const bool equal = most_seen(segment) == wanted && event.runqueues == wanted.size();
        failures += !equal;
        pairs.emplace(event.old_layout, event.layout);
        fmt::print("{} - {} -> {}: {} runqueues in the trace, {} by layout, {} vCPUs moved\n",
                   equal ? "ok" : "not ok", to_string(static_cast<Layout>(event.old_layout)),
                   to_string(layout), most_seen(segment).size(), wanted.size(), event.units);
    }
    const bool all = pairs.size() == layout_count * (layout_count - 1);
    fmt::print("{} - {} of the {} ordered pairs of layouts\n", all ? "ok" : "not ok", pairs.size(),
               layout_count * (layout_count - 1));
    return failures == 0 && all ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "usage: rearrangements CAPTURE\n");
        return 2;
    }
    const auto status = check(argv[1]);
    if (!status) fmt::print("not ok - {}\n", status.error().message);
    return status.value_or(1);
}
