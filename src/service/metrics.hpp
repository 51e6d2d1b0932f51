// SPDX-License-Identifier: MIT
// The service's metrics for Prometheus: a file for the textfile collector of node_exporter, so that
// no port is open in dom0.
#pragma once

#include "src/base/result.hpp"
#include "src/layout/layout.hpp"
#include "src/policy/state.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace intellisched {

/// A change that is worth it.
struct RecommendedChange {
    Option option = boot_option;
    double gain = 0;          ///< that is expected of it
    double since_seconds = 0; ///< of the Unix epoch
};

/// Of one pool. Counts are since the service was started. A missing value, or NaN, is left out.
struct PoolMetrics {
    std::string name;
    Mode mode = Mode::observe;
    std::optional<Arrangement> requested = {};            ///< by the service, last
    std::optional<unsigned> requested_rate_limit_us = {}; ///< likewise
    std::optional<Arrangement> effective = {};            ///< in force
    std::optional<unsigned> rate_limit_us = {};           ///< in force
    std::array<std::optional<RecommendedChange>, all_knobs.size()> recommended = {};
    std::array<bool, all_knobs.size()> can_apply = {}; ///< to the running pool
    std::optional<Prediction> prediction = {};         ///< of the last window that was judged
    std::optional<Prediction> of_rate_limit = {};      ///< likewise, of the rate limit
    std::optional<double> utility = {};                ///< of the last window
    std::uint64_t windows = 0;
    std::map<std::string, std::uint64_t> rejected = {}; ///< windows, by the code of the reason
    std::uint64_t switches = 0, reverts = 0, failed_applies = 0;
    bool trial = false, breaker_open = false, paused = false;
};

struct ServiceMetrics {
    bool host_up = false;           ///< it is watched
    std::uint64_t records_lost = 0; ///< of the trace
    std::uint64_t windows = 0;      ///< of all pools
    std::uint64_t journal_errors = 0;
    std::string model_id = {}, model_name = {};
    double loop_seconds = 0;    ///< that the last loop took
    double written_seconds = 0; ///< when, of the Unix epoch: the file outlives the service
    std::vector<PoolMetrics> pools = {};
};

/// The metrics in Prometheus' text format. Names of pools and of models come out as UTF-8, with
/// U+FFFD for invalid bytes. Of pools that have the same name then, only the first is in it,
/// because node_exporter refuses a file that has a series twice.
[[nodiscard]] std::string metrics_text(const ServiceMetrics& metrics);

/// Replaces the file at `path` by metrics_text(), whole or not at all. node_exporter reads it if
/// its name ends in ".prom". Errors: those of replace_file().
[[nodiscard]] Result<void> write_metrics(const std::filesystem::path& path,
                                         const ServiceMetrics& metrics);

} // namespace intellisched
