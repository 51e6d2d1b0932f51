// SPDX-License-Identifier: MIT
// What one second of a pool is to the policy: the live score, and the names of what has to stay the
// same for two of them to be compared.
//
// The utility is score.hpp's, of one window alone and with what a host can see in the place of what
// only the guests know:
//     utility = work * sum_g(c_g ln w_g) / sum_g(c_g) - tail * mean_g T_g - share * e
//     w_g  run_g / (run_g + wait_g) * smt * moves: of the speed that the guest would have alone on
//          the machine, the part that it had. 1 is the most, and the same for every guest and load,
//          so that windows can be compared though the load differs.
//          run_g / (run_g + wait_g): of the CPU time that it wanted, what it got
//          smt    1 - 0.30 * the part of the busy CPUs' time with a busy sibling (estimate.hpp)
//          moves  1 - (30 us * starts on another core of the socket
//                      + 100 us * starts on another socket) / running time; at least 0.1
//          Of a guest that publishes a score, where the pool's configuration has it heard: that
//          score over the guest's reference, 1/4 to 4 (guest_scores.hpp).
//     T_g  ln((p99 + t0) / t0) of the window's waits from wake-up to running, of domains with ten
//          of them a second
//     e    as there, of the window's running and waiting times
// 0: everybody got what it wanted at full speed. Guests that are idle in a window drop out of the
// means. Domain-0 is as in score.hpp: no work, but its tail and its share count.
//
// A published score tells what none of the estimate can, and nothing of it is verified. It is all
// that counts of such a guest's work: that it waits, moves or shares cores is in it or is no loss.
//
// Constants: smt_speed (0.70, fitted to published kernel builds) and the refills of a working set
// of 256 kB (assumed) are the simulator's defaults, bench/simulator/costs.cpp; the least of `moves`
// is a choice, against windows that hardly ran at all.
//
// What it cannot see: responses and deadlines; memory away from its node; the working sets, so that
// every move costs the same; who of the guests shared cores and moved, so that all of them are as
// slow as the pool; and whether a wait cost work: a server that still answers every request loses
// none, and is told to have lost the part that it waited. Differences of work are therefore too
// large where guests mostly block. A guest that goes idle because another one keeps it waiting
// (a back-end) wants less, and nothing is said to be lost.
//
// A guest with about ten wake-ups a second has a tail in some windows and none in others; where few
// guests have one, these windows lie far apart.
//
// What it is worth, against the truth of simulated hosts: 26 scenarios, the layouts of each by the
// mean of its windows (build/bench/evaluation/live-score bench/plans/live-score.plan FOLDER):
//                                       throughput    latency    balanced
//     rank correlation, mean (median)   0.60 (0.80)   0.82 (1)   0.65 (0.80)
//     pairs alike, of those 2% apart    51 of 55      61 of 64   63 of 68
//     pairs alike, of those 5% apart    30 of 30      50 of 50   46 of 48
//     correlation of the differences    0.93          0.87       0.94
//     their slope over the true ones    1.29          1.28       1.25
//     behind the best, by live score    0.30%         0.28%      0.50%
//     behind the best, with socket      0.84%         1.60%      1.23%
// In 27 of the 78 cases no layout is 1% behind: there ranks are chance. On 26 other scenarios, by
// which the formula was chosen, 61 of 65 pairs 2% apart were alike under throughput, 56 without
// `smt`, 45 without `moves`, and 51 when waits after a wake-up were not counted as wanted time.
// Left out there, because the order was no better for it: idle CPUs while a vCPU waits (they are in
// the waits already), and the mean wait in the place of p99.
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

/// `snapshot` has the domains and their parameters as they were during the window, `published` what
/// its guests say.
[[nodiscard]] LiveScore live_score(const WindowStats& stats, const proto::HostSnapshot& snapshot,
                                   Intent intent, const Published& published = {});

/// What the policy knows a domain by (guests.hpp): a hash of its UUID, or of its id where a capture
/// has none.
[[nodiscard]] std::uint64_t uuid_hash(const proto::Domain& domain);

/// What the domains of the pool are known by, by uuid_hash(): a hash of their UUIDs, weights, caps
/// and the vCPUs that they may have.
[[nodiscard]] std::map<std::uint64_t, std::uint64_t>
guest_identities(const proto::HostSnapshot& snapshot, unsigned pool_id);

} // namespace intellisched
