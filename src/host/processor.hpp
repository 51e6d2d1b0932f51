// SPDX-License-Identifier: MIT
// What the processor says of itself, read through Xen: a dom0 sees a cpuid that Xen has changed.
#pragma once

#include <cstdint>
#include <span>

namespace intellisched {

/// What cpuid gives for one leaf; without subleaves, `subleaf` is of no matter.
struct CpuidLeaf {
    std::uint32_t leaf = 0, subleaf = 0;
    std::uint32_t a = 0, b = 0, c = 0, d = 0;
};

/// The threads that a core has by these leaves, whether or not they are on, as Xen 4.17 counts them
/// (x86_num_siblings: xen/arch/x86/cpu/common.c, amd.c, hygon.c). 0: they make no sense.
[[nodiscard]] unsigned threads_per_core(std::span<const CpuidLeaf> leaves);

/// The same of the host's processor, from Xen's raw CPU policy; 0: Xen does not tell. Needs root in
/// dom0.
[[nodiscard]] unsigned threads_per_core_of_host();

} // namespace intellisched
