// SPDX-License-Identifier: MIT
#include "src/host/apply.hpp"

#include "collector/trace/live.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/output.hpp"
#include "src/host/xl.hpp"
#include "src/proto/recommendation.pb.h"

#include <charconv>

namespace intellisched::cli {
namespace {

struct ApplyArguments {
    std::string host;
    std::string pool;
    std::string layout;
    std::string max_cpus; ///< empty: none, but for layout boot as booted
    bool dry_run = false;
    bool json = false;
};

constexpr unsigned most_cpus = 4096; // Xen's NR_CPUS never came near it

std::optional<unsigned> number_from(const std::string& text) {
    unsigned number = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec != std::errc{} || parsed.ptr != end || number < 1 || number > most_cpus)
        return std::nullopt;
    return number;
}

/// For CLI11: the empty string, or what is wrong.
std::string check_max_cpus(const std::string& text) {
    if (text == "none" || text == "boot" || number_from(text)) return {};
    return fmt::format("none, boot or a number from 1 to {} is accepted, not '{}'", most_cpus,
                       printable(text));
}

Arrangement wanted(const ApplyArguments& options, const Arrangement& boot) {
    // Without --max-cpus: the partition that a layout is named for, and of the boot all of it.
    const bool as_booted =
        options.max_cpus == "boot" || (options.max_cpus.empty() && options.layout == "boot");
    return {layout_from_string(options.layout).value_or(boot.layout),
            as_booted ? boot.max_cpus : number_from(options.max_cpus).value_or(no_cap)};
}

template<class Message> void fill(Message& to, const Arrangement& arrangement) {
    to.set_layout(std::string(to_string(arrangement.layout)));
    to.set_max_cpus(arrangement.max_cpus);
}

proto::Applied message(const Pool& pool, const Arrangement& requested, const Applied& applied) {
    proto::Applied out;
    out.set_pool(pool.name);
    fill(*out.mutable_requested(), requested);
    fill(*out.mutable_before(), applied.before.arrangement);
    out.mutable_before()->set_runqueues(applied.before.runqueues);
    fill(*out.mutable_after(), applied.after.arrangement);
    out.mutable_after()->set_runqueues(applied.after.runqueues);
    out.set_changed(applied.changed);
    out.set_dry_run(applied.dry_run);
    out.set_equivalent(applied.equivalent);
    return out;
}

Result<int> apply_layout(const ApplyArguments& options) {
    if (!options.host.empty() && options.host != "xen")
        return fail("apply changes the live host, which '{}' is not; run it in dom0 with --host "
                    "xen, or without",
                    printable(options.host));
    TRY(trace::LiveTrace::available());
    auto xl = TRY(Xl::open());
    auto info = TRY(xl.info());
    const auto host = TRY(xl.snapshot());
    auto pool = TRY(find_pool(host.pools, options.pool));

    const Arrangement requested = wanted(options, info.boot);
    auto applied = TRY(apply(xl.configurator(), host.topology, pool, requested, options.dry_run));
    TRY(print(options.json ? to_json(message(pool, requested, applied)) : describe(pool, applied)));
    return done;
}

} // namespace

void add_apply(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "apply", "give a cpupool of the running host another layout (needs the patched Xen)");
    auto options = std::make_shared<ApplyArguments>();
    command->add_option("--host", options->host, "the host to change: xen, the one that this is");
    command->add_option("--pool", options->pool, "the cpupool, by name or id")->required();
    command
        ->add_option("--layout", options->layout,
                     "cpu, core, socket, node, all, or boot: layout and cap as booted")
        ->required()
        ->check(CLI::IsMember({"cpu", "core", "socket", "node", "all", "boot"}));
    command
        ->add_option("--max-cpus", options->max_cpus,
                     "cap on the CPUs of a runqueue: a number, none, or boot: as booted (default: "
                     "none, with --layout boot as booted)")
        ->check(CLI::Validator(check_max_cpus, "N|none|boot"));
    command->add_flag("--dry-run", options->dry_run, "say what would be done, and change nothing");
    command->add_flag("--json", options->json, "print JSON");
    command->callback(
        [options, &action] { action = [options] { return apply_layout(*options); }; });
}

} // namespace intellisched::cli
