// SPDX-License-Identifier: MIT
#include "src/base/interrupt.hpp"

#include <array>
#include <csignal>

namespace intellisched {

std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "it is written by a signal handler");

void watch_signals() {
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = true; };
    // No SA_RESTART: what waits for input or a client must come back. Once only: the second signal
    // kills.
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    for (int signal : std::array{SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
    // A write that cannot be done is an error that we report, not an end without a word.
    for (int signal : std::array{SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_IGN);
}

} // namespace intellisched
