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
    std::string layout;     ///< empty: it stays
    std::string max_cpus;   ///< empty: none, but for layout boot as booted
    std::string rate_limit; ///< empty: it stays
    bool dry_run = false;
    bool json = false;
};

constexpr unsigned most_cpus = 4096; // Xen's NR_CPUS never came near it

std::optional<unsigned> number_from(const std::string& text) {
    unsigned number = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
    return number;
}

/// For CLI11: the empty string, or what is wrong.
std::string check_max_cpus(const std::string& text) {
    const auto number = number_from(text);
    if (text == "none" || text == "boot" || (number && *number >= 1 && *number <= most_cpus))
        return {};
    return fmt::format("none, boot or a number from 1 to {} is accepted, not '{}'", most_cpus,
                       printable(text));
}

std::string check_live(const std::string& host) {
    if (host == "xen") return {};
    return fmt::format("apply changes the live host, which '{}' is not; run it in dom0 with --host "
                       "xen, or without",
                       printable(host));
}

/// Nothing: it is none, or "boot".
std::optional<unsigned> rate_limit_from(const std::string& text) {
    return text == rate_limit_text(0) ? 0 : number_from(text);
}

std::string check_rate_limit(const std::string& text) {
    const auto number = rate_limit_from(text);
    if (text == "boot" || (number && possible_rate_limit(*number))) return {};
    return fmt::format("off (0), 100 to {} us or boot are accepted, not '{}'", most_rate_limit_us,
                       printable(text));
}

Change requested(const ApplyArguments& options, const HostInfo& host) {
    Change change;
    if (!options.rate_limit.empty())
        change.rate_limit_us =
            rate_limit_from(options.rate_limit).value_or(boot_rate_limit(host.xen_command_line));
    if (options.layout.empty()) return change;
    // Without --max-cpus: the partition that a layout is named for, and of the boot all of it.
    const bool as_booted =
        options.max_cpus == "boot" || (options.max_cpus.empty() && options.layout == "boot");
    change.arrangement = {layout_from_string(options.layout).value_or(host.boot.layout),
                          as_booted ? host.boot.max_cpus
                                    : number_from(options.max_cpus).value_or(no_cap)};
    return change;
}

template<class Message> void fill(Message& to, const Arrangement& arrangement) {
    to.set_layout(std::string(to_string(arrangement.layout)));
    to.set_max_cpus(arrangement.max_cpus);
}

proto::Applied message(const Pool& pool, const Change& requested, const Applied& applied) {
    proto::Applied out;
    out.set_pool(pool.name);
    if (requested.arrangement) fill(*out.mutable_requested(), *requested.arrangement);
    if (applied.layout) {
        fill(*out.mutable_before(), applied.layout->before.arrangement);
        out.mutable_before()->set_runqueues(applied.layout->before.runqueues);
        fill(*out.mutable_after(), applied.layout->after.arrangement);
        out.mutable_after()->set_runqueues(applied.layout->after.runqueues);
    }
    if (applied.rate_limit) {
        out.mutable_requested()->set_rate_limit_us(*requested.rate_limit_us);
        out.mutable_before()->set_rate_limit_us(applied.rate_limit->before_us);
        out.mutable_after()->set_rate_limit_us(applied.rate_limit->after_us);
    }
    out.set_changed(applied.changed());
    out.set_dry_run(applied.dry_run);
    out.set_equivalent(!applied.layout || applied.layout->equivalent);
    return out;
}

Result<int> apply_change(const ApplyArguments& options) {
    TRY(trace::LiveTrace::available());
    auto xl = TRY(Xl::open());
    auto info = TRY(xl.info());
    const auto host = TRY(xl.snapshot());
    auto pool = TRY(find_pool(host.pools, options.pool));

    const Change change = requested(options, info);
    auto applied = TRY(apply(xl.configurator(), host.topology, pool, change, options.dry_run));
    TRY(print(options.json ? json_output(message(pool, change, applied))
                           : describe(pool, applied)));
    return done;
}

} // namespace

void add_apply(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "apply", "change a running cpupool's layout (needs the patched Xen), rate limit, or both");
    auto options = std::make_shared<ApplyArguments>();
    command->add_option("--host", options->host, "the host to change: xen, the one that this is")
        ->check(CLI::Validator(check_live, "xen"));
    command->add_option("--pool", options->pool, "the cpupool, by name or id")->required();
    auto* layout =
        command
            ->add_option("--layout", options->layout,
                         "cpu, core, socket, node, all, or boot: layout and cap as booted")
            ->check(CLI::IsMember({"cpu", "core", "socket", "node", "all", "boot"}));
    command
        ->add_option("--max-cpus", options->max_cpus,
                     "cap on the CPUs of a runqueue: a number, none, or boot: as booted (default: "
                     "none, with --layout boot as booted)")
        ->check(CLI::Validator(check_max_cpus, "N|none|boot"))
        ->needs(layout);
    command
        ->add_option(
            "--rate-limit", options->rate_limit,
            "how long a vCPU may run before a wake-up may preempt it: 100 to 500000 us, off (0 is "
            "the same), or boot: as booted")
        ->check(CLI::Validator(check_rate_limit, "US|off|boot"));
    command->add_flag("--dry-run", options->dry_run, "say what would be done, and change nothing");
    command->add_flag("--json", options->json, "print JSON");
    command->callback([options, &action] {
        if (options->layout.empty() && options->rate_limit.empty())
            throw CLI::RequiredError("--layout or --rate-limit");
        action = [options] { return apply_change(*options); };
    });
}

} // namespace intellisched::cli
