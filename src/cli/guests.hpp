// SPDX-License-Identifier: MIT
// What `guests` tells of a pool that was watched, for other commands.
#pragma once

#include "src/cli/pool_watch.hpp"
#include "src/proto/guests.pb.h"

namespace intellisched::cli {

/// A row for each guest of the pool, with what would help it; `models` are those it was watched
/// with. Errors: those of GuestClassifier::classify().
[[nodiscard]] Result<proto::Guests> guests_of(const Watched& watched, const Models& models);

} // namespace intellisched::cli
