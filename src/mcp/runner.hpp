// SPDX-License-Identifier: MIT
// Runs one command of `intellisched` at a time: its output is read while the client is listened to.
#pragma once

#include "src/base/files.hpp"
#include "src/mcp/server.hpp"

#include <array>
#include <chrono>
#include <filesystem>
#include <optional>
#include <poll.h>
#include <sys/types.h>

namespace intellisched::mcp {

class Runner {
  public:
    explicit Runner(std::filesystem::path program) : program_(std::move(program)) {}
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;
    /// Ends what runs, and waits until it has cleaned up.
    ~Runner();

    /// Starts a command; none may run. Errors: the system's.
    [[nodiscard]] Result<void> start(const std::vector<std::string>& arguments);
    [[nodiscard]] bool running() const { return pid_ > 0; }
    /// Has the command end: politely, since it may have turned tracing on, and after some time at
    /// once. It runs until finished() tells.
    void end();

    /// What poll() is to wait for, and for how long at most; descriptors are -1 when nothing runs.
    [[nodiscard]] std::array<pollfd, 2> descriptors() const;
    [[nodiscard]] int timeout_ms() const;
    /// After poll(): reads what there is. What came of the command, once it has ended.
    [[nodiscard]] std::optional<Outcome> finished();

  private:
    using Clock = std::chrono::steady_clock;
    void look_at_time();

    std::filesystem::path program_;
    pid_t pid_ = -1;
    FileDescriptor output_, errors_; ///< pipes' reading ends; those at their end are closed
    Outcome outcome_;
    Clock::time_point deadline_; ///< to end it, or to kill it
    bool ending_ = false;
};

} // namespace intellisched::mcp
