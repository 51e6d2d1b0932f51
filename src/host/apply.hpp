// SPDX-License-Identifier: MIT
// Brings a running pool to an arrangement, and makes sure that it got there.
#pragma once

#include "src/host/rearranger.hpp"

namespace intellisched {

struct Applied {
    InForce before;
    InForce after;
    Partition runqueues;     ///< of `after`, as far as the topology tells
    bool explained = true;   ///< Xen has formed as many
    bool equivalent = false; ///< the runqueues were these already: nothing has moved
    bool changed = false;    ///< the setting, at least
    bool dry_run = false;    ///< all of it is what would be
};

/// Reads what is in force, sets `wanted` unless it is that already, and reads it back. Where Xen's
/// number of runqueues is another than `topology` gives, Xen's counts. Errors: a pool of another
/// scheduler than credit2; those of the rearranger; something else in force afterwards than was
/// wanted.
[[nodiscard]] Result<Applied> apply(Rearranger& rearranger, const Topology& topology,
                                    const Pool& pool, const Arrangement& wanted, bool dry_run);

/// What was done to that pool, as `intellisched apply` prints it: a line, then the runqueues.
[[nodiscard]] std::string describe(const Pool& pool, const Applied& applied);

} // namespace intellisched
