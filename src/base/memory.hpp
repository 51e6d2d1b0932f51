// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

namespace intellisched {

/// For a program that runs for months: makes glibc's malloc return large blocks to the system at
/// once, and use one arena for all threads. Loading a model takes three times the memory that it
/// keeps, and bursts of trace come and go; by default malloc would keep all of it. Call it before
/// anything else.
inline void keep_little_memory() {
    constexpr int large = 256 << 10;
    ::mallopt(M_ARENA_MAX, 1);
    ::mallopt(M_MMAP_THRESHOLD, large);
    ::mallopt(M_TRIM_THRESHOLD, large);
}

/// Limits this process, and each program that it starts, to half of the host's memory (at least 512
/// MiB), so that no file it reads can starve dom0. Beyond the limit allocations throw
/// std::bad_alloc. Under sanitizers there is no limit: they reserve address space that would count.
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
