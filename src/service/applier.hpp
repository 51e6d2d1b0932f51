// SPDX-License-Identifier: MIT
// Calls to the host that block, off the loop's thread: changing a pool's configuration, and
// reading the pools. libxl's calls cannot be cancelled, so each has a thread of its own. One that
// hangs holds up nobody, and is left behind when the process ends.
//
// The policy decides how long a call may take (PolicySettings::apply_timeout). After that it counts
// as failed, and a result that comes later has a serial that nobody waits for. The applier only
// makes sure that no second call for a pool is made beside one that hangs.
#pragma once

#include "src/policy/machine.hpp"
#include "src/service/host_calls.hpp"

#include <functional>
#include <memory>

namespace intellisched::service {

struct ApplyDone {
    PoolName pool;
    ApplyResult result;
    Nanoseconds finished = 0;
    std::optional<Reading> reading;
};

struct WeightDone {
    WeightRequest asked;
    Result<void> result;
    std::optional<Reading> reading;
};

/// A call that has finished: an ApplyDone, a WeightDone, or the result of read().
using CallDone = std::variant<ApplyDone, WeightDone, Result<Reading>>;

class Applier {
  public:
    /// Errors: no eventfd.
    [[nodiscard]] static Result<Applier> make(HostCalls calls);

    /// Readable when there is something to take().
    [[nodiscard]] int fd() const;
    /// The next call that has finished. Call it until it returns nothing.
    [[nodiscard]] std::optional<CallDone> take();

    /// Begins the call. If one for the same pool is under way, this one fails at once.
    void apply(const Request& asked);
    /// The same for a guest.
    void set_weight(const WeightRequest& asked);
    /// Begins a reading, unless one is under way.
    void read();
    /// Calls that are under way, readings not counted.
    [[nodiscard]] std::size_t applying() const;
    /// How long the oldest call (or reading) that is under way has taken so far; 0: there is none.
    [[nodiscard]] Nanoseconds away() const;

  private:
    struct Shared;
    template<class Key, class Asked, class Call>
    void begin_call(const Key& key, const Asked& asked, Call call);
    explicit Applier(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
    std::shared_ptr<Shared> shared_; ///< with the threads, which may outlive this object
};

} // namespace intellisched::service
