// SPDX-License-Identifier: MIT
#include "src/policy/rate_limit_advice.hpp"

#include "src/layout/snapshot.hpp"

namespace intellisched {

bool RateLimitAdvice::saw(const Observation& window, const About& about, Nanoseconds time,
                          const PolicySettings& settings) {
    if (about != about_) *this = RateLimitAdvice();
    about_ = about;
    seen_.push_back({window, time});
    while (seen_.size() > settings.windows || seen_.front().time + settings.window_age < time)
        seen_.pop_front();
    std::vector<Observation> windows;
    for (const Seen& one : seen_) windows.push_back(one.window);
    const Verdict verdict = judge(windows, Knob::rate_limit, nearest_limit(about.in_force_us),
                                  all_options, settings.gate, settings.switch_margins);
    // Too few windows, or unusable ones, are no reason to take anything back.
    if (verdict.decision == Decision::abstain) return false;
    std::optional<unsigned> advised;
    if (verdict.decision == Decision::switch_option &&
        limit_of(verdict.option) >= settings.least_rate_limit_us &&
        limit_of(verdict.option) <= settings.highest_rate_limit_us)
        advised = limit_of(verdict.option);
    // A load at the edge of a margin would have it change every second.
    if (advised == advised_us_ || (changed_at_ && time < *changed_at_ + settings.dwell))
        return false;
    advised_us_ = advised;
    gain_ = verdict.mean.expected_gain[index(verdict.option)];
    why_ = verdict.reasons.back().text;
    changed_at_ = time;
    return true;
}

std::string RateLimitAdvice::text(std::string_view pool, unsigned id) const {
    if (!advised_us_)
        return fmt::format(
            "rate-limit-right (no other rate limit is worth a change any more; {} is "
            "in force)",
            rate_limit_text(about_.in_force_us));
    return fmt::format("rate-limit-advised ({}; `intellisched apply --pool {} --rate-limit {}`)",
                       why_, pool_argument(pool, id), *advised_us_);
}

} // namespace intellisched
