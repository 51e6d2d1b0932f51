// SPDX-License-Identifier: MIT
#include "src/cli/program.hpp"

#include "src/base/interrupt.hpp"
#include "src/base/log.hpp"
#include "src/base/memory.hpp"
#include "src/cli/output.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <google/protobuf/stubs/logging.h>
#include <new>
#include <numeric>
#include <sstream>
#include <utility>
#include <vector>

namespace intellisched::cli {

namespace {

/// How many letters have to be inserted, removed or replaced to make `a` into `b` (Levenshtein).
std::size_t edits_between(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1); // of a's beginning so far, to each beginning of b
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] != b[j] ? 1 : 0);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
        }
    }
    return row.back();
}

/// The command that is most like `word`, as something to say; nothing when none has half of it.
std::string suggestion(const CLI::App& app, std::string_view word) {
    std::size_t least = word.size() / 2 + 1;
    std::string nearest;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
        if (const std::size_t edits = edits_between(word, command->get_name()); edits < least) {
            least = edits;
            nearest = ", the nearest is " + command->get_name();
        }
    return nearest;
}

/// An empty value is most often a variable that is not set: `pause --pool "$P"` would pause all.
void refuse_empty_values(const CLI::App& command) {
    for (const CLI::Option* option : command.get_options())
        for (const std::string& value : option->results())
            if (value.empty())
                throw CLI::ValidationError(option->get_name(),
                                           "is empty; give it a value, or leave it out");
}

/// Tells what a command failed of; the exit status that goes with it.
int tell(const CLI::App& app, const Error& error) {
    if (error.message.empty()) return 128 + SIGPIPE; // print()'s: as a shell has it
    fmt::print(stderr, "{}: {}\n", app.get_name(), error.message);
    return failed;
}

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
        fmt::print(stderr, "{0}: no command '{1}'{2}; try `{0} --help`\n", app.get_name(),
                   printable(*word, 64), suggestion(app, *word));
        return wrong_usage;
    }
    try {
        app.parse(argc, argv);
        refuse_empty_values(*app.get_subcommands().front());
    } catch (const CLI::Success& help) {
        // CLI11 would not notice that it cannot be written.
        std::ostringstream text;
        app.exit(help, text);
        const auto printed = print(text.str());
        if (printed) return done;
        return tell(app, printed.error());
    } catch (const CLI::ParseError& error) {
        const auto commands = app.get_subcommands();
        // CLI11 names these from the last to the first.
        const std::string what =
            dynamic_cast<const CLI::ExtrasError*>(&error)
                ? fmt::format("not expected: {}",
                              printable(fmt::format("{}", fmt::join(app.remaining(true), " "))))
                : error.what();
        fmt::print(stderr, "{0}: {1}; try `{0}{2}{3} --help`\n", app.get_name(), what,
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
    return tell(app, status.error());
}

} // namespace

int run_program(CLI::App& app, const Action& action, int argc, char** argv) {
    // Errors are values here; what still throws is want of memory and a defect of ours.
    try {
        return run(app, action, argc, argv);
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr,
                     "%s: it would take more than half of this host's memory; give it less to "
                     "read, or run it elsewhere\n",
                     app.get_name().c_str());
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: internal error: %s; please report it\n", app.get_name().c_str(),
                     error.what());
    }
    return failed;
}

} // namespace intellisched::cli
