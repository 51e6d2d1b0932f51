// SPDX-License-Identifier: MIT
// Writes a capture (format.hpp), as a directory or as one file (archive.hpp). Whatever happens to
// the writer, what was synced can be read.
#pragma once

#include "src/base/result.hpp"
#include "src/proto/capture.pb.h"
#include "src/proto/host.pb.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace intellisched::capture {

class Writer {
  public:
    /// Makes the directory (or takes an empty one) and the files in it. `manifest` is written with
    /// this program's format version, as incomplete. Errors: something stands at `path`, the
    /// directory above it does not exist or cannot be written to, no space. Nothing is left behind
    /// by a failure.
    /// A `path` that names_archive() is to become one file: until finish() the capture is in the
    /// directory of that name with ".recording" behind it, and stays there if finish() does not
    /// come or fails.
    [[nodiscard]] static Result<Writer> create(const std::filesystem::path& path,
                                               proto::CaptureManifest manifest);

    Writer(Writer&&) noexcept;
    Writer& operator=(Writer&&) noexcept;
    /// What is not synced is not written. The capture stays incomplete unless finish() was called.
    ~Writer();

    /// Appends one message; a reader sees it at once.
    [[nodiscard]] Result<void> snapshot(const proto::HostSnapshot& snapshot);
    [[nodiscard]] Result<void> counters(const proto::CounterSample& sample);

    /// Appends a piece of the trace; a reader sees it after the next sync().
    [[nodiscard]] Result<void> trace(std::span<const std::byte> bytes);

    /// Puts the page of a report beside the capture, once. For one that is to be sent as one file.
    [[nodiscard]] Result<void> report(std::span<const std::byte> page);

    /// Gives everything that was appended to the kernel, so that it survives the end of this
    /// process. Call it about once a second. It does not wait for the disk, because the caller has
    /// to empty Xen's buffers in time; finish() does.
    [[nodiscard]] Result<void> sync();

    /// Syncs all files to the disk and writes the manifest as complete; then packs them to the one
    /// file that the capture is to be, and removes the directory. No call but the destructor may
    /// follow then. `lost_records`: how many records Xen reported as lost.
    [[nodiscard]] Result<void> finish(std::uint64_t end_tsc, std::uint64_t lost_records);

    /// Removes the capture, and the directory if create() made it. No call but the destructor may
    /// follow.
    void discard();

    /// Bytes that the capture takes on disk, as of the last sync(), without the manifest.
    [[nodiscard]] std::uint64_t size() const;

  private:
    struct Impl;
    explicit Writer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace intellisched::capture
