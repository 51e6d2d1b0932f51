// SPDX-License-Identifier: GPL-2.0-only
// Xen's data and heap in this process.
#pragma once

#include <cstddef>

namespace sim {

/// Puts Xen's static data back to what was linked and gives it empty memory, always at the same
/// address. Throws std::bad_alloc when that memory cannot be had.
void reset_xen_memory();

} // namespace sim
