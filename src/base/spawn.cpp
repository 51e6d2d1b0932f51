// SPDX-License-Identifier: MIT
#include "src/base/spawn.hpp"

#include "src/base/files.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

namespace intellisched {
namespace {

/// What posix_spawn is told; frees it.
class SpawnPlan {
  public:
    SpawnPlan() {
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                  POSIX_SPAWN_SETSIGMASK);
        posix_spawnattr_setpgroup(&attributes, 0);
        sigset_t signals;
        sigemptyset(&signals);
        posix_spawnattr_setsigmask(&attributes, &signals);
        for (const int signal : std::array{SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ, SIGCHLD})
            sigaddset(&signals, signal);
        posix_spawnattr_setsigdefault(&attributes, &signals);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;
    ~SpawnPlan() {
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
    }

    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
};

} // namespace

Result<pid_t> spawn(const std::filesystem::path& program, std::vector<std::string> arguments,
                    std::span<const GivenDescriptor> given) {
    const auto cannot = [&](int error) {
        return fail("{}: cannot be started: {}", program.string(), std::strerror(error));
    };
    SpawnPlan plan;
    // First all out of the way: giving one its number must not close another that has yet to be
    // given.
    std::vector<FileDescriptor> kept;
    const auto give = [&](int ours, int there) {
        kept.emplace_back(::fcntl(ours, F_DUPFD_CLOEXEC, above_given_descriptors));
        posix_spawn_file_actions_adddup2(&plan.actions, kept.back().get(), there);
        return kept.back().get() >= 0;
    };
    const FileDescriptor nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const int standard : std::array{STDIN_FILENO, STDOUT_FILENO})
        if (!give(nothing.get(), standard)) return cannot(errno);
    for (const GivenDescriptor& one : given)
        if (!give(one.ours, one.there)) return cannot(errno);

    arguments.insert(arguments.begin(), program.string());
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, program.c_str(), &plan.actions, &plan.attributes,
                                    pointers.data(), environ);
    if (error != 0) return cannot(error);
    return pid;
}

} // namespace intellisched
