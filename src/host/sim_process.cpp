// SPDX-License-Identifier: MIT
#include "src/host/sim_process.hpp"

#include "src/base/spawn.hpp"
#include "src/host/simulator.hpp"
#include "src/proto/framing.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace intellisched {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr int socket_fd_there = 3;
constexpr std::size_t most_words = 4096;
constexpr auto look_around = std::chrono::milliseconds(200); // between two looks at `stop`

} // namespace

SimHost::Process::Process(pid_t pid, FileDescriptor socket, FileDescriptor errors,
                          const SimOptions& options)
    : pid_(pid), socket_(std::move(socket)), errors_(std::move(errors)), options_(options) {}

Result<std::unique_ptr<SimHost::Process>>
SimHost::Process::start(const std::string& scenario, int scenario_fd, const SimOptions& options) {
    fs::path program = options.program;
    if (program.empty()) {
        auto found = TRY(find_simulator());
        program = found;
    }
    std::array<int, 2> sockets{}, pipe{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0)
        return fail("cannot start a simulator: {}", std::strerror(errno));
    FileDescriptor ours(sockets[0]), theirs(sockets[1]);
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
        return fail("cannot start a simulator: {}", std::strerror(errno));
    FileDescriptor errors(pipe[0]), errors_there(pipe[1]);
    for (const int fd : {ours.get(), errors.get()}) ::fcntl(fd, F_SETFL, O_NONBLOCK);

    std::vector<GivenDescriptor> given{{errors_there.get(), STDERR_FILENO},
                                       {theirs.get(), socket_fd_there}};
    if (scenario_fd >= 0) given.push_back({scenario_fd, scenario_fd_there});
    std::vector<std::string> arguments{"serve", scenario, "--fd", fmt::to_string(socket_fd_there)};
    if (!options.tracing) arguments.emplace_back("--no-trace");
    auto pid = TRY(spawn(program, std::move(arguments), given));
    return std::unique_ptr<Process>(new Process(pid, std::move(ours), std::move(errors), options));
}

Result<std::unique_ptr<SimHost::Process>> SimHost::Process::over(FileDescriptor socket,
                                                                 const SimOptions& options) {
    if (::fcntl(socket.get(), F_SETFL, O_NONBLOCK) != 0)
        return fail("the simulator's socket: {}", std::strerror(errno));
    return std::unique_ptr<Process>(new Process(-1, std::move(socket), FileDescriptor(), options));
}

SimHost::Process::~Process() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL); // it has nothing to save
    (void)wait_until_gone();
}

int SimHost::Process::wait_until_gone() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
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
    if (pid_ <= 0) return fail("the simulator closed its socket; look at why it ended");
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
    const std::string words = last_line(last_words_);
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
        const int n =
            ::poll(ready.data(), errors_.get() < 0 ? 1 : 2, static_cast<int>(look_around.count()));
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
            TRY(wait_for(POLLOUT));
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
            TRY(wait_for(POLLIN));
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
    const std::string message = framed(request);
    if (auto sent = send(std::as_bytes(std::span(message))); !sent) return broke(sent.error());

    std::array<char, frame_header> header{};
    if (auto received = receive(std::as_writable_bytes(std::span(header))); !received)
        return broke(received.error());
    const std::uint32_t size = frame_length({header.data(), header.size()});
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
