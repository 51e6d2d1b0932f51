// SPDX-License-Identifier: GPL-2.0-only
// A scenario stepped by a client: src/proto/simulator.proto, for closed loops.
#pragma once

#include "bench/simulator/world.hpp"
#include "src/base/files.hpp"

#include <functional>
#include <string>

namespace sim {

inline constexpr std::size_t max_request_bytes = std::size_t{64} << 10;
/// An advance ends early when its trace is as long.
inline constexpr std::size_t enough_trace_bytes = std::size_t{64} << 20;
inline constexpr Nanoseconds longest_advance = 10'000'000'000;

/// Answers requests on the stream socket until the client closes it, or until `stop` (asked when a
/// signal interrupts waiting, and every 100 ms of virtual time). Errors: a request that is no
/// message or longer than max_request_bytes, a socket that breaks, a world that cannot go on; the
/// client is told as well if it can be.
[[nodiscard]] Result<void> serve(World& world, int socket, const std::function<bool()>& stop);

/// Makes a Unix socket at `path`, waits for one client, and removes the socket again. Errors: those
/// of the file system; interrupted.
[[nodiscard]] Result<intellisched::FileDescriptor> accept_client(const std::string& path);

} // namespace sim
