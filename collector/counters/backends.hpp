// SPDX-License-Identifier: MIT
// Network and block counters of the guests, from the backend drivers in this dom0.
//
// libxenstat has collectors for both, but not such as can be asked once a second: the network one
// finds no guest interface at all on a host without a Linux bridge, and the block one talks to the
// QEMU of every domain and waits at least 10 ms after every answer.
#pragma once

#include "src/proto/host.pb.h"

#include <filesystem>

namespace intellisched::counters {

/// Where Linux lists the devices that xen-netback and xen-blkback serve.
inline constexpr const char* backend_devices = "/sys/bus/xen-backend/devices";

/// Adds the counters of the devices `vif-<domain>-<number>` and `vbd-<domain>-<number>` under
/// `devices` to the domains of the sample; a device of a domain that is not in it is passed over,
/// and so is one that vanishes meanwhile. Received and sent are the guest's, not dom0's. Disks that
/// QEMU serves are not seen. False: there is no such directory (no backend driver is loaded).
bool add_backends(const std::filesystem::path& devices, proto::CounterSample& sample);

} // namespace intellisched::counters
