// SPDX-License-Identifier: MIT
#pragma once

#include <malloc.h>

namespace intellisched {

/// For a program that runs for months: has malloc (glibc's) give large pieces back to the system at
/// once, and keep one arena for all threads. Loading a model takes three times what stays of it, and
/// a stretch of a busy trace comes and goes; by itself malloc keeps their memory. Call it first.
inline void keep_little_memory() {
    constexpr int large = 256 << 10;
    ::mallopt(M_ARENA_MAX, 1);
    ::mallopt(M_MMAP_THRESHOLD, large);
    ::mallopt(M_TRIM_THRESHOLD, large);
}

} // namespace intellisched
