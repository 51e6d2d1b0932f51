// SPDX-License-Identifier: MIT
// The loop of one cpupool, the table of contents of the product:
//
//     window ---> features ---> prediction ---> policy ---> request
//       ^         look()        look()          step()      PoolVerdict::asks()
//       |                                                      |
//       +------------------------ the host <-------------------+
//
// All that watch a pool go this way: the service, which keeps a journal of it; `recommend`, which
// asks judge() in the place of step(); and the days of the benchmark. step() is in
// policy/machine.hpp. No I/O, no clock, no knowledge of any host.
#pragma once

#include "collector/window/features.hpp"
#include "src/layout/snapshot.hpp"
#include "src/model/classifier.hpp"
#include "src/policy/machine.hpp"
#include "src/pool/guest_scores.hpp"
#include "src/proto/host.pb.h"

#include <span>

namespace intellisched {

/// What a window is looked at with.
struct LookOptions {
    Intent intent = Intent::balanced;
    std::span<const float> costs = {}; ///< of the machine (Question::costs); none: not known
    Published published = {};          ///< what guests publish of themselves
};

/// What a window says.
struct Look {
    FeatureVector features;
    WindowSeen seen; ///< for step()
};

/// `snapshot` has the domains and their parameters as they were during the window. Where there is a
/// model of the rate limit, there is a prediction about that, too. Errors: Classifier::predict()'s.
[[nodiscard]] Result<Look> look(const WindowStats& window, const proto::HostSnapshot& snapshot,
                                const Models& models, const LookOptions& options);

/// The option that is nearest to the rate limit in force; where the host does not tell that, to
/// Xen's default.
[[nodiscard]] Option rate_limit_option(const PoolFacts& facts);

/// What of a look is for the policy, with a prediction that was made elsewhere.
[[nodiscard]] WindowSeen seen_of(const WindowStats& window, const FeatureVector& features,
                                 const Prediction& prediction, const proto::HostSnapshot& snapshot,
                                 const LookOptions& options);

/// The pool as the policy takes it. `facts` are of `pool`, be they of a window or of pool_facts(),
/// and `boot` is what the host was booted with, of both knobs.
[[nodiscard]] PoolSeen pool_seen(const PoolFacts& facts, const Topology& topology, const Pool& pool,
                                 const Change& boot);

} // namespace intellisched
