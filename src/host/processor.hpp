// SPDX-License-Identifier: MIT
// The processor's cpuid, read through Xen, because Xen changes the cpuid that a dom0 sees.
#pragma once

#include <cstdint>
#include <span>

namespace intellisched {

/// One leaf of cpuid. `subleaf` is ignored for a leaf without subleaves.
struct CpuidLeaf {
    std::uint32_t leaf = 0, subleaf = 0;
    std::uint32_t a = 0, b = 0, c = 0, d = 0;
};

/// Threads per core according to these leaves, online or not, counted as Xen 4.17 does
/// (x86_num_siblings: xen/arch/x86/cpu/common.c, amd.c, hygon.c). 0: the leaves make no sense.
[[nodiscard]] unsigned threads_per_core(std::span<const CpuidLeaf> leaves);

/// The same of the host's processor, from Xen's raw CPU policy; 0: Xen does not tell. Needs root in
/// dom0.
[[nodiscard]] unsigned threads_per_core_of_host();

} // namespace intellisched
