// SPDX-License-Identifier: MIT
#include "src/host/apply.hpp"

#include "src/base/ranges.hpp"
#include "src/layout/snapshot.hpp"

namespace intellisched {

namespace {

std::string in_words(const InForce& in_force) {
    return fmt::format("{} ({} {})", to_string(in_force.arrangement), in_force.runqueues,
                       in_force.runqueues == 1 ? "runqueue" : "runqueues");
}

std::string in_words(unsigned rate_limit_us) {
    return "rate limit " + rate_limit_text(rate_limit_us);
}

tl::unexpected<Error> another_in_force(const Pool& pool, const std::string& wanted,
                                       const std::string& found) {
    return fail("{}: {} was set, but {} is in force: another program changes it too; end that one "
                "and run it again",
                pool.name, wanted, found);
}

/// Xen's own count tells what the topology may not: how many threads a core has.
Explained explain(const Topology& topology, const Pool& pool, const InForce& in_force) {
    Pool told = pool;
    told.runqueues = in_force.runqueues;
    return explain_runqueues(topology, told, in_force.arrangement, {});
}

/// What setting `wanted` would do.
AppliedLayout plan(const Topology& topology, const Pool& pool, const InForce& before,
                   const Arrangement& wanted) {
    AppliedLayout applied{.before = before, .after = {}, .runqueues = {}};
    const Explained old = explain(topology, pool, before);
    Topology explained = topology;
    explained.threads_per_core = old.threads_per_core;
    applied.runqueues = partition(explained, pool, wanted);
    applied.after = {wanted, static_cast<unsigned>(applied.runqueues.size())};
    // CPUs that joined the pool one by one may have come to other runqueues than the topology
    // gives; then there is something to form anew, even by the same setting.
    applied.equivalent =
        old.runqueues == applied.runqueues && before.runqueues == old.runqueues.size();
    applied.changed = !applied.equivalent || before.arrangement != wanted;
    return applied;
}

/// Reads the layout back, which was set a moment ago.
Result<void> verify(Configurator& configurator, const Topology& topology, const Pool& pool,
                    AppliedLayout& layout) {
    const Arrangement wanted = layout.after.arrangement;
    const auto after = configurator.layout(pool);
    if (!after) return fail("{} (when {} had been set)", after.error().message, to_string(wanted));
    if (after->arrangement != wanted)
        return another_in_force(pool, to_string(wanted), to_string(after->arrangement));
    layout.after = *after;
    if (after->runqueues != layout.runqueues.size()) {
        Explained formed = explain(topology, pool, *after);
        layout.explained = formed.explained;
        layout.runqueues = std::move(formed.runqueues);
    }
    return {};
}

Result<void> set_limit(Configurator& configurator, const Pool& pool, unsigned us) {
    TRY(configurator.set_rate_limit(pool, us));
    const auto read = configurator.rate_limit(pool);
    if (!read) return fail("{} (when {} had been set)", read.error().message, in_words(us));
    const unsigned after = *read;
    if (after != us) return another_in_force(pool, in_words(us), in_words(after));
    return {};
}

/// The error of the layout, with what has become of the rate limit that was set before it. One that
/// another program has set meanwhile is left to it.
tl::unexpected<Error> undo(Configurator& configurator, const Pool& pool,
                           const AppliedRateLimit& limit, const Error& error) {
    const auto now = configurator.rate_limit(pool);
    if (now && *now != limit.after_us)
        return fail("{} ({} is in force, as another program has set)", error.message,
                    in_words(*now));
    const auto back = set_limit(configurator, pool, limit.before_us);
    if (back) return fail("{} ({} is in force again)", error.message, in_words(limit.before_us));
    return fail("{} ({} was set, and {} could not be put back: {}; try `intellisched apply --pool "
                "{} --rate-limit {}`)",
                error.message, in_words(limit.after_us), in_words(limit.before_us),
                back.error().message, pool_argument(pool.name, pool.id), limit.before_us);
}

} // namespace

Result<Applied> apply(Configurator& configurator, const Topology& topology, const Pool& pool,
                      const Change& wanted, bool dry_run) {
    if (pool.scheduler != "credit2")
        return fail("{}: scheduler {} has no runqueue layouts, and its rate limit is its own "
                    "(this is for credit2)",
                    pool.name, pool.scheduler);
    if (wanted.rate_limit_us && !possible_rate_limit(*wanted.rate_limit_us))
        return fail("{}: a rate limit of {} us is not possible; Xen takes {}", pool.name,
                    *wanted.rate_limit_us, possible_rate_limits);
    Applied applied{.dry_run = dry_run};
    if (wanted.arrangement)
        applied.layout = plan(topology, pool, TRY(configurator.layout(pool)), *wanted.arrangement);
    if (wanted.rate_limit_us)
        applied.rate_limit = {TRY(configurator.rate_limit(pool)), *wanted.rate_limit_us};
    if (dry_run) return applied;

    // The rate limit first: to take it back moves nothing.
    const bool limits =
        applied.rate_limit && applied.rate_limit->before_us != applied.rate_limit->after_us;
    if (limits) TRY(set_limit(configurator, pool, applied.rate_limit->after_us));
    if (applied.layout && applied.layout->changed) {
        auto done = configurator.set_layout(pool, *wanted.arrangement);
        const auto seen = done ? verify(configurator, topology, pool, *applied.layout)
                               : Result<void>(tl::unexpected(done.error()));
        if (!seen && limits) return undo(configurator, pool, *applied.rate_limit, seen.error());
        if (!seen) return tl::unexpected(seen.error());
    }
    return applied;
}

std::string describe(const Pool& pool, const Applied& applied) {
    std::string text;
    const auto line = [&](bool changed, const std::string& change, const std::string& in_force) {
        text += changed ? fmt::format("{}{} {}\n", pool.name,
                                      applied.dry_run ? " would change:" : ":", change)
                        : fmt::format("{}: {} is in force already\n", pool.name, in_force);
    };
    if (const auto& limit = applied.rate_limit)
        line(limit->before_us != limit->after_us,
             fmt::format("{} -> {}", in_words(limit->before_us), rate_limit_text(limit->after_us)),
             in_words(limit->after_us));
    if (!applied.layout) return text;
    const AppliedLayout& layout = *applied.layout;
    line(layout.changed,
         fmt::format("{} -> {}{}", in_words(layout.before), in_words(layout.after),
                     layout.equivalent ? "; the same runqueues, nothing moves" : ""),
         in_words(layout.after));
    if (!layout.explained)
        return text + "\nXen has another number of runqueues than the topology gives: which CPUs "
                      "share one, `xl debug-keys r` and `xl dmesg` tell\n";
    text += "\nrunqueue   CPUs\n";
    for (std::size_t i = 0; i < layout.runqueues.size(); ++i)
        text += fmt::format("{:>8}   {}\n", i, ranges_text(layout.runqueues[i]));
    return text;
}

} // namespace intellisched
