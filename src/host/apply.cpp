// SPDX-License-Identifier: MIT
#include "src/host/apply.hpp"

#include "src/base/ranges.hpp"

namespace intellisched {

namespace {

std::string in_words(const InForce& in_force) {
    return fmt::format("{} ({} {})", to_string(in_force.arrangement), in_force.runqueues,
                       in_force.runqueues == 1 ? "runqueue" : "runqueues");
}

} // namespace

Result<Applied> apply(Configurator& configurator, const Topology& topology, const Pool& pool,
                      const Arrangement& wanted, bool dry_run) {
    if (pool.scheduler != "credit2")
        return fail("{}: scheduler {} has no runqueue layouts (credit2 has)", pool.name,
                    pool.scheduler);
    auto before = TRY(configurator.layout(pool));

    Applied applied{.before = before, .after = {}, .runqueues = {}, .dry_run = dry_run};
    // Xen's own count tells what the topology may not: how many threads a core has.
    const auto now = [&](const InForce& in_force) {
        Pool told = pool;
        told.runqueues = in_force.runqueues;
        return explain_runqueues(topology, told, in_force.arrangement, {});
    };
    const Explained old = now(before);
    Topology explained = topology;
    explained.threads_per_core = old.threads_per_core;
    applied.runqueues = partition(explained, pool, wanted);
    applied.after = {wanted, static_cast<unsigned>(applied.runqueues.size())};
    // CPUs that joined the pool one by one may have come to other runqueues than the topology
    // gives; then there is something to form anew, even by the same setting.
    applied.equivalent =
        old.runqueues == applied.runqueues && before.runqueues == old.runqueues.size();
    applied.changed = !applied.equivalent || before.arrangement != wanted;
    if (!applied.changed || dry_run) return applied;

    TRY(configurator.set_layout(pool, wanted));
    auto after = TRY(configurator.layout(pool));
    if (after.arrangement != wanted)
        return fail("{}: {} was set, but {} is in force: another program changes it too; end that "
                    "one and run it again",
                    pool.name, to_string(wanted), to_string(after.arrangement));
    applied.after = after;
    if (after.runqueues != applied.runqueues.size()) {
        Explained formed = now(after);
        applied.explained = formed.explained;
        applied.runqueues = std::move(formed.runqueues);
    }
    return applied;
}

std::string describe(const Pool& pool, const Applied& applied) {
    std::string text;
    if (applied.changed)
        text = fmt::format("{}{} {} -> {}{}\n", pool.name, applied.dry_run ? " would change:" : ":",
                           in_words(applied.before), in_words(applied.after),
                           applied.equivalent ? "; the same runqueues, nothing moves" : "");
    else
        text = fmt::format("{}: {} is in force already\n", pool.name, in_words(applied.after));
    if (!applied.explained)
        return text + "\nXen has another number of runqueues than the topology gives: which CPUs "
                      "share one, `xl debug-keys r` and `xl dmesg` tell\n";
    text += "\nrunqueue   CPUs\n";
    for (std::size_t i = 0; i < applied.runqueues.size(); ++i)
        text += fmt::format("{:>8}   {}\n", i, ranges_text(applied.runqueues[i]));
    return text;
}

} // namespace intellisched
