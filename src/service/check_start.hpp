// SPDX-License-Identifier: MIT
#pragma once

#include "src/base/result.hpp"

#include <filesystem>

namespace intellisched::service {

/// What a start of the service by the configuration at `config` would find wrong: with the file,
/// the model (`bundle` where the file names none), and the folders of journal, socket and metrics.
/// Changes nothing, and does not mind a service that runs. The error has a line for each mistake.
[[nodiscard]] Result<void> check_start(const std::filesystem::path& config,
                                       const std::filesystem::path& bundle);

} // namespace intellisched::service
