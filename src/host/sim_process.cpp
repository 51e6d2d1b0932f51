// SPDX-License-Identifier: MIT
#include "src/host/sim_process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ; // NOLINT(readability-redundant-declaration): POSIX has it in no header

namespace intellisched {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* program_name = "credit2-sim";
constexpr int socket_fd_there = 3;
constexpr std::size_t most_words = 4096;
constexpr auto look_around = std::chrono::milliseconds(200); // between two looks at `stop`

bool executable(const fs::path& path) {
    std::error_code error;
    return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

/// What posix_spawn is told of the child's descriptors and signals; frees it.
class SpawnPlan {
  public:
    SpawnPlan() {
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        // A group of its own: Ctrl-C is for us to act on, not for it. Signals as if from a shell.
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                  POSIX_SPAWN_SETSIGMASK);
        posix_spawnattr_setpgroup(&attributes, 0);
        sigset_t signals;
        sigemptyset(&signals);
        posix_spawnattr_setsigmask(&attributes, &signals);
        for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ})
            sigaddset(&signals, signal);
        posix_spawnattr_setsigdefault(&attributes, &signals);
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;
    ~SpawnPlan() {
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
    }
    void move(int from, int to) { posix_spawn_file_actions_adddup2(&actions, from, to); }

    posix_spawn_file_actions_t actions{};
    posix_spawnattr_t attributes{};
};

/// The same descriptor above the numbers that the child's will have: moving one must not close
/// another that has yet to be moved.
Result<FileDescriptor> out_of_the_way(int fd) {
    FileDescriptor high(::fcntl(fd, F_DUPFD_CLOEXEC, 16));
    if (high.get() < 0) return fail("cannot start a simulator: {}", std::strerror(errno));
    return high;
}

} // namespace

Result<fs::path> find_simulator() {
    if (const char* named = std::getenv("CREDIT2_SIM"); named && *named) {
        if (executable(named)) return fs::path(named);
        return fail("{}: no program that can be run; CREDIT2_SIM names it as the simulator", named);
    }
    std::error_code error;
    const fs::path here = fs::read_symlink("/proc/self/exe", error).parent_path();
    std::vector<fs::path> places{here / program_name};
    for (const char* up : {".", "..", "../.."})
        places.push_back(here / up / "bench/simulator" / program_name);
    const char* path = std::getenv("PATH");
    for (std::string_view left = path ? path : ""; !left.empty();) {
        const auto end = std::min(left.find(':'), left.size());
        if (end > 0) places.push_back(fs::path(left.substr(0, end)) / program_name);
        left.remove_prefix(std::min(end + 1, left.size()));
    }
    for (const fs::path& place : places)
        if (executable(place)) return place.lexically_normal();
    return fail("the simulator {0} is not installed: build it (ninja -C build "
                "bench/simulator/{0}), or name it in CREDIT2_SIM",
                program_name);
}

SimHost::Process::Process(pid_t pid, FileDescriptor socket, FileDescriptor errors,
                          const SimOptions& options)
    : pid_(pid), socket_(std::move(socket)), errors_(std::move(errors)), options_(options) {}

Result<std::unique_ptr<SimHost::Process>>
SimHost::Process::start(const std::string& scenario, int scenario_fd, const SimOptions& options) {
    fs::path program = options.program;
    if (program.empty()) {
        auto found = find_simulator();
        if (!found) return tl::unexpected(found.error());
        program = *found;
    }
    std::array<int, 2> sockets{}, pipe{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0)
        return fail("cannot start a simulator: {}", std::strerror(errno));
    FileDescriptor ours(sockets[0]), theirs(sockets[1]);
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
        return fail("cannot start a simulator: {}", std::strerror(errno));
    FileDescriptor errors(pipe[0]), errors_there(pipe[1]);
    for (const int fd : {ours.get(), errors.get()}) ::fcntl(fd, F_SETFL, O_NONBLOCK);

    SpawnPlan plan;
    std::vector<FileDescriptor> kept;
    const auto give = [&](int fd, int there) -> Result<void> {
        auto high = out_of_the_way(fd);
        if (!high) return tl::unexpected(high.error());
        plan.move(high->get(), there);
        kept.push_back(std::move(*high));
        return {};
    };
    FileDescriptor nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const auto& [fd, there] :
         {std::pair{nothing.get(), STDIN_FILENO}, std::pair{nothing.get(), STDOUT_FILENO},
          std::pair{errors_there.get(), STDERR_FILENO}, std::pair{theirs.get(), socket_fd_there}})
        if (auto given = give(fd, there); !given) return tl::unexpected(given.error());
    if (scenario_fd >= 0)
        if (auto given = give(scenario_fd, scenario_fd_there); !given)
            return tl::unexpected(given.error());

    std::array<std::string, 5> arguments{program.string(), "serve", scenario, "--fd",
                                         std::to_string(socket_fd_there)};
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, program.c_str(), &plan.actions, &plan.attributes,
                                    pointers.data(), environ);
    if (error != 0) return fail("{}: cannot be started: {}", program.string(), std::strerror(error));
    return std::unique_ptr<Process>(
        new Process(pid, std::move(ours), std::move(errors), options));
}

