// SPDX-License-Identifier: MIT
// What the model of the rate limit says of a pool over time, where the policy (machine.hpp) may not
// turn it: it is told, and not done.
#pragma once

#include "src/model/intent.hpp"
#include "src/policy/settings.hpp"

#include <deque>
#include <optional>
#include <string>

namespace intellisched {

class RateLimitAdvice {
  public:
    /// What advice is about; none outlasts a change of it.
    struct About {
        unsigned in_force_us = default_rate_limit_us;
        Arrangement layout = {};
        Intent intent = Intent::balanced;
        friend bool operator==(const About&, const About&) = default;
    };

    /// Takes a window whose prediction is about the rate limit. Returns whether the advice changed,
    /// which it does once in a dwell at most while it is about the same.
    bool saw(const Observation& window, const About& about, Nanoseconds time,
             const PolicySettings& settings);

    /// The limit that is worth a change by hand, by the margins of a switch; nothing: none is.
    [[nodiscard]] std::optional<unsigned> advised_us() const { return advised_us_; }
    [[nodiscard]] double gain() const { return gain_; } ///< that was expected when it was advised

    /// The advice as a line of a log, with the command that follows it.
    [[nodiscard]] std::string text(std::string_view pool, unsigned id) const;

  private:
    struct Seen {
        Observation window;
        Nanoseconds time = 0;
    };
    About about_;
    std::deque<Seen> seen_;
    std::optional<unsigned> advised_us_;
    double gain_ = 0;
    std::string why_;
    std::optional<Nanoseconds> changed_at_; ///< the advice; since about_ is what it is
};

} // namespace intellisched
