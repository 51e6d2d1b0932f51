// SPDX-License-Identifier: MIT
// Options that several commands have.
#pragma once

#include "src/base/result.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>

namespace intellisched::cli {

/// For Option::transform(), of an option that is a number of seconds: takes "90", "90s", "10m",
/// "10min" or "1h". Errors: anything else; what is not in the range.
[[nodiscard]] CLI::Validator seconds_within(double least, double most);

/// What --seconds may be: up to a day.
[[nodiscard]] inline CLI::Validator seconds_range() { return seconds_within(0.1, 86400); }

/// --config, for those that read the service's configuration.
CLI::Option* add_config(CLI::App& command, std::filesystem::path& config);

/// The model bundle: `given`, or if that is empty $INTELLISCHED_BUNDLE, or else the shipped one:
/// the build tree's for a program that runs from there, otherwise the installed one. Errors: for
/// root, check_trusted_path()'s of what the environment names.
[[nodiscard]] Result<std::string> bundle_path(const std::string& given = {});

/// The plan or scenario that `given` names: a file, or where none is there by a bare name, the
/// shipped one of that name, with or without its ending. `folder` is "plans" or "scenarios".
[[nodiscard]] std::string shipped_file(const std::string& given, const std::string& folder);

} // namespace intellisched::cli
