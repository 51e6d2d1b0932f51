// SPDX-License-Identifier: GPL-2.0-only
// Random but sensible scenarios, for training and for held-out tests.
#pragma once

#include "bench/simulator/scenario.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

/// "hogs", "open-server", ...: the kinds of scenario, each after what its guests do. "mixed" has
/// guests of two or three of them side by side, "phases" one after the other in time, "idle" of any
/// one on a small part of the host.
[[nodiscard]] std::span<const std::string_view> families();
/// Those that "all" stands for.
[[nodiscard]] std::span<const std::string_view> topologies();
/// "2s8c2t": 2 sockets of 8 cores of 2 threads, a NUMA node each. "2s8c2t4n": with 4 nodes in all.
/// "1s16c2t8e": the last 8 of the 16 cores of the socket are slow (E cores) and have one thread.
/// "2s16c2t4l": each socket has 4 last-level caches, of 4 cores each.
/// Errors: other text, a machine that check_scenario() refuses.
[[nodiscard]] Result<proto::Machine> parse_topology(std::string_view text);

/// Scenario `number` of its family and topology (one that parse_topology() takes), named
/// FAMILY-TOPOLOGY-NNN; the same for the same seed. What is drawn, per scenario or guest ("log":
/// even over the logarithm):
///   vCPUs per CPU, all guests together: log 0.25 to 8 (at most max_generated_vcpus in all)
///   stretches of work: log 30 us to 20 ms; working sets: log 32 KB to 8 MB
///   uneven weights in 2 of 5, caps in 1 of 5
///   machine costs in 3 of 5: each constant log over its own range (cost_constants())
///   idle CPUs that take log 10 us to 5 ms to wake up in 3 of 20
///   vCPUs that are not used in 1 of 2; guests that sleep but for their ticks, as many vCPUs as log
///   0.25 to 4 a CPU, in 1 of 2; a Domain-0 with a vCPU a CPU and hardly anything to do in 2 of 5;
///   all of it in "idle"
/// The measured time is shortened for loads that do much in little time; what is too much for any
/// (short stretches on all CPUs of a big host) is drawn again.
[[nodiscard]] proto::Scenario generate(std::string_view family, std::string_view topology,
                                       unsigned number, std::uint64_t seed);

inline constexpr unsigned max_generated_vcpus = 192; ///< for the sake of speed
inline constexpr unsigned max_idle_vcpus = 64;       ///< of idle guests, besides

/// As protobuf text, the way it is stored.
[[nodiscard]] std::string scenario_text(const proto::Scenario& scenario);

/// Writes scenarios 1 to `count` of each family and topology to NAME.scenario in `directory`, which
/// is made if it is not there; returns how many files. Errors: those of the file system.
[[nodiscard]] Result<unsigned> write_scenarios(const std::vector<std::string_view>& families,
                                               const std::vector<std::string_view>& topologies,
                                               unsigned count, std::uint64_t seed,
                                               const std::filesystem::path& directory);

} // namespace sim
