// SPDX-License-Identifier: MIT
// A sample: a window's features beside what each option of a knob then scored. The service makes
// them of its trials, bench/experiment of its runs; bench/training learns from them.
#pragma once

#include "src/base/result.hpp"
#include "src/model/option.hpp"
#include "src/proto/model.pb.h"
#include "src/proto/scenario.pb.h"

#include <array>
#include <string>

namespace intellisched {

/// The costs of a machine (proto::Costs) that decide between layouts, in the order of Sample's
/// costs.
inline constexpr std::array<std::string_view, 10> sample_costs{
    "smt_speed",         "refill_socket_us", "refill_memory_us",        "refill_remote_us",
    "numa_remote_speed", "block_ns",         "lock_transfer_socket_ns", "lock_transfer_remote_ns",
    "context_switch_us", "idle_exit_us"};

/// Those, in their order; NaN for one that is absent.
[[nodiscard]] std::array<float, sample_costs.size()> costs_for_sample(const proto::Costs& costs);

/// The knob that its options are of, which is layout where none is named. Nothing: an unknown one.
[[nodiscard]] std::optional<Knob> knob_of(const proto::Sample& sample);

/// Checks one sample: a score that this program knows, its feature schema and its number of
/// features, none of them infinite (NaN is a missing value); a scenario; a knob, the option in
/// force and five classes that name options of it; at least one intent, each known and at most
/// once, with five scores, two of them or more measured (not NaN) and finite, none negative, one
/// above 0, and five spreads or none, none negative (NaN is not known); the finite parts of five
/// options or none; all costs or none, none infinite. `name` begins the message.
[[nodiscard]] Result<void> check_sample(const proto::Sample& sample, const std::string& name);

/// The classes of a sample that check_sample() has passed.
[[nodiscard]] Classes classes_of(const proto::Sample& sample);

} // namespace intellisched
