// SPDX-License-Identifier: MIT
// What is recommended for one knob of a pool over time. judge() speaks of the latest windows, and
// of a load at the edge of a margin it says something else every second; people are told less
// often.
#pragma once

#include "src/model/intent.hpp"
#include "src/policy/settings.hpp"

#include <optional>

namespace intellisched {

class Advice {
  public:
    /// What advice is about; none outlasts a change of it.
    struct About {
        Change in_force = {}; ///< both knobs
        Intent intent = Intent::balanced;
        friend bool operator==(const About&, const About&) = default;
    };

    /// Takes the verdict on the latest windows. Returns whether the advice changed, which it does
    /// once in a `dwell` at most while it is about the same.
    bool saw(const Verdict& verdict, const About& about, Nanoseconds time, Nanoseconds dwell);

    /// What is worth a change; nothing: no other option is.
    [[nodiscard]] std::optional<Option> option() const { return option_; }
    [[nodiscard]] double gain() const { return gain_; } ///< that was expected when it was advised
    [[nodiscard]] const std::string& why() const { return why_; } ///< a sentence

  private:
    About about_;
    std::optional<Option> option_;
    double gain_ = 0;
    std::string why_;
    std::optional<Nanoseconds> changed_at_; ///< the advice; since about_ is what it is
};

} // namespace intellisched
