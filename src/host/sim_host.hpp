// SPDX-License-Identifier: MIT
// A simulated host: a `credit2-sim serve` of our own, stepped through its virtual time. What it
// says is as hostile as any input: it is another program.
#pragma once

#include "src/base/files.hpp"
#include "src/host/host.hpp"
#include "src/host/rearranger.hpp"
#include "src/proto/scenario.pb.h"
#include "src/proto/simulator.pb.h"
#include "src/proto/truth.pb.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>

namespace intellisched {

struct SimOptions {
    /// The program; empty: find_simulator().
    std::filesystem::path program = {};
    bool tracing = true; ///< without, nothing but counters and truth comes of it, and faster
    /// Ends every wait with an error when it becomes true. May be null.
    const std::atomic<bool>* stop = nullptr;
    /// A simulator that says nothing for that long has hung.
    std::chrono::seconds patience{300};
};

/// Time passes only in next(), 100 ms of it a call when there is nothing else to tell. The process
/// goes with the object.
class SimHost final : public Host, public Rearranger {
  public:
    /// Errors: no program, one that does not start, a scenario that it refuses (in its words).
    [[nodiscard]] static Result<std::unique_ptr<SimHost>>
    open(const std::filesystem::path& scenario, const SimOptions& options = {});
    /// The same for a scenario that is no file.
    [[nodiscard]] static Result<std::unique_ptr<SimHost>> open(const proto::Scenario& scenario,
                                                               const SimOptions& options = {});
    /// A simulator that is there already and serves this stream socket; nothing is started or
    /// ended.
    [[nodiscard]] static Result<std::unique_ptr<SimHost>> over(FileDescriptor socket,
                                                               const SimOptions& options = {});
    ~SimHost() override;

    [[nodiscard]] const HostInfo& info() const override { return info_; }
    /// Counters once a virtual second. Nothing once the scenario has ended.
    [[nodiscard]] Result<std::optional<HostItem>> next() override;
    [[nodiscard]] Result<InForce> layout(const Pool& pool) override;
    [[nodiscard]] Result<InForce> set_layout(const Pool& pool, const Arrangement& wanted) override;

    /// The first one; next() gives it too.
    [[nodiscard]] const proto::HostSnapshot& first_snapshot() const { return snapshot_; }
    /// What the machine's costs are; what is absent it did not tell.
    [[nodiscard]] const proto::Costs& costs() const { return costs_; }
    /// Virtual time since the start, in nanoseconds.
    [[nodiscard]] std::uint64_t elapsed_ns() const { return now_ - start_; }
    /// Truth is counted anew from here on.
    [[nodiscard]] Result<void> reset_truth();
    [[nodiscard]] Result<proto::Truth> truth();

  private:
    class Process;
    explicit SimHost(std::unique_ptr<Process> process);
    [[nodiscard]] static Result<std::unique_ptr<SimHost>>
    start(const std::string& scenario, int scenario_fd, const SimOptions& options);
    [[nodiscard]] static Result<std::unique_ptr<SimHost>> greet(std::unique_ptr<Process> process);
    /// One request; what its reply says of time and host is taken.
    [[nodiscard]] Result<proto::SimReply> ask(const proto::SimRequest& request);
    [[nodiscard]] Result<void> hello();
    [[nodiscard]] Result<void> advance();

    std::unique_ptr<Process> process_;
    HostInfo info_;
    proto::Costs costs_;
    proto::HostSnapshot snapshot_;
    std::deque<HostItem> items_;
    std::uint64_t start_ = 0, now_ = 0;
    std::uint64_t next_counters_ = 0;
    unsigned still_ = 0; ///< advances in a row that did not
    bool ended_ = false;
};

} // namespace intellisched
