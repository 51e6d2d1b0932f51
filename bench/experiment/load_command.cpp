// SPDX-License-Identifier: MIT
#include "bench/experiment/load_command.hpp"

#include "src/base/files.hpp"
#include "src/base/log.hpp"
#include "src/base/spawn.hpp"
#include "src/host/simulator.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace intellisched::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto look_around = std::chrono::milliseconds(20);
constexpr auto grace = std::chrono::seconds(2); // from SIGTERM to SIGKILL
constexpr std::size_t most_words = 4096;

/// How the process has ended, which it is left to be waited for; nothing while it runs.
std::optional<siginfo_t> ended(pid_t pid) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0)
        if (errno != EINTR) return info; // not ours: cannot be
    if (info.si_pid == 0) return std::nullopt;
    return info;
}

/// The last line of what is in the file; nothing more can be added to it.
std::string last_words(int file) {
    ::fcntl(file, F_ADD_SEALS, F_SEAL_GROW);
    struct stat status {};
    std::array<char, most_words> words{};
    if (::fstat(file, &status) != 0) return {};
    const auto from = std::max<off_t>(0, status.st_size - static_cast<off_t>(words.size()));
    const ssize_t n = ::pread(file, words.data(), words.size(), from);
    return n > 0 ? ": " + last_line({words.data(), static_cast<std::size_t>(n)}) : std::string();
}

} // namespace

LoadGroup& LoadGroup::operator=(LoadGroup&& other) noexcept {
    if (this != &other) {
        end();
        leader_ = std::exchange(other.leader_, 0);
    }
    return *this;
}

void LoadGroup::end() {
    if (leader_ <= 0) return;
    const pid_t group = std::exchange(leader_, 0);
    // The leader is waited for only when it has been signalled: so long the group is certain to be
    // ours, and whoever is left in it then keeps its number from being given anew.
    bool waited = false;
    for (const int signal : std::array{SIGTERM, SIGKILL}) {
        ::kill(-group, signal);
        for (const auto until = Clock::now() + grace; Clock::now() < until;) {
            if (!waited && ended(group)) {
                while (::waitpid(group, nullptr, 0) < 0 && errno == EINTR) {
                }
                waited = true;
            }
            if (waited && ::kill(-group, 0) != 0) return;
            std::this_thread::sleep_for(look_around);
        }
    }
    BOOST_LOG_TRIVIAL(warning) << "a process of a start or stop command does not end, not even "
                                  "by SIGKILL; look at `ps -eo pid,pgid,stat,args` for group "
                               << group;
}

Result<LoadGroup> run_load_command(const std::string& command, std::chrono::milliseconds limit,
                                   const std::atomic<bool>* stop) {
    // A file and no pipe: what stays in the background would keep a pipe open, and die of writing
    // to it when we are gone.
    const FileDescriptor errors(::memfd_create("stderr", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (errors.get() < 0) return fail("cannot be started: {}", std::strerror(errno));
    const std::array given{GivenDescriptor{errors.get(), STDERR_FILENO}};
    auto pid = TRY(spawn("/bin/sh", {"-c", command}, given));
    LoadGroup group(pid);
    const auto until = Clock::now() + limit;
    for (;;) {
        if (const auto end = ended(pid)) {
            if (end->si_code != CLD_EXITED)
                return fail("was ended by signal {}{}", end->si_status, last_words(errors.get()));
            if (end->si_status != 0)
                return fail("ended with status {}{}", end->si_status, last_words(errors.get()));
            (void)last_words(errors.get());
            return group;
        }
        if (stop && *stop) return fail("interrupted");
        if (Clock::now() >= until)
            return fail("has not ended within {} s{}; what goes on running belongs into the "
                        "background (&)",
                        std::chrono::ceil<std::chrono::seconds>(limit).count(),
                        last_words(errors.get()));
        std::this_thread::sleep_for(look_around);
    }
}

} // namespace intellisched::bench
