// SPDX-License-Identifier: MIT
// Programs that belong to this one: the simulator, the benchmark.
#pragma once

#include "src/base/result.hpp"

#include <filesystem>
#include <string>

namespace intellisched {

/// The folder that this program is in; empty when that is not known.
[[nodiscard]] std::filesystem::path folder_of_this_program();

/// The program `name`: beside this one, in the build tree of this one (where it is built in
/// `build_folder`, e.g. "bench/simulator"), or on PATH. Root takes none that others than trusted
/// users can change (check_trusted_path()); it is logged. Errors: nowhere.
[[nodiscard]] Result<std::filesystem::path>
find_companion(const std::string& name, const std::filesystem::path& build_folder);

/// Whether a file is there that can be run.
[[nodiscard]] bool executable(const std::filesystem::path& path);

} // namespace intellisched
