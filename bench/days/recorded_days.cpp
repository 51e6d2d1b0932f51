// SPDX-License-Identifier: MIT
#include "bench/days/recorded_days.hpp"

#include "bench/days/closed_loop.hpp"

#include <algorithm>
#include <deque>

namespace intellisched::bench {
namespace {

constexpr Nanoseconds tick = 5 * second; // of the service, where no window comes

/// One day under one policy.
class Replay {
  public:
    Replay(Intent intent, const PolicySettings& settings) : settings_(settings) {
        settings_.tune_rate_limit = false;
        feed(SetMode{Mode::automatic});
        feed(SetIntent{intent});
    }

    void run(const RecordedPhase& phase) {
        const Nanoseconds begin = now_, end = begin + phase.length;
        day_.spent.emplace_back();
        const State* recorded = enter(phase);
        Nanoseconds next_after = begin; // windows of a layout begin when it is in force
        while (now_ < end) {
            const auto& windows = recorded->history;
            const auto window =
                std::ranges::upper_bound(windows, next_after - begin, {}, &PastWindow::time);
            const bool none = window == windows.end() || begin + window->time > now_ + tick;
            const Nanoseconds time = std::min(none ? now_ + tick : begin + window->time, end);
            day_.spent.back()[index(layout_)] += static_cast<double>(time - now_) / second;
            now_ = next_after = time;
            if (none)
                feed(Tick{});
            else
                feed(window->window);
            while (!asked_.empty()) {
                const PoolVerdict verdict = std::move(asked_.front());
                asked_.pop_front();
                ++(verdict.decision == Decision::switch_option ? day_.switches : day_.reverts);
                layout_ = verdict.target.arrangement->layout;
                feed(ApplyResult{verdict.serial, true});
                recorded = enter(phase);
                next_after = now_ + second;
            }
        }
    }

    [[nodiscard]] ReplayedDay day() && { return std::move(day_); }

  private:
    const State* enter(const RecordedPhase& phase) {
        const State& recorded = phase.runs.at(phase.same[index(layout_)]);
        feed(*recorded.pool);
        return &recorded;
    }

    void feed(const Input& input) {
        PoolVerdict verdict = step(state_, second + now_, input, settings_);
        if (verdict.trial) day_.trials.push_back(*verdict.trial);
        if (verdict.asks()) asked_.push_back(std::move(verdict));
    }

    PolicySettings settings_;
    State state_;
    Nanoseconds now_ = 0;
    Layout layout_ = Layout::socket;
    std::deque<PoolVerdict> asked_;
    ReplayedDay day_;
};

} // namespace

Result<State> record(SimHost& host, const Models& models, Intent intent, const std::string& pool,
                     const std::atomic<bool>* stop) {
    State recorded;
    recorded.intent = intent;
    ClosedLoop loop(models, {.pool = pool, .intent = intent, .mode = Mode::observe, .stop = stop},
                    {.saw = [&](const WindowSeen& window) {
                        recorded.history.push_back({loop.now(), window});
                    }});
    TRY(loop.run(host));
    recorded.pool = loop.state().pool;
    recorded.now = loop.now();
    return recorded;
}

ReplayedDay replay(std::span<const RecordedPhase> phases, Intent intent,
                   const PolicySettings& settings) {
    Replay replay(intent, settings);
    for (const RecordedPhase& phase : phases) replay.run(phase);
    return std::move(replay).day();
}

} // namespace intellisched::bench
