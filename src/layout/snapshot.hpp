// SPDX-License-Identifier: MIT
// The topology and the pools of a stored or live snapshot, checked as data from outside. Hosts do
// that once, with view_of().
#pragma once

#include "src/base/result.hpp"
#include "src/layout/layout.hpp"
#include "src/proto/host.pb.h"

#include <vector>

namespace intellisched {

/// The online CPUs, sorted. Errors: none at all, more than 4096, an id twice or above 4095, more
/// than 16 threads a core.
[[nodiscard]] Result<Topology> topology_of(const proto::HostSnapshot& snapshot);

/// The pools, their CPUs sorted. Errors: a pool id twice; a CPU in two pools or not online; an
/// unknown granularity or layout; a rate limit that Xen does not take.
[[nodiscard]] Result<std::vector<Pool>> pools_of(const proto::HostSnapshot& snapshot);

/// A snapshot of the host that has been checked.
struct HostView {
    proto::HostSnapshot snapshot;
    Topology topology;
    std::vector<Pool> pools; ///< in the order of the snapshot's
};
/// Errors: those of topology_of() and pools_of().
[[nodiscard]] Result<HostView> view_of(proto::HostSnapshot snapshot);

[[nodiscard]] proto::Arrangement message_of(const Arrangement& arrangement);
/// Nothing: its layout is none that is known.
[[nodiscard]] std::optional<Arrangement> arrangement_of(const proto::Arrangement& message);

/// The pool of that name or id, as xl takes it; the error lists the pools that there are.
[[nodiscard]] Result<Pool> find_pool(const std::vector<Pool>& pools, const std::string& name_or_id);

/// The pool as find_pool() and xl find it, for a command that somebody will type: its name, or its
/// id where a shell would read more into the name, or either take it for an id or an option.
[[nodiscard]] std::string pool_argument(std::string_view name, unsigned id);

/// What gives the pool that layout: a command, or on a Xen that cannot do it (`can_rearrange`) a
/// boot parameter.
[[nodiscard]] std::string layout_command(std::string_view pool, unsigned id, bool can_rearrange,
                                         Layout layout);
/// What takes that back to `now`.
[[nodiscard]] std::string layout_undo(std::string_view pool, unsigned id, bool can_rearrange,
                                      const Arrangement& now);
/// That boot parameter, and where it goes.
[[nodiscard]] std::string boot_line(std::string_view layout);
/// What gives the pool that rate limit, on any Xen.
[[nodiscard]] std::string rate_limit_command(std::string_view pool, unsigned id, unsigned us);

} // namespace intellisched
