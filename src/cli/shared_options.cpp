// SPDX-License-Identifier: MIT
#include "src/cli/shared_options.hpp"

#include <cstdlib>

namespace intellisched::cli {

void add_config(CLI::App& command, std::filesystem::path& config) {
    command.add_option("--config", config, "the service's configuration")->capture_default_str();
}

std::string bundle_path(const std::string& given) {
    if (!given.empty()) return given;
    const char* from_environment = std::getenv("INTELLISCHED_BUNDLE");
    return from_environment ? from_environment : INTELLISCHED_DEFAULT_BUNDLE;
}

} // namespace intellisched::cli
