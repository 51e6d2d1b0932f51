// SPDX-License-Identifier: MIT
// Raises the weight of a guest that the administrator asked to protect, while others outweigh it,
// and gives the weight back. Pure: protect() turns a state and one window into the next state and,
// maybe, a weight to set.
//
//     watching --outweighed for `need` windows--> raised one step, settling --> measuring
//        ^                                                                        |
//        +--- kept: it waits clearly less or gets clearly more, and the others lost no more than
//        |          allowed
//        +--- back to the weight before, and a hold-off that doubles, in all other cases
//     raised, and the others lose more than allowed --> one step down, and a hold-off
//     raised and not outweighed for `ease_after` --> one step down, measured likewise
//
// Outweighed: the cause of its waiting is its weight (cause.hpp), or it waits much though it has
// its share. One step doubles the weight. No weight is above `factor` times the administrator's,
// nor above Xen's own limit.
//
// The others' loss has two measures; the larger one counts.
//  - By figures, of a trial: the CPUs that other guests got less of than before and wait more for,
//    over the CPUs that all the others got before. A guest that gets less because it wants less has
//    lost nothing. The losses of all kept steps add up, and the sum has to stay within the bound.
//  - By what is due, in every stretch of windows, kept or not: the CPUs that the guest got beyond
//    what it would be due at the administrator's weight, over those that the others got and these.
//    A guest cannot escape this one by behaving well in the trial only.
//
// The caller stores the state before it sets the weight, and feeds the weight in force as it was
// read for the window. After a restart of the service a step on trial is taken back: what it was
// measured against is not stored.
#pragma once

#include "src/policy/guest_figures.hpp"
#include "src/policy/settings.hpp"

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace intellisched {

struct ProtectionSettings {
    unsigned factor = 4;        ///< the highest weight, as a multiple of the administrator's
    double most_loss = 0.3;     ///< of the CPU time that the others get
    double least_relief = 0.25; ///< by this part what it waits has to fall, or what it gets rise
    unsigned need = 10;         ///< windows in a row in which it is outweighed
    unsigned settle = 5;        ///< windows after a change that do not count
    unsigned windows = 15;      ///< measured on either side, and of a stretch
    unsigned attempts = 3;      ///< to set a weight
    Nanoseconds hold_off = 10 * minute, longest_hold_off = 24 * hour;
    Nanoseconds ease_after = hour; ///< without need
};

/// What one window says of the protected guest and its pool.
struct ProtectionSeen {
    unsigned weight = 0; ///< in force, as just read
    /// Of all guests of the pool in this window.
    std::vector<GuestFigures> guests = {};
    double cpus = 0;       ///< of the pool
    bool may_begin = true; ///< no other trial is open on the pool, and its mode is auto
};

/// One window, as it is kept.
struct ProtectionWindow {
    struct Other {
        double got = 0, waiting = 0;
    };
    bool outweighed = false;
    double got = 0, waiting = 0;
    double beyond_due = 0; ///< CPUs that it got beyond its due at the administrator's weight
    std::map<unsigned, Other> others = {};
};

struct Protection {
    std::optional<unsigned> base = {}; ///< the administrator's weight; not known before a window
    unsigned wanted = 0;               ///< that is to be in force
    unsigned from = 0;                 ///< in force before `wanted` was asked for
    unsigned asked = 0;                ///< how often it was, and is not yet seen in force
    bool trial = false;                ///< of `wanted` against `from`
    unsigned settled = 0;              ///< windows since it was seen in force, up to settle
    unsigned in_need = 0;              ///< windows in a row in which it was outweighed
    double lost = 0;                   ///< by the others, in the steps that were kept
    Nanoseconds hold_off = 0, hold_off_until = 0;
    Nanoseconds needed_at = 0;                 ///< when it was outweighed last
    std::deque<ProtectionWindow> windows = {}; ///< under the weight in force, the last ones
    std::deque<ProtectionWindow> before = {};  ///< under `from`
    bool interrupted = false; ///< by a restart of the service, which took the windows

    [[nodiscard]] bool raised() const { return base && wanted != *base; }
    /// Whether no other trial may begin on the pool.
    [[nodiscard]] bool busy() const { return trial || asked > 0; }
};

struct ProtectionVerdict {
    std::optional<unsigned> set = {}; ///< the weight to set now
    std::string_view id = {};         ///< "weight-raised", "weight-eased", "weight-kept",
                                      ///< "weight-reverted", "weight-restored", "weight-foreign",
                                      ///< "weight-refused", or empty: no news
    std::string text = {};
};

/// A stored state as it goes on after a restart of the service: without its windows.
[[nodiscard]] Protection restarted(const Protection& stored);

/// Takes one window of a second in which `domain` is to be protected. Never fails.
[[nodiscard]] ProtectionVerdict protect(Protection& state, Nanoseconds now, unsigned domain,
                                        const ProtectionSeen& seen,
                                        const ProtectionSettings& settings = {});

/// Ends it, and may be called again and again: the service ends, the mode leaves auto, the guest
/// changes its pool or is no longer to be protected. `weight`: in force, as just read. The weight
/// to set, if any, is the administrator's; a weight that is somebody else's stays.
[[nodiscard]] ProtectionVerdict restore(Protection& state, unsigned weight,
                                        const ProtectionSettings& settings = {});

} // namespace intellisched
