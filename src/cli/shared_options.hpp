// SPDX-License-Identifier: MIT
// Options that several commands have.
#pragma once

#include "src/base/result.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

namespace intellisched::cli {

/// --config, for those that read the service's configuration.
void add_config(CLI::App& command, std::filesystem::path& config);

/// The model bundle: `given`, or if that is empty $INTELLISCHED_BUNDLE, or else the installed one.
/// Errors: for root, check_trusted_path()'s of what the environment names.
[[nodiscard]] Result<std::string> bundle_path(const std::string& given = {});

} // namespace intellisched::cli
