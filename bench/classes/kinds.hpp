// SPDX-License-Identifier: MIT
// The truth about a simulated guest: what its scenario says that it does.
#pragma once

#include "bench/proto/classes.pb.h"
#include "src/model/guest_class.hpp"
#include "src/proto/scenario.pb.h"

#include <optional>
#include <string>

namespace intellisched {

/// The kind of load that the guest has from `from_s` to `to_s` of the scenario. Empty: none that a
/// class could be told of, as it has several loads, or another one meanwhile; Domain-0, which works
/// for the others.
[[nodiscard]] std::string kind_of(const proto::Guest& guest, double from_s, double to_s);

/// Whether its vCPUs blocked less than ten times in a second of running; never of kind "idle".
[[nodiscard]] bool hardly_blocks(const proto::GuestSample& sample);

/// The number of the class among guest_class_names that guests of this kind have; of any kind but
/// "idle", a guest whose vCPUs hardly ever block is CPU-bound while that is so, because a server
/// that cannot keep up is no other to the host than one that computes. Nothing: a kind without a
/// class, whose guests are left out.
[[nodiscard]] std::optional<std::size_t> class_of(const proto::GuestSample& sample);

} // namespace intellisched
