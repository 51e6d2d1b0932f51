// SPDX-License-Identifier: MIT
#include "src/host/piped_trace.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace intellisched {

namespace {
constexpr std::size_t max_read = std::size_t{1} << 20;
}

PipedTrace::PipedTrace(FileDescriptor file, int fd, bool regular, std::string name)
    : file_(std::move(file)), fd_(fd), regular_(regular), name_(std::move(name)) {}

Result<PipedTrace> PipedTrace::open(const std::string& path) {
    const bool standard_input = path == "-";
    const std::string name = standard_input ? "standard input" : path;
    FileDescriptor file;
    // O_NONBLOCK: to open a FIFO would otherwise wait for xentrace to come.
    if (!standard_input)
        file = FileDescriptor(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    const int fd = standard_input ? STDIN_FILENO : file.get();
    struct stat status {};
    if (fd < 0 || ::fstat(fd, &status) != 0)
        return fail("{}: cannot open: {}; start `xentrace -e 0x2f000 {}` first", name,
                    std::strerror(errno), path);
    if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode) && !S_ISSOCK(status.st_mode))
        return fail("{}: neither a file nor a pipe; give it the output of `xentrace -e 0x2f000`",
                    name);
    return PipedTrace(std::move(file), fd, S_ISREG(status.st_mode), name);
}

Result<bool> PipedTrace::read(std::vector<std::byte>& out, std::chrono::milliseconds wait) {
    const auto milliseconds = static_cast<int>(wait.count());
    if (!regular_) {
        pollfd ready{fd_, POLLIN, 0};
        if (::poll(&ready, 1, milliseconds) <= 0) return true; // a signal is the caller's business
    }
    const std::size_t have = out.size();
    out.resize(have + max_read);
    const ssize_t n = ::read(fd_, out.data() + have, max_read);
    const int error = errno;
    out.resize(have + static_cast<std::size_t>(n > 0 ? n : 0));
    if (n > 0) return true;
    if (n < 0 && error != EAGAIN && error != EINTR)
        return fail("{}: cannot read: {}", name_, std::strerror(error));
    if (n == 0 && !regular_) return false;
    if (regular_) ::poll(nullptr, 0, milliseconds);
    return true;
}

} // namespace intellisched
