// SPDX-License-Identifier: MIT
// A running load and what it has achieved.
#pragma once

#include "spec.hpp"
#include "stats.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

// What all workers did since the last report.
struct Report {
    std::int64_t ms = 0;     // how long that was
    std::uint64_t work = 0;  // work units per second
    std::uint64_t wakes = 0; // wake latencies measured
    std::uint64_t wake_p50_us = 0;
    std::uint64_t wake_p99_us = 0;
    std::uint64_t wake_max_us = 0;
    std::uint64_t deadlines = 0;
    std::uint64_t misses = 0;
    std::uint64_t wrong = 0;   // stretches of work that came to a wrong result
    std::int64_t clock_ms = 0; // the monotonic clock at the report
};

class Load {
  public:
    // Starts the load's threads; the first report's time begins now.
    explicit Load(const Spec& spec);
    // Stops them; waits for the work in progress, not for sleeps.
    ~Load();
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    // Takes what was counted since the last call.
    Report report();

    // "load=burst threads=4 ms=1000 work=..." with every number an integer.
    std::string format(const Report& report) const;

  private:
    struct Shared;

    static void probe(Shared& shared, Stats& stats);
    static void hog(Shared& shared, Stats& stats);
    static void burst(Shared& shared, const Spec& spec, unsigned index, Stats& stats);
    static void ring(Shared& shared, const Spec& spec, unsigned index, Stats& stats);
    static void periodic(Shared& shared, const Spec& spec, unsigned index, Stats& stats);
    static void build(Shared& shared, const Spec& spec, unsigned index, Stats& stats);

    Spec spec_;
    unsigned counted_; // the workers, and the probe
    std::size_t bytes_;
    Shared* shared_; // one mapping that forked jobs share with us,
    Stats* stats_;   // and the counters behind it
    std::int64_t last_ns_;
    std::vector<std::thread> threads_;
};
