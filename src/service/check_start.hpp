// SPDX-License-Identifier: MIT
#pragma once

#include "src/base/result.hpp"

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace intellisched::service {

/// What a start of the service by the configuration at `config` would find wrong: with the file,
/// the model (`bundle` where the file names none), and the folders of journal, socket and metrics.
/// Changes nothing, and does not mind a service that runs. The error has a line for each mistake.
/// Returns what the service would start with all the same, and not do what was meant, a line each.
/// `pools`: the names of the host's credit2 pools; nullopt: not known.
[[nodiscard]] Result<std::vector<std::string>>
check_start(const std::filesystem::path& config, const std::filesystem::path& bundle,
            const std::optional<std::set<std::string>>& pools = std::nullopt);

} // namespace intellisched::service
