// SPDX-License-Identifier: MIT
#include "src/cli/shared_options.hpp"

#include "src/base/trust.hpp"

#include <cstdlib>

namespace intellisched::cli {

void add_config(CLI::App& command, std::filesystem::path& config) {
    command.add_option("--config", config, "the service's configuration")->capture_default_str();
}

Result<std::string> bundle_path(const std::string& given) {
    if (!given.empty()) return given;
    const char* from_environment = std::getenv("INTELLISCHED_BUNDLE");
    if (!from_environment) return INTELLISCHED_DEFAULT_BUNDLE;
    if (auto ours = check_trusted_path(from_environment); !ours)
        return fail("INTELLISCHED_BUNDLE: {}", ours.error().message);
    return from_environment;
}

} // namespace intellisched::cli
