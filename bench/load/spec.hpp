// SPDX-License-Identifier: MIT
// The text that names a load, e.g. "burst run=200us sleep=800us threads=4".
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

constexpr unsigned kMostThreads = 256;

enum class Kind { idle, cpu, burst, pingpong, periodic, build };

struct Spec {
    Kind kind = Kind::idle;
    std::string name = "idle";
    unsigned threads = 0;      // workers; parse_spec() fills in the number of vCPUs
    unsigned length = 2;       // pingpong: threads in one ring
    std::int64_t run_ns = 0;   // mean work of a burst, hop, period or job
    std::int64_t sleep_ns = 0; // mean sleep between bursts, or while a build job blocks
    std::int64_t period_ns = 0;
    std::uint64_t seed = 1;
};

// Says in one line what is wrong with a specification and what would be right.
struct BadSpec : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Reads a specification; `vcpus` is the default number of threads. Throws BadSpec.
Spec parse_spec(std::string_view text, unsigned vcpus);

// The loads and their parameters, for --help.
extern const char* const kSpecHelp;
