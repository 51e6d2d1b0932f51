// SPDX-License-Identifier: MIT
// The commands that ask the running service: status, pause, resume.
#include "src/cli/commands.hpp"
#include "src/cli/output.hpp"
#include "src/cli/pool_text.hpp"
#include "src/cli/shared_options.hpp"
#include "src/layout/snapshot.hpp"
#include "src/service/config.hpp"
#include "src/service/control.hpp"

#include <algorithm>

namespace intellisched::cli {
namespace {

struct StatusArguments {
    std::filesystem::path config = default_config_path;
    std::string pool; ///< empty: all
    bool json = false;
};

Result<proto::ControlReply> ask(const StatusArguments& options,
                                const proto::ControlRequest& request) {
    const auto socket = TRY(read_socket(options.config));
    return service::ask_service(socket, request);
}

std::string table(const proto::ServiceStatus& status) {
    std::string text = heading(status);
    std::size_t width = 4;
    for (const auto& pool : status.pools())
        width = std::max(width, printable(pool.name(), 64).size());
    text += fmt::format("\n{:<{}}  {:<9}  {:<10}  {:<20}  {:<10}  {:<11}  {:>6}  {:>8}  {}\n",
                        "pool", width, "mode", "intent", "layout", "rate limit", "recommended",
                        "gain", "switches", "");
    for (const auto& pool : status.pools()) {
        const auto [option, gain] = foremost(pool);
        std::string row =
            fmt::format("{:<{}}  {:<9}  {:<10}  {:<20}  {:<10}  {:<11}  {:>6}  {:>8}  {}",
                        printable(pool.name(), 64), width, pool.mode(), pool.intent(),
                        pool.has_in_force() ? layout_text(pool.in_force()) : "not read",
                        pool.has_rate_limit_us() ? rate_limit_text(pool.rate_limit_us()) : "-",
                        option.empty() ? "-" : option,
                        option.empty() ? "-" : fmt::format("{:+.1f}%", gain * 100), pool.switches(),
                        remark(pool));
        row.erase(row.find_last_not_of(' ') + 1);
        text += row + "\n";
    }
    for (const auto& pool : status.pools()) {
        for (const auto& change : pool.recommendations())
            text +=
                fmt::format("\n{}: {}\n", printable(pool.name(), 64), change_text(pool, change));
        for (const auto& guest : pool.protected_guests())
            text += fmt::format("\n{}: {}\n", printable(pool.name(), 64), protected_text(guest));
        if (pool.reasons().empty()) continue;
        text += fmt::format("\n{}: {}\n", printable(pool.name(), 64), pool.decision());
        for (const auto& reason : pool.reasons())
            text += fmt::format("  - {}\n", printable(reason.text(), 512));
    }
    return text;
}

/// Leaves the pool of that name alone.
Result<void> keep_only(proto::ServiceStatus& status, const std::string& name) {
    auto& pools = *status.mutable_pools();
    std::vector<std::string> there;
    for (const auto& pool : pools) there.push_back(printable(pool.name(), 64));
    pools.erase(std::remove_if(pools.begin(), pools.end(),
                               [&](const auto& pool) { return pool.name() != name; }),
                pools.end());
    if (!pools.empty()) return {};
    return fail("no credit2 cpupool '{}'; there is: {}", printable(name, 64),
                there.empty() ? "none yet" : fmt::format("{}", fmt::join(there, ", ")));
}

Result<int> show_status(const StatusArguments& options) {
    proto::ControlRequest request;
    request.set_status(true);
    auto reply = TRY(ask(options, request));
    if (!options.pool.empty()) TRY(keep_only(*reply.mutable_status(), options.pool));
    TRY(print(options.json ? json_output(reply.status()) : table(reply.status())));
    return done;
}

Result<int> tell(const StatusArguments& options, bool pause) {
    proto::ControlRequest request;
    (pause ? request.mutable_pause() : request.mutable_resume())->set_pool(options.pool);
    TRY(ask(options, request));
    return done;
}

} // namespace

void add_status(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand("status", "what the service sees, thinks and does");
    auto options = std::make_shared<StatusArguments>();
    add_config(*command, options->config);
    command->add_option("--pool", options->pool, "the cpupool, by name (default: all)");
    command->add_flag("--json", options->json, "print JSON");
    command->callback([options, &action] { action = [options] { return show_status(*options); }; });
}

void add_pause_and_resume(CLI::App& app, Action& action) {
    for (const bool pause : {true, false}) {
        auto* command = app.add_subcommand(
            pause ? "pause" : "resume",
            pause ? "have the service switch neither layout nor rate limit until `resume`; a trial "
                    "comes to "
                    "its end"
                  : "end a pause, and the respect for somebody else's choice of a configuration");
        auto options = std::make_shared<StatusArguments>();
        add_config(*command, options->config);
        command->add_option("--pool", options->pool, "the cpupool, by name (default: all)");
        command->callback([options, pause, &action] {
            action = [options, pause] { return tell(*options, pause); };
        });
    }
}

} // namespace intellisched::cli
