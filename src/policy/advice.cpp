// SPDX-License-Identifier: MIT
#include "src/policy/advice.hpp"

namespace intellisched {

bool Advice::saw(const Verdict& verdict, const About& about, Nanoseconds time, Nanoseconds dwell) {
    if (about != about_) *this = Advice();
    about_ = about;
    // Too few windows, or unusable ones, are no reason to take anything back.
    if (verdict.decision == Decision::abstain) return false;
    std::optional<Option> advised;
    if (verdict.decision == Decision::switch_option) advised = verdict.option;
    if (advised == option_ || (changed_at_ && time < *changed_at_ + dwell)) return false;
    option_ = advised;
    gain_ = verdict.mean.expected_gain[index(verdict.option)];
    why_ = verdict.reasons.back().text;
    changed_at_ = time;
    return true;
}

} // namespace intellisched
