// SPDX-License-Identifier: MIT
// The program of a dom0. What belongs to the instrument (bench/) is in a program of its own,
// intellisched-bench; its commands are handed to that one, as git does with its own.
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

constexpr std::array<std::string_view, 7> bench_commands{
    "bench", "train", "evaluate", "export", "import", "calibrate", "demo"};

/// The command of the command line that intellisched-bench has; empty when it is not one of them.
std::string_view bench_command(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word.starts_with('-')) continue;
        return std::ranges::find(bench_commands, word) != bench_commands.end() ? word : "";
    }
    return "";
}

/// Becomes intellisched-bench; comes back with an exit status where that cannot be.
int hand_over(std::string_view command, char** argv) {
    start_log(boost::log::trivial::severity_level::warning); // stdout is the command's
    const auto program = find_companion("intellisched-bench", "bench/cli");
    if (!program) {
        fmt::print(stderr,
                   "intellisched: {} is a command of intellisched-bench, which is not here; "
                   "install the package intellisched-bench\n",
                   command);
        return cli::failed;
    }
    ::execv(program->c_str(), argv);
    fmt::print(stderr, "intellisched: {}: cannot be run: {}\n", program->string(),
               std::strerror(errno));
    return cli::failed;
}

} // namespace

int main(int argc, char** argv) {
    if (const auto command = bench_command(argc, argv); !command.empty())
        return hand_over(command, argv);
    CLI::App app{"Chooses the credit2 runqueue layout and rate limit of Xen cpupools from what "
                 "their guests do.",
                 "intellisched"};
    app.footer("Exit status: 0 done, 1 failed, 2 wrong usage, 3 the verdict is \"abstain\".\n"
               "With the package intellisched-bench also: bench, train, evaluate, export, import, "
               "calibrate, demo.");
    // Hidden, and never reached: a mistyped command may be one of these.
    for (const auto name : bench_commands) app.add_subcommand(std::string(name))->group("");
    cli::Action action;
    cli::add_recommend(app, action);
    cli::add_apply(app, action);
    cli::add_record(app, action);
    cli::add_features(app, action);
    cli::add_daemon(app, action);
    cli::add_status(app, action);
    cli::add_top(app, action);
    cli::add_history(app, action);
    cli::add_pause_and_resume(app, action);
    return cli::run_program(app, action, argc, argv);
}
