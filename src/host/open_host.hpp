// SPDX-License-Identifier: MIT
// Which host a `--host` option names.
#pragma once

#include "src/host/host.hpp"
#include "src/host/xen_host.hpp"

#include <atomic>
#include <memory>
#include <string>

namespace intellisched {

/// Opens the host that `spec` names: "xen", "capture:PATH" or "sim:SCENARIO". Empty: xen when this
/// is a dom0. `options` are for xen, `stop` is for sim (SimOptions). Errors: an unknown spec (the
/// message lists what is accepted), and those of the hosts' own open().
[[nodiscard]] Result<std::unique_ptr<Host>> open_host(const std::string& spec,
                                                      const XenOptions& options = {},
                                                      const std::atomic<bool>* stop = nullptr);

} // namespace intellisched
