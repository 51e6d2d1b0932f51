// SPDX-License-Identifier: MIT
// A journal in a folder of its own, and steps of a policy to put into it.
#pragma once

#include "src/service/journal.hpp"
#include "tests/support/files.hpp"

namespace intellisched::test {

inline constexpr service::UnixTime epoch = 1'700'000'000'000'000'000;
inline constexpr Arrangement socket_16{Layout::socket, 16}, core_any{Layout::core, no_cap};

struct Folder : Directory {
    [[nodiscard]] std::filesystem::path journal() const { return path / "journal.db"; }
};

inline service::Journal open_journal(const std::filesystem::path& path,
                                     const std::string& boot = "boot-1") {
    auto journal = service::Journal::open(path, boot, epoch);
    if (!journal) FAIL(journal.error().message);
    return std::move(*journal);
}

inline State state_on_trial(std::uint64_t serial) {
    State state;
    state.serial = serial;
    state.mode = Mode::automatic;
    state.pool.emplace().in_force = socket_16;
    state.pool->rate_limit_us = default_rate_limit_us;
    state.trial.emplace();
    state.trial->from = {.arrangement = socket_16};
    state.trial->to = {.arrangement = core_any};
    state.trial->promised = 0.07;
    state.pending = {.target = {.arrangement = core_any}, .serial = serial};
    return state;
}

inline PoolVerdict change(std::uint64_t serial) {
    PoolVerdict verdict;
    verdict.decision = Decision::switch_option;
    verdict.target = {.arrangement = core_any};
    verdict.serial = serial;
    verdict.reasons = {{"gain", "7% better"}, {"agreement", "5 of 5"}, {"confidence", "0.8"}};
    return verdict;
}

inline TrialReport report(Ending ending) {
    return {ending,
            Knob::layout,
            {.arrangement = socket_16},
            {.arrangement = core_any},
            0.07,
            {.difference = 0.05,
             .error = 0.01,
             .freedom = 12.5,
             .correlation = 0.3,
             .excused = 0.002,
             .undeserved = 0.001,
             .load_changed = true,
             .gain_back = -0.04}};
}

/// The step that asks for serial `n`; it tells the result of the one before, and ends its trial.
struct Round {
    State state;
    PoolVerdict verdict;
    ApplyResult answer;

    explicit Round(std::uint64_t n) : state(state_on_trial(n)), verdict(change(n)) {
        answer = {.serial = n - 1, .done = true};
        if (n > 1) verdict.trial = report(Ending::kept_better);
    }
    [[nodiscard]] service::Step step(const std::string& pool = "Pool-0") const {
        return {.pool = {pool, 0},
                .time = epoch + static_cast<service::UnixTime>(verdict.serial * second),
                .answer = verdict.serial > 1 ? &answer : nullptr,
                .verdict = &verdict,
                .bundle = "b1",
                .state = &state};
    }
};

} // namespace intellisched::test
