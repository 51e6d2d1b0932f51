// SPDX-License-Identifier: MIT
#include "collector/trace/live.hpp"
#include "src/base/memory.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/output.hpp"
#include "src/cli/shared_options.hpp"
#include "src/cli/source.hpp"
#include "src/host/xl.hpp"
#include "src/service/check_start.hpp"
#include "src/service/service.hpp"

namespace intellisched::cli {
namespace {

struct DaemonArguments {
    service::ServiceOptions service;
    bool check_config = false, stop_tracing = false;
};

/// The names of the host's credit2 pools; nullopt: this is no dom0, or libxl does not answer.
std::optional<std::set<std::string>> pools_here() {
    if (!trace::LiveTrace::available()) return std::nullopt;
    auto xl = Xl::open();
    if (!xl) return std::nullopt;
    const auto host = xl->snapshot();
    if (!host) return std::nullopt;
    std::set<std::string> names;
    for (const Pool& pool : host->pools)
        if (pool.scheduler == "credit2") names.insert(pool.name);
    return names;
}

Result<int> run_daemon(DaemonArguments& options) {
    if (options.check_config) {
        auto bundle = TRY(bundle_path());
        const auto warnings =
            TRY(service::check_start(options.service.config, bundle, pools_here()));
        for (const std::string& warning : warnings)
            fmt::print(stderr, "{}: warning: {}\n", options.service.config.string(), warning);
        std::error_code error;
        const bool there = std::filesystem::exists(options.service.config, error);
        TRY(print(fmt::format("{}: {}\n", options.service.config.string(),
                              !there             ? "not there; the defaults are in force"
                              : warnings.empty() ? "nothing wrong"
                                                 : "nothing wrong but for the warnings")));
        return done;
    }
    if (options.stop_tracing) {
        TRY(trace::LiveTrace::stop_left_on());
        return done;
    }
    keep_little_memory();
    auto bundle = TRY(bundle_path());
    options.service.bundle = bundle;
    options.service.version = INTELLISCHED_VERSION;
    auto service = TRY(service::Service::start(options.service));
    TRY(service->run());
    return done;
}

} // namespace

void add_daemon(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "daemon", "watch all pools and do what the configuration allows, until SIGTERM");
    auto options = std::make_shared<DaemonArguments>();
    auto& service = options->service;
    auto* stop = command->add_flag(
        "--stop-tracing", options->stop_tracing,
        "turn off the tracing that a killed service or command has left on, and end");
    add_config(*command, service.config)->excludes(stop);
    auto* check = command
                      ->add_flag("--check-config", options->check_config,
                                 "say what a start would find wrong with the configuration, the "
                                 "model and the folders, and end")
                      ->excludes(stop);
    auto* host =
        command
            ->add_option("--host", service.host,
                         "where to look: xen (default), capture:PATH or sim:SCENARIO")
            // A host that fails is tried again without end; one that cannot be is not to be.
            ->check(host_validator())
            ->excludes(check)
            ->excludes(stop);
    command
        ->add_flag(
            "--stock", service.stock,
            "of a simulated host: as on a stock hypervisor the rate limit can be changed, no "
            "layout")
        ->needs(host);
    command->callback([options, &app, &action] {
        options->service.verbose = app.get_option("--verbose")->as<bool>();
        action = [options] { return run_daemon(*options); };
    });
}

} // namespace intellisched::cli
