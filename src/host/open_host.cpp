// SPDX-License-Identifier: MIT
#include "src/host/open_host.hpp"

#include "collector/trace/live.hpp"
#include "src/host/capture_host.hpp"
#include "src/host/sim_host.hpp"

#include <string_view>

namespace intellisched {

Result<std::unique_ptr<Host>> open_host(const std::string& spec, const XenOptions& options,
                                        const std::atomic<bool>* stop) {
    constexpr std::string_view capture = "capture:", sim = "sim:";
    if (spec.starts_with(capture)) {
        const std::string path = spec.substr(capture.size());
        if (path.empty())
            return fail("--host capture: needs a path, as in capture:/var/tmp/monday");
        return CaptureHost::open(path);
    }
    if (spec.starts_with(sim)) {
        const std::string path = spec.substr(sim.size());
        if (path.empty())
            return fail("--host sim: needs a scenario, as in sim:wake-chain.scenario");
        return SimHost::open(path, {.stop = stop});
    }
    if (spec.empty()) {
        if (auto there = trace::LiveTrace::available(); !there)
            return fail("no host named, and none here: {}, or read a capture",
                        there.error().message);
    } else if (spec != "xen") {
        return fail("unknown host '{}'; xen, capture:PATH and sim:SCENARIO are accepted",
                    printable(spec));
    }
    return XenHost::open(options);
}

} // namespace intellisched
