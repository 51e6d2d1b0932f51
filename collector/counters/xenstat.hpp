// SPDX-License-Identifier: MIT
// Counters of every domain and vCPU of the live host.
#pragma once

#include "src/base/result.hpp"
#include "src/proto/host.pb.h"

#include <memory>

namespace intellisched::counters {

/// Samples through libxenstat (domains, vCPUs, memory) and sysfs (network, block). Needs dom0 and a
/// running xenstored.
class XenStat {
  public:
    /// Errors: not a dom0, no rights, no xenstored.
    [[nodiscard]] static Result<XenStat> open();

    XenStat(XenStat&&) noexcept;
    XenStat& operator=(XenStat&&) noexcept;
    ~XenStat();

    /// All counters as of now. A domain that comes or goes meanwhile may be missing. The time is
    /// that of the vCPU counters; network and block counters follow a little later. Errors: Xen
    /// refuses.
    [[nodiscard]] Result<proto::CounterSample> sample();

  private:
    struct Impl;
    explicit XenStat(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace intellisched::counters
