// SPDX-License-Identifier: MIT
// The trace as xentrace writes it to a file, a FIFO or our standard input, for a host on which
// xentrace has the trace buffers.
#pragma once

#include "src/base/files.hpp"
#include "src/base/result.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace intellisched {

class PipedTrace {
  public:
    /// `path` is that of a FIFO or of a file, "-" is standard input. A file is read from its
    /// beginning and followed as it grows. Errors: cannot be opened; neither file, FIFO nor socket.
    [[nodiscard]] static Result<PipedTrace> open(const std::string& path);

    /// Appends what is there (at most 1 MiB) to `out`, waiting for it up to `wait`. False: the
    /// writer has gone, and nothing more will come; never for a file.
    [[nodiscard]] Result<bool> read(std::vector<std::byte>& out, std::chrono::milliseconds wait);

    [[nodiscard]] const std::string& name() const { return name_; }

  private:
    PipedTrace(FileDescriptor file, int fd, bool regular, std::string name);

    FileDescriptor file_; ///< holds fd_, unless that is standard input
    int fd_;
    bool regular_;
    std::string name_;
};

} // namespace intellisched
