// SPDX-License-Identifier: MIT
// Runs a plan on a live host: each layout is given to the running pool for a while, in random
// order, and what the pool had before is given back whatever happens.
#pragma once

#include "bench/experiment/results.hpp"
#include "src/host/configurator.hpp"
#include "src/host/host.hpp"

#include <atomic>
#include <chrono>
#include <functional>

namespace intellisched::bench {

struct LiveOptions {
    /// Ends the benchmark when it becomes true. May be null.
    const std::atomic<bool>* stop = nullptr;
    std::function<void(const std::string& what, std::size_t done, std::size_t total)> progress = {};
    /// Without a window for that long the host's trace has stopped.
    std::chrono::seconds patience{60};
    /// For each command that starts or stops a load.
    std::chrono::milliseconds command_limit{120'000};
};

/// Where the arrangement that a pool had is kept while it has others, and for which entry.
inline constexpr RecordFormat restore_format{"restore", 1};
inline constexpr const char* restore_name = "restore.pb";

/// Gives each pool that the plan names its layouts: repeat by repeat, those that tell partitions
/// apart in an order drawn from the plan's seed. After a change windows are let pass for warmup_s
/// (default 2 s); the next measured_s (default 5 s) count, scored by estimate(). Before the first
/// change the arrangement in force is written to DIR/restore.pb and synced; it is put back, and the
/// file removed, at the end, on an error and on a stop. So it is with the entry's load: started
/// before its trials, unless there are none to make, and stopped in any case after the layout is
/// put back. A file that is there at the start is of a benchmark that was killed: its pool is put
/// back first, and the stop command run that the plan has for its entry. A run that fails is stored
/// with its error; a load that cannot be started is the failure of the entry's next run, and no
/// other of it is made. Returns what was undone after the last entry, in words; empty when nothing
/// was changed. Errors: the host's; a pool that cannot be changed; one that could not be put back
/// or a load that could not be stopped (the message says how to do it by hand).
[[nodiscard]] Result<std::string> run_live(Host& host, Configurator& configurator, const Plan& plan,
                                           std::span<const Entry> entries, Results& results,
                                           const std::filesystem::path& directory,
                                           const LiveOptions& options);

} // namespace intellisched::bench
