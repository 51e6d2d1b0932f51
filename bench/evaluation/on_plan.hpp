// SPDX-License-Identifier: MIT
// main() of the programs here that run a plan's scenarios: PROGRAM PLAN FOLDER [JOBS].
#pragma once

#include "src/base/result.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/core.h>

namespace intellisched {

/// Calls `work(plan, folder, jobs)`; returns the program's exit status.
template<class Work> int on_plan(const char* program, int argc, char** argv, Work work) {
    if (argc != 3 && argc != 4) {
        fmt::print(stderr, "usage: {} PLAN FOLDER [JOBS]\n", program);
        return 2;
    }
    const int jobs = argc == 4 ? std::atoi(argv[3]) : 1;
    const Result<void> done = work(argv[1], argv[2], static_cast<unsigned>(std::max(jobs, 1)));
    if (done) return 0;
    fmt::print(stderr, "{}: {}\n", program, done.error().message);
    return 1;
}

} // namespace intellisched
