// SPDX-License-Identifier: MIT
// The commands of a plan that start and stop the load of a live entry.
#pragma once

#include "src/base/result.hpp"

#include <atomic>
#include <chrono>
#include <sys/types.h>

namespace intellisched::bench {

/// What a command left running in its process group. Ends it when it goes: SIGTERM, and SIGKILL to
/// what is still there after two seconds.
class LoadGroup {
  public:
    LoadGroup() = default;
    explicit LoadGroup(pid_t leader) : leader_(leader) {}
    LoadGroup(LoadGroup&& other) noexcept : leader_(std::exchange(other.leader_, 0)) {}
    LoadGroup& operator=(LoadGroup&& other) noexcept;
    ~LoadGroup() { end(); }
    void end();

  private:
    /// Has ended, but is not waited for: so long its number cannot become that of another group.
    pid_t leader_ = 0;
};

/// Runs `command` by /bin/sh -c, in a process group of its own, where this program runs; its input
/// and output are /dev/null. Waits until the shell has ended, not for what it put into the
/// background: that is in the group, and what it then writes to stderr is refused. Errors, with all
/// of the group ended: another exit status than 0, or not ended within `limit`, each with the last
/// line of its stderr; "interrupted" when `stop` (may be null) became true.
[[nodiscard]] Result<LoadGroup> run_load_command(const std::string& command,
                                                 std::chrono::milliseconds limit,
                                                 const std::atomic<bool>* stop);

} // namespace intellisched::bench
