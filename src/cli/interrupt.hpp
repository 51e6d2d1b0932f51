// SPDX-License-Identifier: MIT
// Ctrl-C and termination: commands end what they do in an orderly way.
#pragma once

#include <atomic>

namespace intellisched::cli {

/// Becomes true at the first SIGINT, SIGTERM or SIGHUP; a second one ends the program at once.
extern std::atomic<bool> interrupted;

/// Installs the handlers.
void watch_signals();

} // namespace intellisched::cli
