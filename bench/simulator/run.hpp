// SPDX-License-Identifier: GPL-2.0-only
// A scenario from beginning to end, at once.
#pragma once

#include "bench/simulator/world.hpp"
#include "src/proto/records.hpp"

#include <filesystem>
#include <functional>

namespace sim {

inline constexpr intellisched::RecordFormat truth_format{"truth", 1};
inline constexpr const char* truth_file = "truth.pb"; ///< in a capture's directory

struct RunOptions {
    std::filesystem::path capture;                     ///< directory to make; empty: no capture
    bool tracing = true;                               ///< whether the capture has a trace
    std::function<bool()> stop = [] { return false; }; ///< asked every 100 ms of virtual time
    std::function<void(const World&)> progress = [](const World&) {};
};

/// Runs `world` to its end, or until `stop`. The capture is of the measured time, as one that is
/// taken of a host that has been up for a while; counters are read every second, and the host is
/// looked at again after every change. A run that is stopped leaves a shorter, whole capture.
/// Beside it lies the truth of the same time, in truth.pb (a file of records, kind "truth").
/// Errors: those of the world and of the file system.
[[nodiscard]] Result<proto::Truth> run(World& world, const RunOptions& options);

} // namespace sim
