// SPDX-License-Identifier: MIT
// The service's configuration: a file in the syntax of xl.conf, read by Xen's own libxlutil.
// packaging/intellisched.conf explains every key.
#pragma once

#include "src/base/log.hpp"
#include "src/base/result.hpp"
#include "src/policy/settings.hpp"
#include "src/policy/state.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace intellisched {

inline constexpr const char* default_config_path = "/etc/intellisched/intellisched.conf";
/// The largest configuration, in bytes, and the most settings in it: libxlutil copies all there is
/// of a key with each `+=`.
inline constexpr std::size_t max_config_bytes = std::size_t{64} << 10;
inline constexpr std::size_t max_config_settings = 256;

struct PoolConfig {
    std::string name; ///< as somebody typed it: printable() before it is shown
    Mode mode = Mode::recommend;
    Intent intent = Intent::balanced;
    PolicySettings settings = {};
    bool guest_scores = false; ///< guests' published scores (guest_scores.hpp) are heard
};

/// A guest whose weight may be raised while others outweigh it (src/policy/protection.hpp), in a
/// pool of mode auto.
struct ProtectedGuest {
    std::string name;    ///< as PoolConfig's
    unsigned factor = 4; ///< the highest weight, as a multiple of its own
    double loss = 0.3;   ///< the most of the others' CPU time that it may cost
};

struct ServiceConfig {
    std::filesystem::path bundle = {}; ///< empty: the one that is installed with the program
    unsigned interval = 1;             ///< of a window, in seconds
    unsigned duty = 1000;              ///< ms of every second in which the live trace is on
    unsigned buffer_pages = 64;        ///< 4 KiB each, a CPU, of Xen's trace buffers
    unsigned trace_mb = 32; ///< MiB a second that the trace may have; then the duty falls
    std::filesystem::path journal = "/var/lib/intellisched/journal.db";
    unsigned journal_days = 30; ///< that windows are kept
    unsigned journal_mb = 1024; ///< MiB that its rows may take; then the oldest go
    std::filesystem::path socket = "/run/intellisched/socket";
    bool control_group_changes = false; ///< the socket's group may, not only ask for the status
    std::filesystem::path metrics = {}; ///< a file for node_exporter; empty: none
    boost::log::trivial::severity_level log_level = boost::log::trivial::info;
    bool return_to_boot_layout = false; ///< and rate limit, when the service is stopped in order
    Mode mode = Mode::recommend;        ///< of pools that say nothing else
    Intent intent = Intent::balanced;   ///< of pools that say nothing else
    std::vector<PoolConfig> pools = {}; ///< each name once
    std::vector<ProtectedGuest> protect = {}; ///< each name once

    /// The settings of the pool of that name, whether the file names it or not.
    [[nodiscard]] PoolConfig pool(std::string_view name) const;
    /// Whether any pool hears its guests' scores.
    [[nodiscard]] bool guest_scores() const;
};

/// Parses `text`; `name` is for messages. Errors: everything that is wrong with it, one line each,
/// in order: what libxlutil cannot parse (of neighbouring lines it reports the first), and in the
/// rest unknown keys, keys that are set twice, and values of a wrong type or out of their range.
[[nodiscard]] Result<ServiceConfig> parse_config(std::string_view text, const std::string& name);

/// parse_config() of a file. At `usual` no file is needed: then it is the defaults. Errors: also a
/// file that is missing elsewhere, cannot be read, or is too large.
[[nodiscard]] Result<ServiceConfig>
read_config(const std::filesystem::path& path,
            const std::filesystem::path& usual = default_config_path);

/// Where the service of the configuration at `path` listens. It can be asked, and paused, while the
/// file is wrong: a line of it that sets the socket is enough, and without one it is the default;
/// what is wrong is logged. Errors: there is no file at `path`, and that is not `usual`.
[[nodiscard]] Result<std::filesystem::path>
read_socket(const std::filesystem::path& path,
            const std::filesystem::path& usual = default_config_path);

} // namespace intellisched
