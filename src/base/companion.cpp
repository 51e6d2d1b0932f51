// SPDX-License-Identifier: MIT
#include "src/base/companion.hpp"

#include "src/base/log.hpp"
#include "src/base/trust.hpp"

#include <cstdlib>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace intellisched {

namespace fs = std::filesystem;

namespace {

/// Whether root may act on it; logs why not.
bool trusted_or_logged(const fs::path& path) {
    const auto ours = check_trusted_path(path);
    if (!ours) BOOST_LOG_TRIVIAL(warning) << "not used: " << ours.error().message;
    return ours.has_value();
}

} // namespace

fs::path folder_of_this_program() {
    std::error_code error;
    return fs::read_symlink("/proc/self/exe", error).parent_path();
}

bool executable(const fs::path& path) {
    std::error_code error;
    return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

Result<fs::path> find_companion(const std::string& name, const fs::path& build_folder) {
    const fs::path here = folder_of_this_program();
    std::vector<fs::path> places;
    if (!here.empty()) {
        places.push_back(here / name);
        for (const char* up : {".", "..", "../.."})
            places.push_back(here / up / build_folder / name);
    }
    const char* path = std::getenv("PATH");
    for (std::string_view left = path ? path : ""; !left.empty();) {
        const auto end = std::min(left.find(':'), left.size());
        if (end > 0) places.push_back(fs::path(left.substr(0, end)) / name);
        left.remove_prefix(std::min(end + 1, left.size()));
    }
    for (const fs::path& place : places) {
        // What was looked at is what is run: ".." after a link leads elsewhere when it is cut
        // short.
        if (executable(place) && trusted_or_logged(place)) return place;
    }
    return fail("{}: is not there", name);
}

std::optional<fs::path> in_build_tree(const fs::path& path) {
    // Every program is two folders below, as in src/cli.
    const fs::path here = folder_of_this_program(), root = here.parent_path().parent_path();
    std::error_code error;
    if (here.empty() || !fs::exists(root / "build.ninja", error) || !fs::exists(root / path, error))
        return {};
    if (!trusted_or_logged(root / path)) return {};
    return root / path;
}

} // namespace intellisched
