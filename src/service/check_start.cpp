// SPDX-License-Identifier: MIT
#include "src/service/check_start.hpp"

#include "src/model/classifier.hpp"
#include "src/service/config.hpp"
#include "src/service/journal_schema.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace intellisched::service {
namespace {

namespace fs = std::filesystem;

/// Whether this user can make files beside `file`, and that is none of another kind. `usual`: the
/// default of the same setting, whose folder systemd makes with every start.
Result<void> check_place(std::string_view key, const fs::path& file, const fs::path& usual,
                         fs::file_type type) {
    std::error_code error;
    const fs::path folder = file.parent_path();
    const bool there = fs::exists(folder, error);
    if (!there && !error && folder == usual.parent_path()) return {};
    if (!there && !error)
        return fail("{}: the folder {} is not there; make it, or choose another one", key,
                    folder.string());
    if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
        return fail("{}: no file can be made in {}: {}; choose another folder, or run this as the "
                    "service does, as root",
                    key, folder.string(), std::strerror(errno));
    const auto status = fs::status(file, error);
    if (fs::exists(status) && status.type() != type)
        return fail("{}: something else has the name {}; choose another one", key, file.string());
    return {};
}

/// The folders that the unit lets the service write to.
constexpr std::array<std::string_view, 3> writable{"/var/lib/intellisched", "/run/intellisched",
                                                   "/var/lib/prometheus/node-exporter"};

std::vector<std::string> warnings_of(const ServiceConfig& config,
                                     const std::optional<std::set<std::string>>& pools) {
    std::vector<std::string> warnings;
    for (const auto& [key, file] : {std::pair{"journal", config.journal},
                                    {"socket", config.socket},
                                    {"metrics", config.metrics}})
        if (const auto folder = file.parent_path();
            !file.empty() && std::ranges::none_of(writable, [&](std::string_view top) {
                const std::string inside = folder.lexically_normal().string();
                return inside == top || inside.starts_with(std::string(top) + "/");
            }))
            warnings.push_back(fmt::format("{}: intellisched.service may not write to {} unless a "
                                           "drop-in names it in ReadWritePaths=",
                                           key, folder.string()));
    if (config.interval != 1)
        warnings.push_back("interval: the models that are shipped learnt from windows of 1 second");
    for (const PoolConfig& pool : config.pools)
        if (pools && !pools->contains(pool.name))
            warnings.push_back(fmt::format(
                "pools: {}: there is no credit2 cpupool of that name; there is: {}",
                printable(pool.name, 64), printable(fmt::format("{}", fmt::join(*pools, ", ")))));
    return warnings;
}

} // namespace

Result<std::vector<std::string>> check_start(const fs::path& path, const fs::path& bundle,
                                             const std::optional<std::set<std::string>>& pools) {
    const auto config = TRY(read_config(path));
    const ServiceConfig usual;
    std::string wrong;
    const auto add = [&](const auto& result) {
        if (!result) wrong += (wrong.empty() ? "" : "\n") + result.error().message;
    };
    add(read_bundle(config.bundle.empty() ? bundle : config.bundle).and_then([](const auto& read) {
        return Classifier::load(read);
    }));
    const auto journal =
        check_place("journal", config.journal, usual.journal, fs::file_type::regular);
    add(journal ? service::check_is_journal(config.journal) : journal);
    add(check_place("socket", config.socket, usual.socket, fs::file_type::socket));
    if (!config.metrics.empty())
        add(check_place("metrics", config.metrics, usual.metrics, fs::file_type::regular));
    if (!wrong.empty()) return tl::unexpected(Error{wrong});
    return warnings_of(config, pools);
}

} // namespace intellisched::service
