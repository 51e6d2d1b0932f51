// SPDX-License-Identifier: MIT
// From pasted xl outputs and a trace to the snapshot that a recorder in dom0 would have taken.
#pragma once

#include "bench/import/survey.hpp"
#include "bench/import/xl_text.hpp"
#include "src/host/host.hpp"

#include <string>
#include <vector>

namespace intellisched::imported {

struct ImportedHost {
    HostInfo info;
    proto::HostSnapshot snapshot;     ///< as of the trace's first record
    std::vector<std::string> assumed; ///< what was not pasted and what is taken for it, a line each
};

/// The host of `text` and `trace`. Errors: no topology; a topology of less than all online CPUs; a
/// trace without records, of CPUs that the topology lacks or that are told to be offline, or of an
/// unknown TSC frequency; pools or pinned vCPUs on other CPUs than the topology's; several pools of
/// unknown CPUs; guests that ran on CPUs of no pool.
[[nodiscard]] Result<ImportedHost> host_of(const XlText& text, const TraceSurvey& trace);

} // namespace intellisched::imported
