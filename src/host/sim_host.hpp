// SPDX-License-Identifier: MIT
// A simulated host: a `credit2-sim serve` that is started here and stepped through its virtual
// time. It is another program, so what it says is parsed as hostile.
#pragma once

#include "src/base/files.hpp"
#include "src/host/configurator.hpp"
#include "src/host/host.hpp"
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
    bool tracing = true; ///< without it there are only counters and truth, faster
    /// Ends every wait with an error when it becomes true. May be null.
    const std::atomic<bool>* stop = nullptr;
    /// A simulator that says nothing for that long has hung.
    std::chrono::seconds patience{300};
};

/// Time passes in next() only, 100 ms per call when nothing else is due. The destructor ends the
/// process.
class SimHost final : public Host, public Configurator {
  public:
    /// Errors: no program, one that does not start, a scenario that it refuses (in its words).
    [[nodiscard]] static Result<std::unique_ptr<SimHost>>
    open(const std::filesystem::path& scenario, const SimOptions& options = {});
    /// The same for a scenario in memory.
    [[nodiscard]] static Result<std::unique_ptr<SimHost>> open(const proto::Scenario& scenario,
                                                               const SimOptions& options = {});
    /// A simulator that runs already and serves this stream socket; it is not ended.
    [[nodiscard]] static Result<std::unique_ptr<SimHost>> over(FileDescriptor socket,
                                                               const SimOptions& options = {});
    ~SimHost() override;

    [[nodiscard]] const HostInfo& info() const override { return info_; }
    /// Counters once a virtual second. Nothing once the scenario has ended.
    [[nodiscard]] Result<std::optional<HostItem>> next() override;
    [[nodiscard]] Result<InForce> layout(const Pool& pool) override;
    [[nodiscard]] Result<InForce> set_layout(const Pool& pool, const Arrangement& wanted) override;
    [[nodiscard]] Result<unsigned> rate_limit(const Pool& pool) override;
    [[nodiscard]] Result<unsigned> set_rate_limit(const Pool& pool, unsigned us) override;
    [[nodiscard]] Result<void> set_weight(unsigned domain, unsigned weight) override;

    /// The first one; next() gives it too.
    [[nodiscard]] const HostView& first_view() const { return first_; }
    /// The machine's costs. What the simulator did not tell is absent.
    [[nodiscard]] const proto::Costs& costs() const { return costs_; }
    /// Virtual time since the start, in nanoseconds.
    [[nodiscard]] std::uint64_t elapsed_ns() const { return now_ - start_; }
    /// Starts counting the truth again from here.
    [[nodiscard]] Result<void> reset_truth();
    [[nodiscard]] Result<proto::Truth> truth();

  private:
    class Process;
    explicit SimHost(std::unique_ptr<Process> process);
    [[nodiscard]] static Result<std::unique_ptr<SimHost>>
    start(const std::string& scenario, int scenario_fd, const SimOptions& options);
    [[nodiscard]] static Result<std::unique_ptr<SimHost>> greet(std::unique_ptr<Process> process);
    /// Sends one request, and takes what the reply says of time and host.
    [[nodiscard]] Result<proto::SimReply> ask(const proto::SimRequest& request);
    /// As ask(), with the pool named in its errors.
    [[nodiscard]] Result<proto::SimReply> ask_of(const Pool& pool,
                                                 const proto::SimRequest& request);
    [[nodiscard]] Result<void> hello();
    [[nodiscard]] Result<void> advance();

    std::unique_ptr<Process> process_;
    HostInfo info_;
    proto::Costs costs_;
    HostView first_;
    std::deque<HostItem> items_;
    std::uint64_t start_ = 0, now_ = 0;
    std::uint64_t next_counters_ = 0;
    unsigned still_ = 0; ///< advances in a row in which no time passed
    bool ended_ = false;
};

} // namespace intellisched
