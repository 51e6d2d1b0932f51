// SPDX-License-Identifier: MIT
// Calls to the host that block, off the loop's thread: giving a pool an arrangement, and reading
// the pools. libxl's calls cannot be cancelled, so each has a thread of its own. One that hangs
// holds up nobody, and is left behind when the process ends.
//
// The policy decides how long a call may take (PolicySettings::apply_timeout). After that it counts
// as failed, and a result that comes later has a serial that nobody waits for. The applier only
// makes sure that no second call for a pool is made beside one that hangs.
#pragma once

#include "src/base/files.hpp"
#include "src/host/rearranger.hpp"
#include "src/layout/snapshot.hpp"
#include "src/policy/machine.hpp"
#include "src/service/pool_keeper.hpp"

#include <functional>
#include <memory>

namespace intellisched::service {

/// The pools as they were read. `taken`: when the reading began, on the policy's clock.
struct Reading {
    HostView host;
    Arrangement boot;
    Nanoseconds taken = 0;
};

/// The result of a call that gives a pool an arrangement.
struct Applying {
    Result<void> result;
    Nanoseconds finished = 0;       ///< on the policy's clock
    std::optional<Reading> reading; ///< after it; nothing if that failed
};

/// The calls themselves. Each is called from many threads at once, but not twice at once for one
/// pool, or for the reading.
struct HostCalls {
    std::function<Applying(const Asked&)> apply;
    std::function<Result<Reading>()> read;
};

struct Applied {
    PoolName pool;
    ApplyResult result;
    Nanoseconds finished = 0;
    std::optional<Reading> reading;
};

/// A call that has finished: an Applied, or the result of read().
using CallDone = std::variant<Applied, Result<Reading>>;

class Applier {
  public:
    /// Errors: no eventfd.
    [[nodiscard]] static Result<Applier> make(HostCalls calls);

    /// Readable when there is something to take().
    [[nodiscard]] int fd() const;
    /// The next call that has finished. Call it until it returns nothing.
    [[nodiscard]] std::optional<CallDone> take();

    /// Begins the call. If one for the same pool is under way, this one fails at once.
    void apply(const Asked& asked);
    /// Begins a reading, unless one is under way.
    void read();
    /// Calls that are under way, readings not counted.
    [[nodiscard]] std::size_t applying() const;
    /// How long the oldest call (or reading) that is under way has taken so far; 0: there is none.
    [[nodiscard]] Nanoseconds away() const;

  private:
    struct Shared;
    explicit Applier(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
    std::shared_ptr<Shared> shared_; ///< with the threads, which may outlive this object
};

/// The calls of the live host: libxl, a new context for each.
[[nodiscard]] HostCalls live_calls();

/// CLOCK_MONOTONIC_RAW, as in snapshots: the policy's clock on a live host.
[[nodiscard]] Nanoseconds host_clock();

/// Gives the pool of that name the arrangement, and verifies it (src/host/apply.hpp).
[[nodiscard]] Result<void> apply_to(Rearranger& rearranger, const HostView& host,
                                    const Asked& asked);

} // namespace intellisched::service
