// SPDX-License-Identifier: MIT
// A host is a stream of what it tells: snapshots, counter samples, trace bytes. The live Xen host
// and a recorded capture look the same to everything above.
#pragma once

#include "src/base/result.hpp"
#include "src/layout/layout.hpp"
#include "src/layout/snapshot.hpp" // HostView, find_pool
#include "src/proto/host.pb.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace intellisched {

/// What does not change while a host is up.
struct HostInfo {
    std::string xen_version; ///< "4.17.5"
    std::string xen_command_line;
    Arrangement boot;          ///< in force on a pool whose snapshot does not say what is
    std::uint64_t tsc_khz = 0; ///< 0: unknown, to be recovered from the trace
    bool recorded = false;     ///< its trace is there: nothing has to be waited for
};

/// What the host was booted with: both knobs.
[[nodiscard]] inline Change booted(const HostInfo& info) {
    return {info.boot, boot_rate_limit(info.xen_command_line)};
}

/// A piece of the byte stream that xentrace writes (see collector/trace/wire.hpp), cut anywhere.
struct TraceBytes {
    std::vector<std::byte> bytes;
};

using HostItem = std::variant<HostView, proto::CounterSample, TraceBytes>;

class Host {
  public:
    virtual ~Host() = default;

    [[nodiscard]] virtual const HostInfo& info() const = 0;

    /// The next item, in the order in which the host gave them: a HostView before anything else
    /// and whenever it changed, a CounterSample once an interval, trace bytes as they come. A live
    /// host returns within 200 ms even when there is nothing to tell (empty TraceBytes), so that
    /// the caller can look at its clock and at signals. Nothing: the end of a recorded host.
    [[nodiscard]] virtual Result<std::optional<HostItem>> next() = 0;
};

} // namespace intellisched
