// SPDX-License-Identifier: MIT
// The program of a dom0. What belongs to the instrument (bench/) is in a program of its own,
// intellisched-bench, and what assistants use in intellisched-mcp; their commands are handed to
// those, as git does with its own.
#include "src/base/companion.hpp"
#include "src/base/log.hpp"
#include "src/cli/commands.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <unistd.h>

using namespace intellisched;

namespace {

/// Another program's command.
struct Companion {
    std::string_view command;
    const char* program = "intellisched-bench";
    const char* built_in = "bench/cli";
    const char* package = "intellisched-bench";
    const char* description = ""; ///< for our help; without it the command is in the footer
};
constexpr std::array companions{
    Companion{"bench"},
    Companion{"train"},
    Companion{"evaluate"},
    Companion{"export"},
    Companion{"import"},
    Companion{"calibrate"},
    Companion{"what-if"},
    Companion{"demo"},
    Companion{"mcp", "intellisched-mcp", "src/mcp", "intellisched",
              "offer these commands as tools to an assistant (Model Context Protocol)"}};

/// Whose the command of the command line is; nobody's when it is our own.
const Companion* companion_of(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word.starts_with('-')) continue;
        const auto found = std::ranges::find(companions, word, &Companion::command);
        return found != companions.end() ? &*found : nullptr;
    }
    return nullptr;
}

/// Becomes that program; comes back with an exit status where that cannot be.
int hand_over(const Companion& companion, char** argv) {
    start_log(boost::log::trivial::severity_level::warning); // stdout is the command's
    const auto program = find_companion(companion.program, companion.built_in);
    if (!program) {
        fmt::print(stderr,
                   "intellisched: {} is a command of {}, which is not here; "
                   "install the package {}\n",
                   companion.command, companion.program, companion.package);
        return cli::failed;
    }
    ::execv(program->c_str(), argv);
    fmt::print(stderr, "intellisched: {}: cannot be run: {}\n", program->string(),
               std::strerror(errno));
    return cli::failed;
}

} // namespace

int main(int argc, char** argv) {
    if (const Companion* companion = companion_of(argc, argv); companion != nullptr)
        return hand_over(*companion, argv);
    CLI::App app{"Chooses the credit2 runqueue layout and rate limit of Xen cpupools from what "
                 "their guests do.",
                 "intellisched"};
    app.footer("Exit status: 0 done, 1 failed, 2 wrong usage, 3 the verdict is \"abstain\".\n"
               "With the package intellisched-bench also: bench, train, evaluate, export, import, "
               "calibrate, what-if, demo.");
    // Never reached: for the help, and for a mistyped command that may be one of these.
    for (const Companion& companion : companions) {
        CLI::App* command =
            app.add_subcommand(std::string(companion.command), companion.description);
        if (command->get_description().empty()) command->group("");
    }
    cli::Action action;
    cli::add_recommend(app, action);
    cli::add_guests(app, action);
    cli::add_diagnose(app, action);
    cli::add_apply(app, action);
    cli::add_record(app, action);
    cli::add_features(app, action);
    cli::add_daemon(app, action);
    cli::add_status(app, action);
    cli::add_top(app, action);
    cli::add_history(app, action);
    cli::add_report(app, action);
    cli::add_pause_and_resume(app, action);
    return cli::run_program(app, action, argc, argv);
}
