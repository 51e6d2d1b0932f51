// SPDX-License-Identifier: MIT
// The live host.
#pragma once

#include "src/host/host.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace intellisched {

struct XenOptions {
    /// Between two counter samples; 10 ms at least.
    std::chrono::milliseconds interval{1000};
    /// Between two looks at topology, pools and domains; a snapshot is returned when something
    /// changed.
    std::chrono::milliseconds snapshot_interval{5000};
    /// Pages (4 KiB) per CPU of the trace buffers; Xen accepts a size once per boot.
    unsigned buffer_pages = 64;
    /// Milliseconds of every second in which tracing is on, 1 to 1000 (always).
    unsigned duty_ms = 1000;
    /// Bytes a second that the trace may have: where it has more, tracing is on for less of every
    /// second, which is logged once. 0: no bound.
    double trace_bytes_s = 0;
    /// Empty: the live trace buffers. Otherwise where xentrace writes: the path of a FIFO or file,
    /// or "-" for standard input (xentrace needs the name of a file: `xentrace -e 0x2f000
    /// /dev/stdout | ...`).
    std::string trace_from = {};
    /// Asked with each counter sample: whether to read what guests publish (published_score.hpp).
    /// Empty: no.
    std::function<bool()> published_scores = {};
};

/// The host that this dom0 controls. Tracing is on while this object lives. Its stream ends only
/// where a pipe given as trace_from does.
class XenHost final : public Host {
  public:
    /// Errors: not a dom0, no rights, Xen services not running, another program has the trace
    /// buffers, options out of range.
    [[nodiscard]] static Result<std::unique_ptr<XenHost>> open(const XenOptions& options = {});
    ~XenHost() override;

    [[nodiscard]] const HostInfo& info() const override;
    [[nodiscard]] Result<std::optional<HostItem>> next() override;

  private:
    struct Impl;
    explicit XenHost(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace intellisched
