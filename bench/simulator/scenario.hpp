// SPDX-License-Identifier: GPL-2.0-only
// Scenarios as text, checked: whatever is in a file, what comes out of here can be simulated.
#pragma once

#include "src/base/result.hpp"
#include "src/proto/scenario.pb.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

using intellisched::Result;
namespace proto = intellisched::proto;

inline constexpr std::size_t max_scenario_bytes = std::size_t{128} << 20; ///< of a replay
inline constexpr unsigned max_sockets = 4;
inline constexpr unsigned max_cores = 32; ///< of a socket
inline constexpr unsigned max_threads = 2;
inline constexpr unsigned max_nodes = 16; ///< above, xl places no guests
inline constexpr double standard_slow_speed = 0.6;
inline constexpr unsigned max_vcpus = 512;       ///< of all guests
inline constexpr unsigned max_guest_vcpus = 128; ///< of one, as Xen has it for HVM
inline constexpr double max_steps = 1e8;         ///< of all loads (estimated_steps())

inline constexpr std::string_view domain0 = "Domain-0";
inline constexpr std::string_view pool0 = "Pool-0";

/// Reads protobuf text. Errors: a file over max_scenario_bytes, text that does not parse or has an
/// unknown field (with the line), everything that check_scenario() finds; the message begins with
/// the file's name. The result is complete(d).
[[nodiscard]] Result<proto::Scenario> read_scenario(const std::filesystem::path& path);
/// The same for text; `name` stands in messages for the file's.
[[nodiscard]] Result<proto::Scenario> parse_scenario(const std::string& text,
                                                     const std::string& name);

/// Costs from a file of their own. Errors as for a scenario.
[[nodiscard]] Result<proto::Costs> read_costs(const std::filesystem::path& path);

/// The first thing that makes no sense, with the way out.
[[nodiscard]] Result<void> check_scenario(const proto::Scenario& scenario);

/// The scenario with every default filled in, and with Domain-0 as the first guest; a scenario
/// without one has an idle one of min(CPUs, 4) vCPUs. For scenarios that pass the check.
[[nodiscard]] proto::Scenario completed(proto::Scenario scenario);

/// vCPUs of the Domain-0 that completed() adds to the scenario; 0 when it has one.
[[nodiscard]] unsigned added_vcpus(const proto::Scenario& scenario);

/// CPUs of the machine; their ids are 0 up to this.
[[nodiscard]] unsigned cpu_count(const proto::Machine& machine);

/// "0-3,8" as ascending CPU ids without repetitions. Errors: other syntax, no CPU, one that the
/// host of `cpus` CPUs does not have.
[[nodiscard]] Result<std::vector<unsigned>> parse_cpu_list(std::string_view text, unsigned cpus);

/// By pool (Pool-0 first, then the scenario's): its CPUs at the beginning.
[[nodiscard]] std::vector<std::vector<unsigned>> pool_cpus(const proto::Scenario& scenario);

/// About how many steps (stretches of work, waits, wake-ups) the loads of a completed scenario do,
/// from their means; the scheduler's events are some times as many.
[[nodiscard]] double estimated_steps(const proto::Scenario& scenario);
/// Errors: more than max_steps of them.
[[nodiscard]] Result<void> check_steps(const proto::Scenario& scenario);

} // namespace sim
