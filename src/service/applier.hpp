// SPDX-License-Identifier: MIT
// Calls to the host that block, off the loop's thread: to give a pool an arrangement, and to read
// what the pools are. libxl's calls cannot be ended from outside, so each has a thread of its own:
// one that hangs holds up nobody, and is left behind when the process ends.
//
// How long a call may take is the policy's to say (PolicySettings::apply_timeout): it counts it as
// failed then, and a result that comes later bears a serial that is no longer waited for. Here it
// is seen to that no second call for the same pool is made beside one that hangs.
#pragma once

#include "src/base/files.hpp"
#include "src/host/rearranger.hpp"
#include "src/policy/machine.hpp"
#include "src/proto/host.pb.h"
#include "src/service/pool_keeper.hpp"

#include <functional>
#include <memory>

namespace intellisched::service {

/// What the pools are, as of `taken` (when the reading began) on the policy's clock.
struct Reading {
    proto::HostSnapshot snapshot;
    Arrangement boot;
    Nanoseconds taken = 0;
};

/// Of a call that gives a pool an arrangement.
struct Applying {
    Result<void> result;
    Nanoseconds finished = 0;       ///< on the policy's clock
    std::optional<Reading> reading; ///< of after it; nothing if it could not be had
};

/// The host's side of it. Each is called from many threads at once, but not twice at once for one
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

/// What a call has come to: an Applied, or what read() gave.
using CallDone = std::variant<Applied, Result<Reading>>;

class Applier {
  public:
    /// Errors: no eventfd.
    [[nodiscard]] static Result<Applier> make(HostCalls calls);

    /// Readable when there is something to take().
    [[nodiscard]] int fd() const;
    /// The next that has come to an end; to be called until it gives nothing.
    [[nodiscard]] std::optional<CallDone> take();

    /// Begins the call. While one for the same pool is under way none is made, and it has failed.
    void apply(const Asked& asked);
    /// Begins a reading, unless one is under way.
    void read();
    /// Calls that are under way, readings not counted.
    [[nodiscard]] std::size_t applying() const;
    /// How long the oldest call that is under way, or reading, has taken so far; 0: there is none.
    [[nodiscard]] Nanoseconds away() const;

  private:
    struct Shared;
    explicit Applier(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
    std::shared_ptr<Shared> shared_; ///< with the threads, which may outlive this object
};

/// The calls of the live host: libxl, a new context for each.
[[nodiscard]] HostCalls live_calls();

/// CLOCK_MONOTONIC_RAW, which snapshots have: the policy's clock on a live host.
[[nodiscard]] Nanoseconds host_clock();

/// Gives the pool of that name the arrangement, and makes sure of it (host/apply.hpp).
[[nodiscard]] Result<void> apply_to(Rearranger& rearranger, const proto::HostSnapshot& snapshot,
                                    const Asked& asked);

} // namespace intellisched::service
