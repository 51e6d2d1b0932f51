// SPDX-License-Identifier: MIT
#include "src/cli/shared_options.hpp"

#include "src/base/companion.hpp"
#include "src/base/trust.hpp"

#include <cstdlib>

namespace intellisched::cli {

namespace fs = std::filesystem;

void add_config(CLI::App& command, std::filesystem::path& config) {
    command.add_option("--config", config, "the service's configuration")->capture_default_str();
}

Result<std::string> bundle_path(const std::string& given) {
    if (!given.empty()) return given;
    const char* from_environment = std::getenv("INTELLISCHED_BUNDLE");
    if (!from_environment)
        return in_build_tree("models/default.bundle")
            .value_or(fs::path(INTELLISCHED_DATA) / "default.bundle");
    if (auto ours = check_trusted_path(from_environment); !ours)
        return fail("INTELLISCHED_BUNDLE: {}", ours.error().message);
    return from_environment;
}

std::string shipped_file(const std::string& given, const std::string& folder) {
    std::error_code error;
    if (fs::path(given).has_parent_path()) return given;
    // Before a file of that name here: this folder may be anybody's.
    for (const std::string& name : {given, given + (folder == "plans" ? ".plan" : ".scenario")}) {
        const fs::path shipped = in_build_tree(fs::path("bench") / folder / name)
                                     .value_or(fs::path(INTELLISCHED_DATA) / folder / name);
        if (fs::exists(shipped, error)) return shipped.string();
    }
    return given;
}

} // namespace intellisched::cli
