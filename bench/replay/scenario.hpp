// SPDX-License-Identifier: MIT
// From a capture to a scenario in which the same vCPUs want the same at the same times.
#pragma once

#include "bench/replay/stretches.hpp"
#include "src/base/result.hpp"
#include "src/host/host.hpp"
#include "src/host/unknown_cpus.hpp"
#include "src/proto/scenario.pb.h"

#include <string>

namespace intellisched::replay {

/// A recorded host, read to its end.
struct Recording {
    HostInfo info; ///< with the TSC's frequency
    HostView host;
    StretchCollector collected;
    UnknownCpus unknown;  ///< CPUs that were named and are not in the snapshot
    unsigned changes = 0; ///< of the host: what was before the last one is left out
    /// What to know of it, a line each: CPUs that are unknown, changes, records that do not fit.
    [[nodiscard]] std::vector<std::string> told() const;
    [[nodiscard]] double seconds() const { return seconds(collected.stretches()); }
    [[nodiscard]] double seconds(const Stretches& part) const {
        return static_cast<double>(part.end - part.begin) /
               (static_cast<double>(info.tsc_khz) * 1e3);
    }
};

/// Reads the host to its end. Where its domains, pools or CPUs change, the recording begins there.
/// Errors: those of the host and its trace, a trace without records or of an unknown frequency, and
/// a capture that cannot be replayed as one scenario: records lost (what was wanted meanwhile is
/// not known), or a pool that got another layout. `name` is for messages.
[[nodiscard]] Result<Recording> read_recording(Host& host, const std::string& name);

/// When the replay begins in the scenario: all guests are up by then.
inline constexpr double begin_s = 0.1;
/// What is replayed before the measured time, so that credits and load averages are not those of a
/// host that was idle: a second, or a quarter of a recording that is shorter than 4.
[[nodiscard]] double lead_s(double seconds);

/// What wakes a replayed vCPU: ReplayLoad of scenario.proto has what each is right for.
enum class Wakes : std::uint8_t {
    open,   ///< the time at which it was woken
    closed, ///< so long after it blocked
    causal, ///< what woke it; and the recording begins again when a vCPU has come to its end
};

/// The recorded host as a scenario: its topology, pools and boot parameters, its domains with their
/// weights, caps and affinities, and for each vCPU its stretches. Domains that never ran are left
/// out, but Domain-0; a vCPU that never ran is there and stays blocked. The measured time is the
/// recording's from lead_s() on. Errors: what the simulator does not have (another scheduler,
/// granularity, numbering of CPUs), domains that ran and are in no snapshot.
[[nodiscard]] Result<proto::Scenario> scenario_of(const Recording& recording,
                                                  const Stretches& stretches,
                                                  const std::string& name, Wakes wakes);

/// As protobuf text, a list of times on one line.
[[nodiscard]] std::string text_of(const proto::Scenario& scenario);

} // namespace intellisched::replay
