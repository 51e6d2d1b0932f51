// SPDX-License-Identifier: MIT
// What one second of a pool is to the policy: the live score, and the names of what has to stay the
// same for two of them to be compared.
//
// The utility is that of score.hpp, of one window alone, with what a host can see in place of what
// only the guests know:
//     w_g  run_g / (run_g + wait_g) * smt * refills: the part that the guest had of the speed that
//     it
//          would have alone on the machine. 1 is the most, and the same for every guest and load,
//          so that windows can be compared though the load differs.
//          run_g / (run_g + wait_g): of the time that it had something to do. What it got of its
//                 demand says less where vCPUs wait for each other: a token that goes round is as
//                 late as all waits together, and each vCPU's demand knows of its own.
//          smt    1 - (1 - smt_speed) * the part of the busy CPUs' time with a busy sibling
//                 (estimate.hpp)
//          refills  1 - (0.3 * time of filling caches from the same socket + 0.5 * from another
//                      one) / running time. Caches are filled in the first 200 us of a burst that
//                      began on another core, or where another vCPU ran meanwhile.
//          For a guest that publishes a score, where the pool's configuration has it heard: that
//          score over the guest's reference, 1/4 to 4 (guest_scores.hpp).
//     w_g / r_g   smt * refills: what is left of the CPU time for work. Not of a guest that
//     publishes
//          a score: its work is in a unit of its own.
//     T_g  of the window's responses, of domains with ten of them per second. A response is the
//          time from a wake-up until the vCPU sleeps again: what a host sees of requests. The wait
//          from wake-up to running alone would make a server that answers in 3 ms sixteen times as
//          slow for waiting as long again.
//     share   as there, of the window's running time and demand, which is an estimate by vCPU
//          (collector/window/demand.hpp); claims are by demand as well
// 0: everybody got what it wanted at full speed. Guests that are idle in a window drop out of the
// means.
//
// A published score tells what the estimate cannot, and nothing of it is verified. It is all that
// counts of such a guest's work: that the guest waits, moves or shares cores is in its score or is
// no loss.
//
// Constants: smt_speed is the simulator's default, src/proto/costs.hpp; bench/simulator/costs.cpp
// has its source. Those of refills were fitted to 56 simulated scenarios under all layouts and rate
// limits.
//
// What it cannot see: requests and deadlines; memory away from its node; the working sets, so that
// every move costs the same; which guests shared cores and moved, so that all of them are as slow
// as the pool; and whether a wait cost work. A server that still answers every request loses no
// work, but counts as having lost the part that it waited. So differences of work are too large
// where guests mostly block. A guest that goes idle because another one keeps it waiting
// (a back-end) wants less, and no loss shows.
//
// A guest with about ten wake-ups a second has a tail in some windows and none in others. Where few
// guests have one, these windows lie far apart.
//
// What it is worth against the truth of simulated hosts:
// docs/evidence/2026-11-29-live-score-of-limits.md.
#pragma once

#include "collector/window/stats.hpp"
#include "src/policy/state.hpp"
#include "src/pool/guest_scores.hpp"
#include "src/proto/host.pb.h"

#include <cstdint>
#include <map>

namespace intellisched {

/// The score of one window under an intent, and the guests that it is made of.
struct LiveScore {
    double utility = 0; ///< NaN when it cannot be told: nobody did anything that counts, the
                        ///< runqueues were formed anew in it, or its figures cannot be
    std::vector<GuestSeen> guests = {};
};

/// The live score of a window. `snapshot` has the domains and their parameters as they were during
/// it, `published` what its guests say.
[[nodiscard]] LiveScore live_score(const WindowStats& stats, const proto::HostSnapshot& snapshot,
                                   Intent intent, const Published& published = {});

/// What the policy knows a domain by (src/policy/guests.hpp): a hash of its UUID, or of its id
/// where a capture has no UUID.
[[nodiscard]] std::uint64_t uuid_hash(const proto::Domain& domain);

/// The identities of the domains of the pool, by uuid_hash(): a hash of UUID, weight, cap and the
/// vCPUs that the domain may have.
[[nodiscard]] std::map<std::uint64_t, std::uint64_t>
guest_identities(const proto::HostSnapshot& snapshot, unsigned pool_id);

} // namespace intellisched