SimHost::Process::~Process() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL); // it has nothing to save
    (void)wait_until_gone();
}

int SimHost::Process::wait_until_gone() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
    pid_ = -1;
    return status;
}

void SimHost::Process::read_errors() {
    std::array<char, most_words> buffer;
    for (;;) {
        const ssize_t n = ::read(errors_.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        last_words_.append(buffer.data(), static_cast<std::size_t>(n));
        if (last_words_.size() > most_words) last_words_.erase(0, last_words_.size() - most_words);
    }
}

tl::unexpected<Error> SimHost::Process::ended() {
    // It may have closed its socket and live on.
    ::kill(pid_, SIGTERM);
    const auto patience = Clock::now() + std::chrono::seconds(1);
    int status = 0;
    pid_t gone = 0;
    while ((gone = ::waitpid(pid_, &status, WNOHANG)) == 0 && Clock::now() < patience)
        ::poll(nullptr, 0, 5);
    if (gone == pid_)
        pid_ = -1;
    else
        ::kill(pid_, SIGKILL), status = wait_until_gone();
    read_errors();
    while (!last_words_.empty() && last_words_.back() == '\n') last_words_.pop_back();
    const std::string words =
        printable(std::string_view(last_words_).substr(last_words_.rfind('\n') + 1), 512);
    if (!words.empty()) return fail("the simulator ended: {}", words);
    if (WIFSIGNALED(status))
        return fail("the simulator ended without a word, by signal {}; run it by hand to see why",
                    WTERMSIG(status));
    return fail("the simulator ended without a word, with status {}; run it by hand to see why",
                WEXITSTATUS(status));
}

Result<void> SimHost::Process::wait_for(short events) {
    const auto until = Clock::now() + options_.patience;
    for (;;) {
        if (options_.stop && *options_.stop) return fail("interrupted");
        std::array<pollfd, 2> ready{{{socket_.get(), events, 0}, {errors_.get(), POLLIN, 0}}};
        // Once its stderr is closed, only the socket tells.
        const int n = ::poll(ready.data(), errors_.get() < 0 ? 1 : 2,
                             static_cast<int>(look_around.count()));
        if (n < 0 && errno != EINTR) return fail("the simulator: {}", std::strerror(errno));
        if (n > 0 && (ready[1].revents & POLLIN) != 0)
            read_errors();
        else if (n > 0 && ready[1].revents != 0)
            errors_ = FileDescriptor();
        if (n > 0 && ready[0].revents != 0) return {};
        if (Clock::now() >= until)
            return fail("the simulator has said nothing for {} s; it hangs, or the scenario is too "
                        "large for this machine",
                        options_.patience.count());
    }
}

Result<void> SimHost::Process::send(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n > 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            if (auto waited = wait_for(POLLOUT); !waited) return waited;
        } else if (errno != EINTR) {
            return ended();
        }
    }
    return {};
}

Result<void> SimHost::Process::receive(std::span<std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
        if (n > 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        } else if (n < 0 && errno == EAGAIN) {
            if (auto waited = wait_for(POLLIN); !waited) return waited;
        } else if (n == 0 || errno != EINTR) {
            return ended();
        }
    }
    return {};
}

Result<proto::SimReply> SimHost::Process::ask(const proto::SimRequest& request) {
    if (broken_) return tl::unexpected(*broken_);
    const auto broke = [this](const Error& error) {
        broken_ = error;
        return tl::unexpected(error);
    };
    std::array<std::byte, 4> length{};
    const auto in_length = [](std::uint32_t value, std::size_t byte) {
        return static_cast<std::byte>(value >> (8 * byte) & 0xff);
    };
    const std::string message = request.SerializeAsString();
    for (std::size_t i = 0; i < length.size(); ++i)
        length[i] = in_length(static_cast<std::uint32_t>(message.size()), i);
    if (auto sent = send(length); !sent) return broke(sent.error());
    if (auto sent = send(std::as_bytes(std::span(message))); !sent) return broke(sent.error());

    if (auto received = receive(length); !received) return broke(received.error());
    std::uint32_t size = 0;
    for (std::size_t i = 0; i < length.size(); ++i)
        size |= std::to_integer<std::uint32_t>(length[i]) << (8 * i);
    if (size > max_sim_reply)
        return broke({fmt::format("the simulator announces a reply of {} bytes, {} are the most; "
                                  "is it of this version?",
                                  size, max_sim_reply)});
    // Grows with what comes, not with what is announced.
    std::vector<std::byte> bytes;
    while (bytes.size() < size) {
        const std::size_t have = bytes.size();
        bytes.resize(std::min<std::size_t>(size, have + (std::size_t{1} << 20)));
        if (auto received = receive(std::span(bytes).subspan(have)); !received)
            return broke(received.error());
    }
    proto::SimReply reply;
    if (!reply.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        return broke({"the simulator's reply is none; is it of this version?"});
    if (!reply.error().empty()) return fail("the simulator: {}", printable(reply.error(), 512));
    return reply;
}

} // namespace intellisched
