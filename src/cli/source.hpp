// SPDX-License-Identifier: MIT
// The options that say where a command looks: --host, --capture, --pool.
#pragma once

#include "src/host/open_host.hpp"

#include <CLI/CLI.hpp>

namespace intellisched::cli {

/// For Option::check(), of --host: what check_host() says.
[[nodiscard]] CLI::Validator host_validator();

struct Source {
    std::string host;
    std::string capture;
    std::string pool = "Pool-0";
    XenOptions xen;

    void add_to(CLI::App& command);
    /// Where the live trace comes from, and how much of it. On another host these are wrong usage.
    void add_trace_options(CLI::App& command);

    [[nodiscard]] Result<std::unique_ptr<Host>> open() const;
    /// What open_host() takes.
    [[nodiscard]] std::string place() const {
        return capture.empty() ? host : "capture:" + capture;
    }
    /// Whether it is a live host, which goes on without end in real time.
    [[nodiscard]] bool live() const {
        return capture.empty() && !host.starts_with("capture:") && !host.starts_with("sim:");
    }
};

} // namespace intellisched::cli
