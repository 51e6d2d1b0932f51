// SPDX-License-Identifier: MIT
#include "src/mcp/runner.hpp"

#include "src/base/spawn.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace intellisched::mcp {
namespace {

// `recommend` watches for a minute at most.
constexpr std::chrono::seconds longest_run{120}, longest_end{10};
constexpr std::size_t longest_errors = 4096;

struct Pipe {
    FileDescriptor reading, writing;
};

Result<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return fail("a pipe: cannot be made: {}; end other programs", std::strerror(errno));
    return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

/// Reads once what is there; closes it at its end. What is beyond `most` is dropped.
void read_into(std::string& text, FileDescriptor& from, std::size_t most) {
    std::array<char, 65536> piece{};
    const ssize_t got = ::read(from.get(), piece.data(), piece.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (got <= 0) {
        from = FileDescriptor();
        return;
    }
    text.append(piece.data(), std::min(static_cast<std::size_t>(got), most - text.size()));
}

} // namespace

Runner::~Runner() {
    end();
    while (running()) {
        auto waited_for = descriptors();
        ::poll(waited_for.data(), waited_for.size(), timeout_ms());
        (void)finished();
    }
}

Result<void> Runner::start(const std::vector<std::string>& arguments) {
    auto output = TRY(make_pipe());
    auto errors = TRY(make_pipe());
    const std::array given{GivenDescriptor{output.writing.get(), STDOUT_FILENO},
                           GivenDescriptor{errors.writing.get(), STDERR_FILENO}};
    pid_ = TRY(spawn(program_, arguments, given));
    output_ = std::move(output.reading);
    errors_ = std::move(errors.reading);
    outcome_ = {};
    ending_ = false;
    deadline_ = Clock::now() + longest_run;
    return {};
}

void Runner::end() {
    if (!running() || ending_) return;
    ending_ = true;
    deadline_ = Clock::now() + longest_end;
    ::kill(pid_, SIGTERM);
}

std::array<pollfd, 2> Runner::descriptors() const {
    return {pollfd{output_.get(), POLLIN, 0}, pollfd{errors_.get(), POLLIN, 0}};
}

int Runner::timeout_ms() const {
    // A signal may come just before the wait begins.
    if (!running()) return 1000;
    // A command that has closed both may still run.
    if (output_.get() < 0 && errors_.get() < 0) return 20;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000));
}

void Runner::look_at_time() {
    if (Clock::now() < deadline_) return;
    if (ending_)
        ::kill(-pid_, SIGKILL);
    else
        end();
}

std::optional<Outcome> Runner::finished() {
    if (!running()) return std::nullopt;
    for (const pollfd& one : descriptors()) {
        pollfd now = one;
        if (now.fd < 0 || ::poll(&now, 1, 0) <= 0) continue;
        if (now.fd == output_.get())
            read_into(outcome_.output, output_, longest_output + 1);
        else
            read_into(outcome_.errors, errors_, longest_errors);
    }
    look_at_time();
    if (output_.get() >= 0 || errors_.get() >= 0) return std::nullopt;
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR)) return std::nullopt;
    pid_ = -1;
    outcome_.status = ended > 0 && !ending_ && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (ending_) outcome_.errors = "it was ended before it was done";
    return std::move(outcome_);
}

} // namespace intellisched::mcp
