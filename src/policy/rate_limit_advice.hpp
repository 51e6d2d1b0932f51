// SPDX-License-Identifier: MIT
// What the model of the rate limit says of a pool over time. It is told and not done: the policy
// (machine.hpp) switches layouts only.
#pragma once

#include "src/policy/settings.hpp"

#include <deque>
#include <optional>
#include <string>

namespace intellisched {

class RateLimitAdvice {
  public:
    /// Takes a window whose prediction is about the rate limit, which was `in_force_us` during it.
    /// What was seen under another rate limit does not count any more. Returns whether there is
    /// something to tell: another limit is worth a change than the last time, or none is any more.
    /// That is so once in a dwell at most, while nobody changes the limit.
    bool saw(const Observation& window, unsigned in_force_us, Nanoseconds time,
             const PolicySettings& settings);

    /// judge()'s, by the margins of a switch; nothing before the first window.
    [[nodiscard]] const std::optional<Verdict>& verdict() const { return verdict_; }
    /// The limit that is worth a change; nothing: none is.
    [[nodiscard]] std::optional<unsigned> recommended_us() const;
    /// The advice as a line of a log, with the command that follows it.
    [[nodiscard]] std::string text(const std::string& pool) const;

  private:
    struct Seen {
        Observation window;
        Nanoseconds time = 0;
    };
    std::deque<Seen> seen_;
    unsigned in_force_us_ = default_rate_limit_us;
    std::optional<Verdict> verdict_;
    std::optional<unsigned> told_us_;    ///< the limit that was told last
    std::optional<Nanoseconds> told_at_; ///< since the rate limit in force is what it is
};

} // namespace intellisched
