// SPDX-License-Identifier: MIT
// What a pool's guests publish of how well they fare (published_score.hpp), made fit for the live
// score. A guest may publish what it likes, as often as it likes, so of each window
//     score      counts only if it can be one; it was read once, however often it was written
//     reference  of a guest: its first score. What counts is score / reference, 1/4 to 4: off the
//                reference, that is ln 4 times the guest's part of the claims at most
//     hash       changes whenever a guest begins or ceases to publish or gets another reference:
//                windows with it and without it are not compared
// A score that has been out of these bounds for 300 windows (a trial has 200 at most) is taken for
// another load, or the first one for a mistake, and becomes the reference.
//
// Whatever changes the hash keeps the policy from comparing windows. Of a guest the first score is
// free; one that changes the hash three times within an hour is not heard for a day. Where that
// happens in twelve windows within an hour, whoever it is, nobody is who has published so far. So
// no guests, however many, keep a policy from ever deciding.
//
// What it cannot see: a guest that lies within the bounds. One that says it fares worse after each
// switch has all of them reverted, as far as its part of the claims goes, until the policy's
// breaker opens; so the administrator says by pool whether guests are heard. Nor does it know a
// score that is no longer written from one that stays the same: that says nothing about any layout,
// and does no harm.
#pragma once

#include "src/policy/settings.hpp"
#include "src/proto/host.pb.h"

#include <cstdint>
#include <map>
#include <vector>

namespace intellisched {

/// Of one window; empty where nobody publishes.
struct Published {
    std::map<unsigned, double> work;    ///< by domain: score / reference, within the bounds
    std::uint64_t hash = 0;             ///< of who publishes, and of the references
    std::vector<unsigned> ignored = {}; ///< domains that are not heard from now on, for a day
};

/// Of one pool, in memory only: after a restart all references are new.
class GuestScores {
  public:
    static constexpr double bound = 4; ///< of score / reference, and its inverse
    static constexpr unsigned windows_beyond = 300;
    static constexpr std::size_t most_changes = 3, changing_windows = 12; ///< within an hour
    static constexpr Nanoseconds ignored_for = 24 * hour;

    /// The next window's: what each domain published, whatever that is, and who is in the pool.
    [[nodiscard]] Published saw(const std::map<unsigned, double>& told,
                                const proto::HostSnapshot& snapshot, unsigned pool_id,
                                Nanoseconds now);

  private:
    struct Guest {
        double reference = 0; ///< 0: it does not publish, or is ignored
        unsigned beyond = 0;  ///< windows in a row
        Nanoseconds ignored_until = 0;
    };
    struct Change {
        unsigned domain;
        Nanoseconds time;
    };
    /// Takes the guest's score, 0 for none; whether that changes the hash.
    static bool follow(Guest& guest, double score);
    /// No longer hears who changed the hash too often, and returns them.
    [[nodiscard]] std::vector<unsigned> silence(Nanoseconds now);

    std::map<unsigned, Guest> guests_; ///< of the pool, that have published
    std::vector<Change> changes_;      ///< of the last hour
};

} // namespace intellisched
