// SPDX-License-Identifier: MIT
// The process behind a SimHost: its start, its end, and messages to and fro.
#pragma once

#include "src/host/sim_host.hpp"

#include <span>
#include <sys/types.h>

namespace intellisched {

/// The largest reply: 100 ms of a big host's trace is some tens of megabytes.
inline constexpr std::uint32_t max_sim_reply = std::uint32_t{256} << 20;

class SimHost::Process {
  public:
    /// If `scenario_fd` is not -1 the process gets it, and `scenario` is its path there.
    [[nodiscard]] static Result<std::unique_ptr<Process>>
    start(const std::string& scenario, int scenario_fd, const SimOptions& options);
    /// A process that was not started here: only its socket is known.
    [[nodiscard]] static Result<std::unique_ptr<Process>> over(FileDescriptor socket,
                                                               const SimOptions& options);
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process();

    /// One request and its reply. Errors: the reply's own; a reply that cannot be parsed or is too
    /// large; the process ended, with its last words. After any but the first, nothing more can be
    /// asked.
    [[nodiscard]] Result<proto::SimReply> ask(const proto::SimRequest& request);

    /// Where the scenario's descriptor is in the process.
    static constexpr int scenario_fd_there = 4;

  private:
    Process(pid_t pid, FileDescriptor socket, FileDescriptor errors, const SimOptions& options);
    [[nodiscard]] Result<void> send(std::span<const std::byte> bytes);
    [[nodiscard]] Result<void> receive(std::span<std::byte> bytes);
    /// Until the socket is ready for `events` or closed.
    [[nodiscard]] Result<void> wait_for(short events);
    void read_errors();
    /// The error that a process leaves which ended by itself.
    [[nodiscard]] tl::unexpected<Error> ended();
    [[nodiscard]] int wait_until_gone();

    pid_t pid_; ///< -1: no process that was started here (any more)
    FileDescriptor socket_;
    FileDescriptor errors_;
    std::string last_words_; ///< the end of what it wrote to stderr
    SimOptions options_;
    std::optional<Error> broken_; ///< if set, nothing more can be asked
};

} // namespace intellisched
