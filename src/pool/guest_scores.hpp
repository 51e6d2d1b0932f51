// SPDX-License-Identifier: MIT
// What a pool's guests publish of themselves (published_score.hpp), made usable for the live score.
// A guest may publish anything, as often as it likes. So in each window
//     score      counts only if it is possible; it is read once, however often it was written
//     reference  of a guest: its first score. What counts is score / reference, 1/4 to 4. So it can
//                shift the utility by ln 4 times the guest's part of the claims at most
// A score that is out of these bounds for 300 windows (a trial has 200 at most) means another load,
// or that the first one was a mistake, and becomes the reference.
//
// A guest that begins or ceases to publish, or gets another reference, counts as another guest for
// the policy (src/policy/guests.hpp), which compares the others meanwhile. A guest's first score is
// no such change. A guest with three changes within an hour is ignored for a day; then what the
// host sees of it counts.
//
// A guest that lies within the bounds is not found out. One that says it fares worse after each
// switch has all of them reverted, as far as its part of the claims goes, until the policy's
// breaker opens. So the administrator says for each pool whether guests are heard. A score that is
// no longer written looks like one that stays the same; that says nothing about any layout, and
// does no harm.
#pragma once

#include "src/policy/settings.hpp"
#include "src/proto/host.pb.h"

#include <cstdint>
#include <map>
#include <vector>

namespace intellisched {

struct PublishedScore {
    double work = 0;      ///< score / reference, within the bounds
    double reference = 0; ///< in the guest's own unit
};
/// Of one window, by domain; empty where nobody publishes.
using Published = std::map<unsigned, PublishedScore>;

/// Of one pool, in memory only: after a restart all references are new.
class GuestScores {
  public:
    static constexpr double bound = 4; ///< of score / reference, and its inverse
    static constexpr unsigned windows_beyond = 300;
    static constexpr std::size_t most_changes = 3; ///< within an hour
    static constexpr Nanoseconds ignored_for = 24 * hour;

    /// Takes the next window: what each domain published, unchecked, and who is in the pool.
    /// Returns what counts of it.
    [[nodiscard]] Published saw(const std::map<unsigned, double>& told,
                                const proto::HostSnapshot& snapshot, unsigned pool_id,
                                Nanoseconds now);
    /// The domains that are ignored from the last window on.
    [[nodiscard]] const std::vector<unsigned>& silenced() const { return silenced_; }

  private:
    struct Guest {
        double reference = 0;                  ///< 0: it does not publish, or is not heard
        unsigned beyond = 0;                   ///< windows in a row
        std::vector<Nanoseconds> changes = {}; ///< of the last hour
        Nanoseconds ignored_until = 0;
    };
    /// Takes the guest's score, 0 for none. Returns whether it has another reference now.
    static bool follow(Guest& guest, double score);

    std::map<unsigned, Guest> guests_; ///< of the pool, that have published
    std::vector<unsigned> silenced_;
};

} // namespace intellisched
