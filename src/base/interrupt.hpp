// SPDX-License-Identifier: MIT
// Ctrl-C and termination signals, for programs to end in an orderly way.
#pragma once

#include <atomic>

namespace intellisched {

/// Becomes true at the first SIGINT, SIGTERM or SIGHUP; a second one ends the program at once.
extern std::atomic<bool> interrupted;

/// Installs the handlers. From then on writing to a closed pipe, or beyond a limit of file size, is
/// an error and does not end the program.
void watch_signals();

} // namespace intellisched
