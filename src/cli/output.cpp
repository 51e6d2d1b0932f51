// SPDX-License-Identifier: MIT
#include "src/cli/output.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace intellisched::cli {

Result<void> print(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
        return {};
    if (errno == EPIPE) return tl::unexpected(Error{});
    return fail("standard output: cannot write: {}", std::strerror(errno));
}

Progress::Progress() : terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
}

void Progress::show(const std::string& line) {
    if (!terminal_) return;
    fmt::print(stderr, "\r\x1b[K{}", line);
    shown_ = true;
}

} // namespace intellisched::cli
