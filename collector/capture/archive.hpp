// SPDX-License-Identifier: MIT
// A capture as one file, to be sent: a tar archive of the files of format.hpp, compressed by zstd.
#pragma once

#include "src/base/folder.hpp"

#include <array>
#include <string>

namespace intellisched::capture {

/// Whether a capture that is to be written to `path` is to be one file: by its ending, ".tar.zst".
[[nodiscard]] bool names_archive(const std::filesystem::path& path);

/// Packs the capture in `folder` to the file `name` of the folder `above`, which is on the same
/// file system; `shown` is for messages. The file is written within `folder`, synced, and then
/// moved: there is all of it under that name, or nothing. Errors: those of the file system;
/// something of that name exists, even a link.
[[nodiscard]] Result<void> pack(const Folder& folder, const Folder& above, const std::string& name,
                                const std::string& shown);

/// The name of the file while it is written, within the folder.
inline constexpr const char* packing_file = "packing";

/// The files of a capture, open for reading at their beginning.
struct Members {
    FileDescriptor manifest, host, counters, trace;
};

/// Unpacks an archive into files without a name, which are gone when they are closed, however the
/// program ends; they take space in $TMPDIR, or /var/tmp. The archive is hostile. Before anything
/// is unpacked it is read through: it must have each of the four files once, and nothing else but
/// a report (which stays packed) and the folder "./"; no links and no other paths; and the files
/// may not be many times larger than the archive. Errors: these; damage; no space; Ctrl-C.
[[nodiscard]] Result<Members> unpack(const std::filesystem::path& path);

} // namespace intellisched::capture
