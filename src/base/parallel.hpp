// SPDX-License-Identifier: MIT
#pragma once

#include "src/base/result.hpp"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace intellisched {

/// Calls `task(0)` to `task(count - 1)`, each once, on up to `jobs` threads. After a failure no
/// further one is begun. Returns the error of the failed task with the lowest number.
template<class Task> Result<void> in_parallel(unsigned jobs, std::size_t count, Task task) {
    std::vector<Result<void>> results(count);
    std::atomic<std::size_t> next = 0;
    std::atomic<bool> failed = false;
    {
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < std::min<std::size_t>(std::max(jobs, 1U), count); ++t)
            threads.emplace_back([&] {
                for (std::size_t i; !failed && (i = next++) < count;)
                    if (results[i] = task(i); !results[i]) failed = true;
            });
    }
    for (Result<void>& result : results)
        if (!result) return std::move(result);
    return {};
}

} // namespace intellisched
