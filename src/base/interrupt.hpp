// SPDX-License-Identifier: MIT
// Ctrl-C and termination: programs end what they do in an orderly way.
#pragma once

#include <atomic>

namespace intellisched {

/// Becomes true at the first SIGINT, SIGTERM or SIGHUP; a second one ends the program at once.
extern std::atomic<bool> interrupted;

/// Installs the handlers. Writing to a closed pipe or a full file is an error from then on, no end.
void watch_signals();

} // namespace intellisched
