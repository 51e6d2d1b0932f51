// SPDX-License-Identifier: MIT
// Samples of guests from simulated hosts: what the product's windows show of each, beside the
// truth.
#pragma once

#include "bench/proto/classes.pb.h"
#include "src/base/result.hpp"

#include <filesystem>
#include <vector>

namespace intellisched {

/// Runs every entry of the plan, as often as it has repeats, each time with another seed, layout
/// and rate limit, on up to `jobs` threads; scenarios that are generated are written to `folder`.
/// The same plan gives the same samples. Errors: those of the plan and of the simulator.
[[nodiscard]] Result<std::vector<proto::GuestSample>>
collect_guests(const std::filesystem::path& plan, const std::filesystem::path& folder,
               unsigned jobs);

/// To and from a file of records. Errors: those of the file; another number of traits.
[[nodiscard]] Result<void> write_guests(const std::vector<proto::GuestSample>& samples,
                                        const std::filesystem::path& path);
[[nodiscard]] Result<std::vector<proto::GuestSample>>
read_guests(const std::filesystem::path& path);

} // namespace intellisched
