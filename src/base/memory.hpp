// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

namespace intellisched {

/// For a program that runs for months: has malloc (glibc's) give large pieces back to the system at
/// once, and keep one arena for all threads. Loading a model takes three times what stays of it,
/// and a stretch of a busy trace comes and goes; by itself malloc keeps their memory. Call it
/// first.
inline void keep_little_memory() {
    constexpr int large = 256 << 10;
    ::mallopt(M_ARENA_MAX, 1);
    ::mallopt(M_MMAP_THRESHOLD, large);
    ::mallopt(M_TRIM_THRESHOLD, large);
}

/// Has this process, and each program that it starts, take no more than half of the host's memory
/// (512 MiB on the smallest): whatever is in a file that it reads, the rest of a dom0 goes on. What
/// does not fit is std::bad_alloc. Sanitizers take address space as if it were memory, so that
/// there is no limit with them.
inline void limit_memory() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    rlimit limit{};
    if (::getrlimit(RLIMIT_DATA, &limit) != 0) return;
    const rlim_t half = static_cast<rlim_t>(::sysconf(_SC_PHYS_PAGES)) / 2 *
                        static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
    limit.rlim_cur = std::min(limit.rlim_max, std::max(half, rlim_t{512} << 20));
    ::setrlimit(RLIMIT_DATA, &limit);
#endif
}

} // namespace intellisched
