// SPDX-License-Identifier: MIT
// What libxl tells about the live host. xl.cpp is the one file that includes libxl.h.
#pragma once

#include "src/base/result.hpp"
#include "src/host/configurator.hpp"
#include "src/host/host.hpp"
#include "src/host/pins.hpp"
#include "src/proto/host.pb.h"

#include <memory>
#include <string>
#include <string_view>

namespace intellisched {

/// The granularity that `sched-gran=` on a Xen command line asks for; the last mention counts.
[[nodiscard]] std::string granularity_at_boot(std::string_view xen_command_line);

/// `text` made valid for a protobuf string: bytes that are no UTF-8 (a guest's owner chooses its
/// name) become '?'.
[[nodiscard]] std::string valid_utf8(std::string_view text);

class Xl {
  public:
    /// Errors: not a dom0, no rights, libxl of another Xen version.
    [[nodiscard]] static Result<Xl> open();

    Xl(Xl&&) noexcept;
    Xl& operator=(Xl&&) noexcept;
    ~Xl();

    [[nodiscard]] Result<HostInfo> info();

    /// Whether xenstored still answers. If it ended, even if another one runs now, this object can
    /// no longer read what libxl keeps there (all names of pools but Pool-0's): open another one.
    [[nodiscard]] bool connected();

    /// Topology, pools, domains and their affinities, as of now. A domain that goes meanwhile is
    /// left out; weight and cap of domains in pools of other schedulers than credit2 stay 0. What
    /// Xen does not tell of pools is what info() found booted.
    [[nodiscard]] Result<HostView> snapshot();

    /// Adds what the sample's guests publish (published_score.hpp), as of now. What cannot be read,
    /// or cannot be a score, is left out.
    void add_published_scores(proto::CounterSample& sample);

    /// The hard affinities of the domain's online vCPUs, to be restored later. Errors: no such
    /// domain.
    [[nodiscard]] Result<std::vector<HardAffinity>> hard_affinities(std::uint32_t domain);
    /// Sets a vCPU's hard affinity. If it runs elsewhere Xen moves it at once. Errors: no CPU of
    /// the domain's pool in it.
    [[nodiscard]] Result<void> set_hard_affinity(std::uint32_t domain,
                                                 const HardAffinity& affinity);

    /// Runqueues need the patched Xen and its libxl; its errors say so. Valid while this object
    /// lives.
    [[nodiscard]] Configurator& configurator();

  private:
    struct Impl;
    explicit Xl(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace intellisched
