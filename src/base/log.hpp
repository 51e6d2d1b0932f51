// SPDX-License-Identifier: MIT
// Logging: Boost.Log to stderr. A log line is for what happens while a command or the service runs;
// an error that ends a command is printed by its main, once.
#pragma once

#include <boost/log/trivial.hpp>

namespace intellisched {

/// Sends the log to stderr at `level` and above. Under systemd (JOURNAL_STREAM names stderr) each
/// line begins with the `<N>` priority that the journal understands; elsewhere with the time.
void start_log(boost::log::trivial::severity_level level);

} // namespace intellisched
