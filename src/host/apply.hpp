// SPDX-License-Identifier: MIT
// Changes the configuration of a running pool, and verifies that it has it.
#pragma once

#include "src/host/configurator.hpp"

namespace intellisched {

struct AppliedLayout {
    InForce before;
    InForce after;
    Partition runqueues;     ///< of `after`, as far as the topology tells
    bool explained = true;   ///< Xen says that there are as many
    bool equivalent = false; ///< the runqueues were the same before: nothing moved
    bool changed = false;    ///< the setting changed, if not the runqueues
};

struct AppliedRateLimit {
    unsigned before_us = 0;
    unsigned after_us = 0;
    friend bool operator==(const AppliedRateLimit&, const AppliedRateLimit&) = default;
};

/// What came of a Change: the parts that were in it.
struct Applied {
    std::optional<AppliedLayout> layout = {};
    std::optional<AppliedRateLimit> rate_limit = {};
    bool dry_run = false; ///< nothing was done; all of this is what would be

    /// Whether a setting changed.
    [[nodiscard]] bool changed() const {
        return (layout && layout->changed) ||
               (rate_limit && rate_limit->before_us != rate_limit->after_us);
    }
};

/// Reads what is in force, sets what of `wanted` is not in force already, and reads it back: both
/// parts or neither. Where Xen's number of runqueues differs from what `topology` gives, Xen's
/// counts. Errors: the pool's scheduler is not credit2; a rate limit that is not possible; those of
/// the configurator; something other than `wanted` is in force afterwards. After an error all is as
/// before, or the message says what is not.
[[nodiscard]] Result<Applied> apply(Configurator& configurator, const Topology& topology,
                                    const Pool& pool, const Change& wanted, bool dry_run);

/// What was done to that pool, as `intellisched apply` prints it: a line for each part, then the
/// runqueues.
[[nodiscard]] std::string describe(const Pool& pool, const Applied& applied);

} // namespace intellisched
