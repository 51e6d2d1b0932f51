// SPDX-License-Identifier: MIT
// Reads a capture (format.hpp), which may be finished, broken off or still growing; or the one file
// that it is sent as (archive.hpp).
#pragma once

#include "src/base/result.hpp"
#include "src/proto/capture.pb.h"
#include "src/proto/host.pb.h"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <vector>

namespace intellisched::capture {

/// A capture is data from outside: no length, checksum or frame in it is believed before it has
/// been checked, and memory stays bounded whatever it claims.
///
/// Each of the three streams is read on its own. At its end the functions return false; call again
/// when the capture may have grown. A record or frame that ends too early counts as not written
/// yet, and so as the end. Errors: damage before the end; a disk that cannot be read. Every further
/// call returns the same error.
class Reader {
  public:
    /// Opens all the files and reads the manifest; what is no directory is unpacked first. Errors:
    /// no capture at `path`, files missing, another format version; those of unpack().
    [[nodiscard]] static Result<Reader> open(const std::filesystem::path& path);

    Reader(Reader&&) noexcept;
    Reader& operator=(Reader&&) noexcept;
    ~Reader();

    /// As it was at open(). Its strings come from outside: printable() before they are shown.
    [[nodiscard]] const proto::CaptureManifest& manifest() const;

    [[nodiscard]] Result<bool> next_snapshot(proto::HostSnapshot& snapshot);
    [[nodiscard]] Result<bool> next_counters(proto::CounterSample& sample);

    /// Replaces `bytes` by the next piece of the trace, at most `trace_piece` bytes, cut anywhere.
    /// The whole blocks of a torn frame are returned too.
    [[nodiscard]] Result<bool> next_trace(std::vector<std::byte>& bytes);

    static constexpr std::size_t trace_piece = std::size_t{64} << 10;

  private:
    struct Impl;
    explicit Reader(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace intellisched::capture
