// SPDX-License-Identifier: MIT
// The policy's state as a message, so that it can be stored and restored after a kill. A restored
// state does exactly what the first one would have done.
#pragma once

#include "src/base/result.hpp"
#include "src/policy/state.hpp"
#include "src/proto/policy.pb.h"

namespace intellisched {

[[nodiscard]] proto::PolicyState message_of(const State& state);

/// What was compared by another version of the score is forgotten. Errors: another version; names
/// that are not known; lists of another length; a trial, a switch or a pool without what belongs to
/// it.
[[nodiscard]] Result<State> state_of(const proto::PolicyState& message);

} // namespace intellisched
