// SPDX-License-Identifier: MIT
#include "src/cli/shared_options.hpp"

#include "src/base/companion.hpp"
#include "src/base/trust.hpp"

#include <charconv>
#include <cstdlib>

namespace intellisched::cli {

namespace fs = std::filesystem;

CLI::Validator seconds_within(double least, double most) {
    const auto transform = [=](std::string& text) -> std::string {
        double number = 0;
        const char* const end = text.data() + text.size();
        const auto [at, error] = std::from_chars(text.data(), end, number);
        const std::string_view unit(at, static_cast<std::size_t>(end - at));
        for (const auto& [name, seconds] :
             {std::pair{"", 1.}, {"s", 1.}, {"m", 60.}, {"min", 60.}, {"h", 3600.}}) {
            const double value = number * seconds;
            if (error != std::errc() || unit != name || !(value >= least && value <= most))
                continue;
            text = fmt::format("{}", value);
            return {};
        }
        return fmt::format("{} to {} seconds are accepted, also as 90s, 10m or 1h, not '{}'", least,
                           most, printable(text, 32));
    };
    return {transform, fmt::format("{} to {}, or with s, m or h", least, most)};
}

CLI::Option* add_config(CLI::App& command, std::filesystem::path& config) {
    return command.add_option("--config", config, "the service's configuration")
        ->capture_default_str();
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
