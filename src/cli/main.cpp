// SPDX-License-Identifier: MIT
#include "src/base/interrupt.hpp"
#include "src/base/log.hpp"
#include "src/base/memory.hpp"
#include "src/cli/commands.hpp"

#include <cstdio>
#include <exception>
#include <google/protobuf/stubs/logging.h>
#include <new>

using namespace intellisched;

static int run(int argc, char** argv) {
    CLI::App app{"Chooses the credit2 runqueue layout of Xen cpupools from what their guests do.",
                 "intellisched"};
    app.set_version_flag("--version", std::string("intellisched ") + INTELLISCHED_VERSION);
    app.require_subcommand(1);
    app.fallthrough();
    app.footer("Exit status: 0 done, 1 failed, 2 wrong usage, 3 the verdict is \"abstain\".");
    bool verbose = false;
    app.add_flag("-v,--verbose", verbose, "log what happens in between");

    cli::Action action;
    cli::add_recommend(app, action);
    cli::add_apply(app, action);
    cli::add_calibrate(app, action);
    cli::add_record(app, action);
    cli::add_import(app, action);
    cli::add_features(app, action);
    cli::add_bench(app, action);
    cli::add_train(app, action);
    cli::add_evaluate(app, action);
    cli::add_export(app, action);
    cli::add_demo(app, action);
    cli::add_daemon(app, action);
    cli::add_status(app, action);
    cli::add_top(app, action);
    cli::add_history(app, action);
    cli::add_pause_and_resume(app, action);

    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& help) {
        return app.exit(help); // --help, --version
    } catch (const CLI::ParseError& error) {
        fmt::print(stderr, "intellisched: {}; try `intellisched --help`\n", error.what());
        return cli::wrong_usage;
    }

    using boost::log::trivial::severity_level;
    // What it would print of a damaged message, we return as an error.
    google::protobuf::SetLogHandler(nullptr);
    start_log(verbose ? severity_level::debug : severity_level::warning);
    watch_signals();
    limit_memory();
    const auto status = action();
    if (status) return *status;
    fmt::print(stderr, "intellisched: {}\n", status.error().message);
    return cli::failed;
}

int main(int argc, char** argv) {
    // Errors are values here; what still throws is want of memory and a defect of ours.
    try {
        return run(argc, argv);
    } catch (const std::bad_alloc&) {
        std::fputs("intellisched: it would take more than half of this host's memory; give it less "
                   "to read, or run it elsewhere\n",
                   stderr);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "intellisched: internal error: %s; please report it\n", error.what());
    }
    return cli::failed;
}
