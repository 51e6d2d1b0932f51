// SPDX-License-Identifier: MIT
// Gives a running pool an arrangement, and verifies that it has it.
#pragma once

#include "src/host/configurator.hpp"

namespace intellisched {

struct Applied {
    InForce before;
    InForce after;
    Partition runqueues;     ///< of `after`, as far as the topology tells
    bool explained = true;   ///< Xen says that there are as many
    bool equivalent = false; ///< the runqueues were the same before: nothing moved
    bool changed = false;    ///< the setting changed, if not the runqueues
    bool dry_run = false;    ///< nothing was done; all of this is what would be
};

/// Reads what is in force, sets `wanted` unless it is in force already, and reads it back. Where
/// Xen's number of runqueues differs from what `topology` gives, Xen's counts. Errors: the pool's
/// scheduler is not credit2; those of the configurator; something other than `wanted` is in force
/// afterwards.
[[nodiscard]] Result<Applied> apply(Configurator& configurator, const Topology& topology,
                                    const Pool& pool, const Arrangement& wanted, bool dry_run);

/// What was done to that pool, as `intellisched apply` prints it: a line, then the runqueues.
[[nodiscard]] std::string describe(const Pool& pool, const Applied& applied);

} // namespace intellisched
