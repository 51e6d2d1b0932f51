// SPDX-License-Identifier: MIT
#include "src/cli/pool_text.hpp"

#include "src/base/counted.hpp"
#include "src/base/result.hpp"
#include "src/layout/snapshot.hpp"

#include <algorithm>

namespace intellisched::cli {

std::string layout_text(const proto::Arrangement& told) {
    const auto known = arrangement_of(told);
    return known ? to_string(*known) : "?";
}

std::string stretch(std::uint64_t seconds) {
    if (seconds < 120) return fmt::format("{} s", seconds);
    if (seconds < 7200) return fmt::format("{} min", seconds / 60);
    return fmt::format("{} h", seconds / 3600);
}

namespace {

/// When the service makes a change that is its own to make.
std::string when(const proto::PoolStatus& pool) {
    if (pool.paused()) return "the service does it after `intellisched resume`";
    if (const auto wait = std::max(pool.stand_down_s(), pool.breaker_s()); wait > 0)
        return fmt::format("the service does it, in {} at the earliest", stretch(wait));
    if (pool.has_trial() || pool.has_trial_rate_limit_us())
        return "the service does it, after the trial";
    return "the service does it when nothing is in the way";
}

} // namespace

std::string change_text(const proto::PoolStatus& pool, const proto::RecommendedChange& change) {
    const std::string to = change.has_rate_limit_us()
                               ? "rate limit " + rate_limit_text(change.rate_limit_us())
                               : "layout " + printable(change.layout(), 16);
    return fmt::format("recommended for {}: {}, {:+.1f}%; {}", stretch(change.for_s()), to,
                       change.expected_gain() * 100,
                       change.by_hand() ? "to do it: " + printable(change.command(), 256)
                                        : when(pool));
}

std::string protected_text(const proto::ProtectedStatus& guest) {
    const std::string name = printable(guest.name(), 64);
    if (guest.weight() == guest.own_weight() && !guest.trial())
        return fmt::format("{} is protected, and has its own weight of {}", name, guest.weight());
    return fmt::format("{} is protected, and has a weight of {}, its own is {}{}", name,
                       guest.weight(), guest.own_weight(), guest.trial() ? "; on trial" : "");
}

Foremost foremost(const proto::PoolStatus& pool) {
    const auto most = std::ranges::max_element(pool.recommendations(), {},
                                               &proto::RecommendedChange::expected_gain);
    if (most == pool.recommendations().end() && !pool.no_verdict().empty()) return {};
    if (most == pool.recommendations().end())
        return {printable(pool.recommended(), 16), pool.expected_gain()};
    return {most->has_rate_limit_us() ? rate_limit_text(most->rate_limit_us())
                                      : printable(most->layout(), 16),
            most->expected_gain()};
}

std::string remark(const proto::PoolStatus& pool) {
    std::string text;
    const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    if (!pool.present()) add("gone");
    if (pool.paused()) add("paused");
    if (pool.has_asked_for()) add("asked for " + layout_text(pool.asked_for()));
    if (pool.has_asked_for_rate_limit_us())
        add("asked for rate limit " + rate_limit_text(pool.asked_for_rate_limit_us()));
    if (pool.has_trial_rate_limit_us())
        add(fmt::format("rate limit {} on trial, {}", rate_limit_text(pool.trial_rate_limit_us()),
                        counted(pool.trial_windows(), "window")));
    if (pool.has_trial())
        add(fmt::format("{} on trial, {}", layout_text(pool.trial()),
                        counted(pool.trial_windows(), "window")));
    if (pool.stand_down_s() > 0) add("standing down for " + stretch(pool.stand_down_s()));
    if (pool.breaker_s() > 0) add("no switches for " + stretch(pool.breaker_s()));
    if (pool.present() && !pool.can_rearrange()) add("cannot be rearranged");
    if (pool.recommendations().empty() && !pool.no_verdict().empty())
        add("no verdict: " + printable(pool.no_verdict(), 32));
    return text;
}

std::string heading(const proto::ServiceStatus& status) {
    std::string text = fmt::format("intellisched {}, up {}; host: {}; model {} ({})\n",
                                   printable(status.version()), stretch(status.uptime_s()),
                                   printable(status.host(), 512), printable(status.model_name()),
                                   printable(status.model_id()));
    if (status.records_lost() > 0 || status.journal_errors() > 0)
        text += fmt::format("{} of the trace lost, {} to the journal failed\n",
                            counted(status.records_lost(), "record"),
                            counted(status.journal_errors(), "write"));
    return text;
}

} // namespace intellisched::cli
