// SPDX-License-Identifier: MIT
// Network and block counters of the guests, from the backend drivers in this dom0.
//
// libxenstat has collectors for both, but they cannot be used once a second: the network one finds
// no guest interface on a host without a Linux bridge, and the block one asks the QEMU of every
// domain and waits at least 10 ms after each answer.
#pragma once

#include "src/proto/host.pb.h"

#include <filesystem>

namespace intellisched::counters {

/// Where Linux lists the devices that xen-netback and xen-blkback serve.
inline constexpr const char* backend_devices = "/sys/bus/xen-backend/devices";

/// Adds the counters of the devices `vif-<domain>-<number>` and `vbd-<domain>-<number>` under
/// `devices` to the domains of the sample. Devices of other domains, and devices that vanish
/// meanwhile, are skipped. "Received" and "sent" are as the guest sees them. Disks that QEMU serves
/// are not seen. False: there is no such directory (no backend driver is loaded).
bool add_backends(const std::filesystem::path& devices, proto::CounterSample& sample);

} // namespace intellisched::counters
