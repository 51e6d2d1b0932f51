// SPDX-License-Identifier: MIT
#include "src/host/open_host.hpp"

#include "collector/trace/live.hpp"
#include "src/host/capture_host.hpp"
#include "src/host/sim_host.hpp"

#include <string_view>

namespace intellisched {

namespace {
constexpr std::string_view capture_host = "capture:", sim_host = "sim:";
}

Result<void> check_host(const std::string& spec) {
    if (spec == capture_host) return fail("capture: needs a path, as in capture:/var/tmp/monday");
    if (spec == sim_host) return fail("sim: needs a scenario, as in sim:wake-chain.scenario");
    if (spec == "xen" || spec.starts_with(capture_host) || spec.starts_with(sim_host)) return {};
    return fail("unknown host '{}'; xen, capture:PATH and sim:SCENARIO are accepted",
                printable(spec));
}

Result<std::unique_ptr<Host>> open_host(const std::string& spec, const XenOptions& options,
                                        const std::atomic<bool>* stop) {
    if (spec.empty()) {
        if (auto there = trace::LiveTrace::available(); !there)
            return fail("no host named, and none here: {}, or read a capture",
                        there.error().message);
        return XenHost::open(options);
    }
    TRY(check_host(spec));
    if (spec.starts_with(capture_host)) return CaptureHost::open(spec.substr(capture_host.size()));
    if (spec.starts_with(sim_host))
        return SimHost::open(spec.substr(sim_host.size()), {.stop = stop});
    return XenHost::open(options);
}

} // namespace intellisched
