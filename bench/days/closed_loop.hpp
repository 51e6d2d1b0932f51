// SPDX-License-Identifier: MIT
// The policy in charge of a pool of a simulated host: windows, predictions, verdicts, and what they
// ask for done, in virtual time. The service without its process, its files and its waiting.
#pragma once

#include "collector/window/stats.hpp"
#include "src/host/sim_host.hpp"
#include "src/model/classifier.hpp"
#include "src/policy/machine.hpp"

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace intellisched::bench {

struct ClosedLoopOptions {
    std::string pool = "Pool-0";
    Intent intent = Intent::balanced;
    Mode mode = Mode::automatic;
    bool stock = false; ///< as on a stock hypervisor, no layout can be changed
    PolicySettings settings = {};
    /// Ends a run when it becomes true. May be null.
    const std::atomic<bool>* stop = nullptr;
};

class ClosedLoop {
  public:
    /// Told what happens as it happens; an error ends the run with it. Each may be empty.
    struct Watcher {
        /// Each window, before the policy has it.
        std::function<void(const WindowSeen&)> saw = {};
        /// A verdict that ends a trial or asks for a change; before that is done.
        std::function<Result<void>(const PoolVerdict&)> acts = {};
        /// Some of the host's time has passed (100 ms or so), and what was asked for is done.
        std::function<Result<void>()> passed = {};
    };

    /// The models must outlive it.
    ClosedLoop(const Models& models, ClosedLoopOptions options, Watcher watcher);

    /// Takes charge of the host until its end. Several hosts may follow each other as one that
    /// changes what it does: each is given what the one before had, and the policy goes
    /// on. Errors: no such pool; those of the host, of its trace and of the model.
    [[nodiscard]] Result<void> run(SimHost& host);

    /// Virtual time of all hosts so far.
    [[nodiscard]] Nanoseconds now() const { return before_ + (host_ ? host_->elapsed_ns() : 0); }
    [[nodiscard]] const State& state() const { return state_; }
    /// On the latest window.
    [[nodiscard]] const PoolVerdict& last() const { return last_; }
    /// Asked for so far.
    [[nodiscard]] unsigned switches() const { return switches_; }
    [[nodiscard]] unsigned reverts() const { return reverts_; }

  private:
    [[nodiscard]] Result<void> take_over();
    [[nodiscard]] Result<void> read_pool();
    void feed(const Input& input);
    [[nodiscard]] Result<void> saw(const WindowStats& stats);
    [[nodiscard]] Result<void> between();

    const Models& models_;
    ClosedLoopOptions options_;
    Watcher watcher_;
    SimHost* host_ = nullptr; ///< while it runs
    Nanoseconds before_ = 0;  ///< the time of the hosts before
    proto::HostSnapshot snapshot_;
    Topology topology_;
    Pool pool_;
    State state_;
    PoolVerdict last_;
    std::vector<PoolVerdict> acts_; ///< not told and done yet
    unsigned switches_ = 0, reverts_ = 0;
};

} // namespace intellisched::bench
