// SPDX-License-Identifier: MIT
// What is to be measured: the plan as its author wrote it, and the entries that it comes to.
#pragma once

#include "bench/proto/bench.pb.h"
#include "src/base/result.hpp"
#include "src/layout/layout.hpp"
#include "src/model/intent.hpp"
#include "src/proto/scenario.pb.h"

#include <filesystem>
#include <string>
#include <vector>

namespace intellisched::bench {

struct Plan {
    std::vector<proto::Plan::Entry> entries; ///< at least one; all live, or none
    std::vector<Layout> layouts;             ///< from the finest
    std::vector<Intent> intents;
    unsigned repeats = 2;
    unsigned windows = 3; ///< of one run that become samples, at most
    unsigned traced = 2;  ///< of the repeats: the first ones
    double warmup_s = 0;  ///< 0: as the scenario says
    double measured_s = 0;
    std::uint64_t seed = 0;
    proto::Costs costs;           ///< those that are set replace the scenarios' own
    bool rate_limits = false;     ///< measure rate limits as well
    std::filesystem::path folder; ///< that the entries' paths start from

    [[nodiscard]] bool live() const { return entries.front().has_live(); }
};

/// Reads a plan. Errors name the file, the line and the key: unknown keys, values that make no
/// sense (what is no layout or intent, or there twice; 0 entries; negative times).
[[nodiscard]] Result<Plan> read_plan(const std::filesystem::path& path);

/// One thing that gets every layout.
struct Entry {
    std::string name; ///< of its own in the plan
    std::string family;
    std::string topology; ///< "2s8c2t": sockets, cores of a socket, threads of a core
    std::string pool;
    proto::Scenario scenario; ///< empty when live
    std::string start = {};   ///< what starts the load of a live entry; empty: it runs already
    std::string stop = {};    ///< what stops it; empty: nothing needs to
};

/// "2s8c2t"; "2s8c2t1n" or "2s8c2t4n" when the NUMA nodes are not the sockets; "1s16c2t8e" with 8
/// slow cores a socket, "2s16c2t4l" with 4 last-level caches a socket.
[[nodiscard]] std::string topology_name(const proto::Machine& machine);

/// Reads the scenarios, and has those to be generated written by the simulator into
/// `generated` (a folder, made if need be). In the order of the plan and, within one of its
/// entries, of the files' names. Errors: a pattern that matches nothing, a file that is no
/// scenario, two entries of one name, a simulator that does not generate.
[[nodiscard]] Result<std::vector<Entry>> expand(const Plan& plan,
                                                const std::filesystem::path& generated);

} // namespace intellisched::bench
