// SPDX-License-Identifier: MIT
// What `report` shows, and the page of it.
#pragma once

#include "src/cli/history_lines.hpp"
#include "src/cli/redaction.hpp"
#include "src/cli/window_series.hpp"
#include "src/proto/capture.pb.h"
#include "src/proto/control.pb.h"
#include "src/proto/guests.pb.h"
#include "src/proto/host.pb.h"

#include <optional>
#include <string>
#include <vector>

namespace intellisched::cli {

struct Report {
    struct OfPool {
        std::string name;
        WindowSeries windows;
        std::vector<HistoryLine> lines; ///< of in_short()
        std::optional<service::StoredVerdict> last;
    };
    struct OfCapture {
        proto::CaptureManifest manifest;
        proto::HostSnapshot snapshot; ///< the last one
        proto::Guests guests;
        std::set<std::string> guest_names, pool_names; ///< of all its snapshots
    };
    std::string version, host, journal; ///< of the program; this host's name; the journal's path
    std::int64_t journal_version = 0;
    service::UnixTime made = 0;
    std::string since;                      ///< as it was asked for; empty: the last hour
    std::vector<std::string> journal_pools; ///< all that the journal has
    std::vector<OfPool> pools;
    std::optional<proto::ServiceStatus> status;
    std::string no_status, status_error; ///< why there is none, and what came instead
    std::optional<OfCapture> capture;
    bool redacted = false;
};

/// Replaces the names of guests, pools and this host in all of it, and leaves out UUIDs, the
/// capture's note and the journal's path. Returns what stands for what.
Redaction redact(Report& report);
/// The same of a capture's manifest.
void redact(proto::CaptureManifest& manifest, const Redaction& names);

/// An HTML page that needs nothing else. All in it that comes from elsewhere is text there.
[[nodiscard]] std::string report_page(const Report& report);

} // namespace intellisched::cli
