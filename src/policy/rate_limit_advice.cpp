// SPDX-License-Identifier: MIT
#include "src/policy/rate_limit_advice.hpp"

namespace intellisched {

bool RateLimitAdvice::saw(const Observation& window, unsigned in_force_us, Nanoseconds time,
                          const PolicySettings& settings) {
    if (in_force_us != in_force_us_) {
        seen_.clear();
        told_at_.reset();
    }
    in_force_us_ = in_force_us;
    seen_.push_back({window, time});
    while (seen_.size() > settings.windows || seen_.front().time + settings.window_age < time)
        seen_.pop_front();
    std::vector<Observation> windows;
    for (const Seen& one : seen_) windows.push_back(one.window);
    verdict_ = judge(windows, Knob::rate_limit, nearest_limit(in_force_us), all_options,
                     settings.gate, settings.switch_margins);
    // Too few windows, or unusable ones, are no reason to take anything back.
    if (verdict_->decision == Decision::abstain || recommended_us() == told_us_) return false;
    // A load at the edge of a margin would have it told every second.
    if (told_at_ && time < *told_at_ + settings.dwell) return false;
    told_us_ = recommended_us();
    told_at_ = time;
    return true;
}

std::optional<unsigned> RateLimitAdvice::recommended_us() const {
    if (!verdict_ || verdict_->decision != Decision::switch_option) return std::nullopt;
    return limit_of(verdict_->option);
}

std::string RateLimitAdvice::text(const std::string& pool) const {
    if (!recommended_us())
        return fmt::format("rate-limit-right (a rate limit of {} is right now)",
                           rate_limit_text(in_force_us_));
    return fmt::format("rate-limit-advised ({}; `intellisched apply --pool {} --rate-limit {}`)",
                       verdict_->reasons.back().text, pool, *recommended_us());
}

} // namespace intellisched
