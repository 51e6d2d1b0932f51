// SPDX-License-Identifier: MIT
// Cuts the stream of events into windows and sums up each for every pool.
#pragma once

#include "collector/trace/misfits.hpp"
#include "collector/trace/runstates.hpp"
#include "collector/window/stats.hpp"
#include "src/layout/snapshot.hpp"

#include <deque>
#include <functional>
#include <memory>

namespace intellisched {

struct WindowOptions {
    double seconds = 1.0;
    Arrangement boot; ///< in force where the snapshot of a pool does not tell
    /// No CPU has a record for so long while one is busy: fifty of credit2's longest slices, and so
    /// no time that passed.
    double longest_silence_s = 0.5;
};

/// Fed with snapshots, counter samples and records in the order of time; hands over one WindowStats
/// for each pool and interval. Windows begin at the first record and follow each other without a
/// gap; after more than 60 windows without a record they begin anew.
class WindowBuilder {
  public:
    using Sink = std::function<void(const WindowStats&)>;

    /// `tsc_khz` must not be 0.
    WindowBuilder(WindowOptions options, std::uint64_t tsc_khz, Sink sink);
    ~WindowBuilder();

    /// Topology, pools and domains from now on. When the pools or their CPUs changed, the open
    /// window is thrown away: it would belong to neither.
    void add(HostView host);
    /// Samples may come ahead of the records of their time.
    void add(const proto::CounterSample& sample);
    /// Records in order of TSC.
    void add(const trace::Record& record);
    /// Hands over the open window if at least half of it has passed.
    void finish();
    /// Of all records so far.
    [[nodiscard]] const trace::Misfits& misfits() const;
    /// Times that no CPU had a record for over half a second although some were busy. The window in
    /// which that was is left out, as one in which the TSC restarted.
    [[nodiscard]] std::uint64_t silences() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace intellisched
