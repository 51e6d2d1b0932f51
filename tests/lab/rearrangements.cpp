// SPDX-License-Identifier: MIT
// Holds the rearrangements that a capture has seen against src/layout: between two REARRANGE
// records the runqueues in Xen's SCHEDULE records must be those that the layout gives. Prints TAP
// lines, one a rearrangement, then how many of the ordered pairs of layouts were among them.
//   rearrangements CAPTURE
#include "collector/trace/event.hpp"
#include "collector/trace/stream.hpp"
#include "src/host/capture_host.hpp"

#include <algorithm>
#include <fmt/ranges.h>
#include <map>
#include <set>

using namespace intellisched;
using namespace intellisched::trace;

namespace {

struct Sighting {
    std::uint64_t tsc = 0;
    unsigned cpu = 0;
    unsigned runqueue = 0;
};

struct Segment {
    Rearrange record{};
    std::uint64_t begin = 0; // TSC of the record
    std::uint64_t end = 0;   // TSC of the next one, or of the last sighting
    std::vector<Sighting> seen;
};

// The CPUs by the runqueue that each was last seen on. Emulated CPUs' clocks differ a little, so
// what is near the end may be of the next layout already, and the first that a CPU tells of the old
// one. A CPU that was idle all the while is not there.
Partition seen_partition(const Segment& segment) {
    const std::uint64_t before = segment.end - (segment.end - segment.begin) / 16;
    std::map<unsigned, unsigned> last;
    for (const Sighting& one : segment.seen)
        if (one.tsc < before) last[one.cpu] = one.runqueue;
    std::map<unsigned, std::set<unsigned>> by_runqueue;
    for (const auto& [cpu, runqueue] : last) by_runqueue[runqueue].insert(cpu);
    Partition partition;
    for (const auto& [runqueue, cpus] : by_runqueue)
        partition.emplace_back(cpus.begin(), cpus.end());
    std::sort(partition.begin(), partition.end());
    return partition;
}

// What is left of a partition when only these CPUs are looked at.
Partition only(const Partition& partition, const std::set<unsigned>& cpus) {
    Partition left;
    for (const auto& runqueue : partition) {
        std::vector<unsigned> kept;
        std::copy_if(runqueue.begin(), runqueue.end(), std::back_inserter(kept),
                     [&](unsigned cpu) { return cpus.contains(cpu); });
        if (!kept.empty()) left.push_back(std::move(kept));
    }
    std::sort(left.begin(), left.end());
    return left;
}

std::string text(const Partition& partition) {
    std::string out;
    for (const auto& runqueue : partition) out += fmt::format("{{{}}}", fmt::join(runqueue, " "));
    return out;
}

Result<int> check(const char* path) {
    auto host = CaptureHost::open(path);
    if (!host) return tl::unexpected(host.error());
    std::vector<Segment> segments;
    std::optional<HostView> seen;
    const auto handler = [&](const Record& record) {
        visit(record,
              Visitor{[&](const Rearrange& event) {
                          if (!segments.empty()) segments.back().end = record.tsc;
                          segments.push_back({event, record.tsc, record.tsc, {}});
                      },
                      [&](const Schedule& event) {
                          if (segments.empty()) return;
                          segments.back().end = record.tsc;
                          segments.back().seen.push_back({record.tsc, event.cpu, event.runqueue});
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
        if (!seen && std::holds_alternative<HostView>(**item)) seen = std::get<HostView>(**item);
    }
    stream.finish(handler);
    if (!seen) return fail("{}: no snapshot", path);

    int failures = 0;
    std::set<std::pair<unsigned, unsigned>> pairs;
    std::set<unsigned> ever;
    unsigned unseen = 0; // rearrangements whose records were lost
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const Segment& segment = segments[i];
        const Rearrange& event = segment.record;
        pairs.emplace(event.old_layout, event.layout);
        if (i + 1 < segments.size() && segments[i + 1].record.old_layout != event.layout) {
            ++unseen; // so what was seen here may be of the next layout as well
            fmt::print("# {} -> {}: not judged, the record of the next one is lost\n",
                       to_string(static_cast<Layout>(event.old_layout)),
                       to_string(static_cast<Layout>(event.layout)));
            continue;
        }
        const auto layout = static_cast<Layout>(event.layout);
        const auto wanted =
            partition(seen->topology, seen->pools.front(), {layout, event.max_cpus});
        const auto seen = seen_partition(segment);
        std::set<unsigned> cpus;
        for (const auto& runqueue : seen) cpus.insert(runqueue.begin(), runqueue.end());
        ever.insert(cpus.begin(), cpus.end());
        const bool equal =
            !seen.empty() && seen == only(wanted, cpus) && event.runqueues == wanted.size();
        failures += !equal;
        fmt::print("{} - {} -> {}: {} runqueues formed, {} by layout; {} CPUs seen in theirs, {} "
                   "vCPUs moved\n",
                   equal ? "ok" : "not ok", to_string(static_cast<Layout>(event.old_layout)),
                   to_string(layout), event.runqueues, wanted.size(), cpus.size(), event.units);
        if (!equal) fmt::print("# seen {}, by layout {}\n", text(seen), text(wanted));
    }
    const bool every_cpu = ever.size() == seen->pools.front().cpus.size();
    failures += !every_cpu;
    fmt::print("{} - each of the {} CPUs was seen\n", every_cpu ? "ok" : "not ok",
               seen->pools.front().cpus.size());
    // On a busy machine dom0 does not always keep up with the trace of 16 CPUs.
    const std::uint64_t lost = stream.stats().lost;
    const bool all =
        pairs.size() + (lost > 0 ? std::min(unseen, 2u) : 0) == layout_count * (layout_count - 1);
    fmt::print("{} - {} of the {} ordered pairs of layouts, {} trace records lost\n",
               all ? "ok" : "not ok", pairs.size(), layout_count * (layout_count - 1), lost);
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
