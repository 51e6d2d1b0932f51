// SPDX-License-Identifier: MIT
// Which host a `--host` option names.
#pragma once

#include "src/host/host.hpp"
#include "src/host/xen_host.hpp"

#include <atomic>
#include <memory>
#include <string>

namespace intellisched {

/// Whether `spec` is one of "xen", "capture:PATH" and "sim:SCENARIO"; whether it is there is not
/// looked at. The error lists what is accepted.
[[nodiscard]] Result<void> check_host(const std::string& spec);

/// Opens the host that `spec` names: "xen", "capture:PATH" or "sim:SCENARIO". Empty: xen when this
/// is a dom0. `options` are for xen, `stop` is for sim (SimOptions). Errors: those of
/// check_host(), and of the hosts' own open().
[[nodiscard]] Result<std::unique_ptr<Host>> open_host(const std::string& spec,
                                                      const XenOptions& options = {},
                                                      const std::atomic<bool>* stop = nullptr);

} // namespace intellisched
