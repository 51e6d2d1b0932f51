// SPDX-License-Identifier: MIT
// The score of a window by guest, so that a trial compares the guests that are on both of its
// sides, whoever else comes and goes.
//
// A guest must not be able to keep a trial from being measured. So it is known by its UUID, which a
// reboot does not change, and by what only the administrator sets: its weight, its cap, and the
// vCPUs that it may have. How many of these are online is up to the guest, and does not count.
#pragma once

#include "src/model/score.hpp"
#include "src/policy/quarantine.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace intellisched {

/// One guest in one window.
struct GuestSeen {
    std::uint64_t uuid = 0;     ///< a hash of its UUID; dom0_uuid: Domain-0
    std::uint64_t identity = 0; ///< a hash of that and of all that makes it comparable
    GuestTerms terms;
};
inline constexpr std::uint64_t dom0_uuid = 0;

/// The most guests of a window that are told apart: those with the largest claims.
inline constexpr std::size_t most_guests = 64;

/// Leaves out guests that change identity too often: they would never be on both sides of a
/// comparison.
class SteadyGuests {
  public:
    static constexpr std::size_t most_changes = 3; ///< within an hour
    static constexpr Nanoseconds left_out_for = 24 * hour;

    /// Takes the guests of the next window: their identities by UUID hash. A change is another
    /// identity under the same UUID, or a guest that is there again. Returns the UUID hashes of
    /// those that are left out from now on.
    [[nodiscard]] std::vector<std::uint64_t>
    saw(const std::map<std::uint64_t, std::uint64_t>& identities, Nanoseconds now);
    /// Whether the guest with this UUID hash does not count.
    [[nodiscard]] bool leaves_out(std::uint64_t uuid, Nanoseconds now) const;

  private:
    struct Known {
        std::uint64_t identity = 0;
        bool here = false;
        Nanoseconds last_seen = 0;
        std::vector<Nanoseconds> changes = {}; ///< of the last hour
        Nanoseconds left_out_until = 0;
    };
    std::map<std::uint64_t, Known> known_; ///< by UUID hash
};

} // namespace intellisched
