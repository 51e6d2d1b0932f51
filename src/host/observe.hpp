// SPDX-License-Identifier: MIT
// From a host to windows: the whole way of the data below the model.
#pragma once

#include "collector/trace/stream.hpp"
#include "collector/window/window.hpp"
#include "src/host/host.hpp"
#include "src/host/unknown_cpus.hpp"

#include <functional>
#include <map>
#include <string>

namespace intellisched {

struct ObserveOptions {
    double window_seconds = 1.0;
    /// Called with every item before it is used; `record` writes it to a capture here. May be
    /// empty.
    std::function<Result<void>(const HostItem&)> tap = {};
    /// Asked after every piece of trace; true ends the observation. May be empty: then the host's
    /// end does.
    std::function<bool()> stop = {};
};

struct Observed {
    trace::StreamStats stream;
    std::uint64_t tsc_khz = 0;
    UnknownCpus unknown; ///< CPUs that were named and are in no snapshot
    std::map<unsigned, double> clocks =
        {};                                ///< seconds that a CPU's clock is ahead, where corrected
    std::vector<std::string> misfits = {}; ///< records of no Xen that is known, as Misfits tells

    /// What does not fit the host or this program, one line each without a full stop.
    [[nodiscard]] std::vector<std::string> told() const;
};

/// A sentence for people: this CPU's clock is `seconds` ahead of the others'.
[[nodiscard]] std::string clock_text(unsigned cpu, double seconds);

/// Reads the host to its end (or until `stop`) and hands each pool's windows to `sink`. If the host
/// does not know its TSC frequency it is recovered from the first records, which are held back
/// until then. Errors: those of the host and of its trace; a TSC frequency that cannot be told.
[[nodiscard]] Result<Observed> observe(Host& host, const ObserveOptions& options,
                                       const WindowBuilder::Sink& sink);

} // namespace intellisched
