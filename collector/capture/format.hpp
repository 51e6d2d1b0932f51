// SPDX-License-Identifier: MIT
// What a capture looks like on disk; src/proto/capture.proto has the messages. A capture is one
// directory of four files:
//   manifest.pb   a FileHeader record and one CaptureManifest record; replaced whole at the end
//   host.pb       a FileHeader record and HostSnapshot records
//   counters.pb   a FileHeader record and CounterSample records
//   trace.zst     the byte stream that xentrace writes, as zstd frames with checksums (RFC 8878)
// To be sent it is one file: archive.hpp. That may have a page for people in it, too, which nothing
// reads here:
//   report.html   what `intellisched report` made of it
#pragma once

#include "src/proto/records.hpp"

#include <cstdint>

namespace intellisched::capture {

inline constexpr std::uint32_t format_version = 1;

inline constexpr RecordFormat manifest_format{"manifest", format_version};
inline constexpr RecordFormat host_format{"host", format_version};
inline constexpr RecordFormat counters_format{"counters", format_version};

inline constexpr const char* manifest_file = "manifest.pb";
inline constexpr const char* host_file = "host.pb";
inline constexpr const char* counters_file = "counters.pb";
inline constexpr const char* trace_file = "trace.zst";
inline constexpr const char* report_file = "report.html";

} // namespace intellisched::capture
