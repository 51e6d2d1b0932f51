// SPDX-License-Identifier: MIT
// The words that the parts of the service share: a pool, a moment, what is asked of the host and
// what came of it. And the calls themselves.
#pragma once

#include "src/host/configurator.hpp"
#include "src/layout/snapshot.hpp"
#include "src/policy/settings.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace intellisched::service {

/// Nanoseconds since the Unix epoch, of the wall clock; it may go backwards.
using UnixTime = std::int64_t;

/// A cpupool. Its name identifies it; the number is Xen's, as it was seen.
struct PoolName {
    std::string name;
    unsigned id = 0;
};

/// A moment on both clocks: the policy's, and the one that is written down.
struct Moment {
    Nanoseconds time = 0;
    UnixTime wall = 0;
};

/// A request: change that pool's configuration so.
struct Request {
    PoolName pool;
    std::uint64_t serial = 0; ///< the result has it too
    Change change;
    Change from = {}; ///< what is in force of it, as far as the policy knows; else it is refused
};

/// A request: give that domain another weight. It fails if the guest was started again meanwhile
/// (another domain) or has another weight than `from`, which is somebody else's choice.
struct WeightRequest {
    std::string guest;      ///< its name, for messages and the result
    std::uint64_t uuid = 0; ///< uuid_hash() of it
    unsigned domain = 0;
    unsigned from = 0; ///< the weight in force
    unsigned to = 0;
};

/// The pools as they were read. `taken`: when the reading began, on the policy's clock.
struct Reading {
    HostView host;
    Change boot; ///< what the host was booted with, of both knobs
    Nanoseconds taken = 0;
};

/// The result of a call that changes a pool's configuration.
struct ApplyOutcome {
    Result<void> result;
    Nanoseconds finished = 0;       ///< on the policy's clock
    std::optional<Reading> reading; ///< after it; nothing if that failed
};

/// The calls themselves. Each is called from many threads at once, but not twice at once for one
/// pool, or for the reading.
struct HostCalls {
    std::function<ApplyOutcome(const Request&)> apply;
    std::function<Result<Reading>()> read;
    std::function<ApplyOutcome(const WeightRequest&)> set_weight = {};
};

/// The calls of the live host: libxl, a new context for each.
[[nodiscard]] HostCalls live_calls();

/// CLOCK_MONOTONIC_RAW, as in snapshots: the policy's clock on a live host.
[[nodiscard]] Nanoseconds host_clock();

/// Changes the configuration of the pool of that name, and verifies it (src/host/apply.hpp).
[[nodiscard]] Result<void> apply_to(Configurator& configurator, const HostView& host,
                                    const Request& asked);

/// Sets the weight of that domain.
[[nodiscard]] Result<void> apply_to(Configurator& configurator, const HostView& host,
                                    const WeightRequest& asked);

} // namespace intellisched::service
