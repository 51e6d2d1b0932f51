// SPDX-License-Identifier: GPL-2.0-only
#include "bench/simulator/machine_memory.hpp"

#include "bench/simulator/xen/glue.h"

#include <cstdint>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace sim {
namespace {

// Far from where the kernel puts things, and application memory for ASan too. Fixed, since Xen
// takes two locks in the order of their addresses, and a run has to be repeatable to the bit.
constexpr std::uintptr_t address = 0x2000'0000'0000;
constexpr std::size_t size = std::size_t{1} << 30; // what is not touched costs nothing

void* map() {
    void* at = reinterpret_cast<void*>(address);
    void* memory = mmap(at, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory != at) throw std::bad_alloc();
    return memory;
}

} // namespace

void reset_xen_memory() {
    static void* const memory = map();
    static const std::vector<char> linked(xen_data_start, xen_data_end);
    std::memcpy(xen_data_start, linked.data(), linked.size());
    std::memset(xen_bss_start, 0, static_cast<std::size_t>(xen_bss_end - xen_bss_start));
    engine_unpoison(memory, size);
    madvise(memory, size, MADV_DONTNEED);
    xen_reset(memory, size);
}

} // namespace sim

#ifdef __SANITIZE_ADDRESS__
void engine_poison(void* memory, std::size_t bytes) { ASAN_POISON_MEMORY_REGION(memory, bytes); }
void engine_unpoison(void* memory, std::size_t bytes) {
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
}
#else
void engine_poison(void*, std::size_t) {}
void engine_unpoison(void*, std::size_t) {}
#endif
