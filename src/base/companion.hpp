// SPDX-License-Identifier: MIT
// What belongs to this program: other programs (the simulator, the benchmark), files that are
// shipped.
#pragma once

#include "src/base/result.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace intellisched {

/// The folder that this program is in; empty when that is not known.
[[nodiscard]] std::filesystem::path folder_of_this_program();

/// Finds the program `name`: beside this one, in the build tree of this one (where it is built in
/// `build_folder`, e.g. "bench/simulator"), or on PATH. Root skips a program that others than
/// trusted users can change (check_trusted_path()), and logs it. Errors: not found.
[[nodiscard]] Result<std::filesystem::path>
find_companion(const std::string& name, const std::filesystem::path& build_folder);

/// The file `path`, from its root, of the build tree that this program runs from, where meson
/// copies what is shipped; nothing for an installed program. Root takes none as above.
[[nodiscard]] std::optional<std::filesystem::path> in_build_tree(const std::filesystem::path& path);

/// Whether `path` is a regular file that can be executed.
[[nodiscard]] bool executable(const std::filesystem::path& path);

} // namespace intellisched
