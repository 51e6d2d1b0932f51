// SPDX-License-Identifier: MIT
#include "src/cli/program.hpp"

#include "src/base/interrupt.hpp"
#include "src/base/log.hpp"
#include "src/base/memory.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <google/protobuf/stubs/logging.h>
#include <new>

namespace intellisched::cli {

namespace {

int run(CLI::App& app, const Action& action, int argc, char** argv) {
    app.set_version_flag("--version", app.get_name() + " " + INTELLISCHED_VERSION);
    app.require_subcommand(1);
    app.fallthrough();
    bool verbose = false;
    app.add_flag("-v,--verbose", verbose, "log what happens in between");
    // CLI11 would only say that a command is missing.
    const auto* word = std::find_if(argv + 1, argv + argc, [](const char* a) { return *a != '-'; });
    if (word != argv + argc &&
        app.get_subcommands([&](const CLI::App* one) { return one->check_name(*word); }).empty()) {
        fmt::print(stderr, "intellisched: no command '{}'; try `{} --help`\n", printable(*word, 64),
                   app.get_name());
        return wrong_usage;
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& help) {
        return app.exit(help); // --help, --version
    } catch (const CLI::ParseError& error) {
        const auto commands = app.get_subcommands();
        fmt::print(stderr, "intellisched: {}; try `{}{}{} --help`\n", error.what(), app.get_name(),
                   commands.empty() ? "" : " ",
                   commands.empty() ? "" : commands.front()->get_name());
        return wrong_usage;
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
    return failed;
}

} // namespace

int run_program(CLI::App& app, const Action& action, int argc, char** argv) {
    // Errors are values here; what still throws is want of memory and a defect of ours.
    try {
        return run(app, action, argc, argv);
    } catch (const std::bad_alloc&) {
        std::fputs("intellisched: it would take more than half of this host's memory; give it less "
                   "to read, or run it elsewhere\n",
                   stderr);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "intellisched: internal error: %s; please report it\n", error.what());
    }
    return failed;
}

} // namespace intellisched::cli
