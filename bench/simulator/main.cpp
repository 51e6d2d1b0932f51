// SPDX-License-Identifier: GPL-2.0-only
// credit2-sim: Xen's own credit2 under a virtual clock.
#include "bench/simulator/commands.hpp"
#include "src/base/interrupt.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <google/protobuf/stubs/logging.h>

namespace {

int run(int argc, char** argv) {
    CLI::App app{"Simulates Xen hosts: the hypervisor's own credit2 under a virtual clock.",
                 "credit2-sim"};
    app.set_version_flag("--version", std::string("credit2-sim ") + INTELLISCHED_VERSION);
    app.require_subcommand(1);
    app.footer("Exit status: 0 done, 1 failed, 2 wrong usage.");
    sim::Action action;
    const sim::Stop stop = [] { return intellisched::interrupted.load(); };
    sim::add_run(app, action, stop);
    sim::add_serve(app, action, stop);
    sim::add_costs(app, action);
    sim::add_check(app, action);
    sim::add_generate(app, action);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& help) {
        return app.exit(help); // --help, --version
    } catch (const CLI::ParseError& error) {
        fmt::print(stderr, "credit2-sim: {}; try `credit2-sim --help`\n", error.what());
        return 2;
    }
    // What it would print of a damaged message, we return as an error.
    google::protobuf::SetLogHandler(nullptr);
    intellisched::watch_signals();
    const auto done = action();
    if (done) return 0;
    fmt::print(stderr, "credit2-sim: {}\n", done.error().message);
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "credit2-sim: internal error: %s; please report it\n", error.what());
    }
    return 1;
}
