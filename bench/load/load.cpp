// SPDX-License-Identifier: MIT
#include "load.hpp"

#include "clock.hpp"
#include "rng.hpp"
#include "work.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <linux/futex.h>
#include <new>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace {

constexpr std::int64_t kProbeNs = 10'000'000;
constexpr std::uint64_t kSliceUnits = 1024; // well under a millisecond on real hardware
constexpr int kBuildSlices =
    4; // a job works and blocks this often, like a compiler that reads files

using Futex = std::atomic<std::uint32_t>;

// Sleeps while `*word == value`, at most until the absolute `until_ns` (< 0: for ever).
// Not FUTEX_PRIVATE: forked jobs wait on the same words.
void futex_wait(Futex& word, std::uint32_t value, std::int64_t until_ns) {
    const timespec until = to_timespec(until_ns);
    syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, value, until_ns < 0 ? nullptr : &until, nullptr,
            FUTEX_BITSET_MATCH_ANY);
}

void futex_wake(Futex& word) { syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX); }

} // namespace

// One mapping that forked jobs share with us.
struct Load::Shared {
    // The place of one thread of a ring: its predecessor sets `turn` and wakes it.
    struct alignas(64) Place {
        Futex turn{0};
        std::atomic<std::int64_t> handed_ns{0};
    };

    Futex stop{0};
    Place places[kMostThreads];

    bool stopping() const { return stop.load(std::memory_order_acquire) != 0; }

    // Sleeps until the absolute time and records how late the wake-up was. Waiting on
    // `stop` uses the kernel's precise timers like clock_nanosleep, but can be cut short.
    bool sleep_until(std::int64_t until_ns, Stats& own) {
        while (!stopping()) {
            const std::int64_t now = now_ns();
            if (now >= until_ns) {
                own.wakes.add(now - until_ns);
                return true;
            }
            futex_wait(stop, 0, until_ns);
        }
        return false;
    }

    void work_for(std::int64_t ns, Stats& own) { work_units(work::units_for(ns), own); }

    // In slices, so that reports see long work grow and a stop need not wait for it.
    void work_units(std::uint64_t units, Stats& own) {
        while (units > 0 && !stopping()) {
            const std::uint64_t now = std::min(units, kSliceUnits);
            if (work::spin(now) != work::result_of(now))
                own.wrong.fetch_add(1, std::memory_order_relaxed);
            own.work.fetch_add(now, std::memory_order_relaxed);
            units -= now;
        }
    }
};

Load::Load(const Spec& spec)
    : spec_(spec), counted_(spec.threads + 1), bytes_(sizeof(Shared) + counted_ * sizeof(Stats)) {
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        throw std::system_error(errno, std::generic_category(), "memory for the load's counters");
    shared_ = new (memory) Shared;
    stats_ = new (shared_ + 1) Stats[counted_];

    last_ns_ = now_ns();
    for (unsigned i = 0; i < spec_.threads; ++i)
        threads_.emplace_back([this, i] {
            prctl(PR_SET_TIMERSLACK,
                  1UL); // the default slack of 50 us would look like wake latency
            Stats& own = stats_[i];
            switch (spec_.kind) {
            case Kind::idle:
                break;
            case Kind::cpu:
                hog(*shared_, own);
                break;
            case Kind::burst:
                burst(*shared_, spec_, i, own);
                break;
            case Kind::pingpong:
                ring(*shared_, spec_, i, own);
                break;
            case Kind::periodic:
                periodic(*shared_, spec_, i, own);
                break;
            case Kind::build:
                build(*shared_, spec_, i, own);
                break;
            }
        });
    // Loads that never sleep would say nothing about wake latency without a probe.
    if (spec_.kind == Kind::idle || spec_.kind == Kind::cpu)
        threads_.emplace_back([this] {
            prctl(PR_SET_TIMERSLACK, 1UL);
            probe(*shared_, stats_[spec_.threads]);
        });
}

Load::~Load() {
    shared_->stop.store(1, std::memory_order_release);
    futex_wake(shared_->stop);
    for (Shared::Place& place : shared_->places) {
        place.turn.store(1, std::memory_order_release);
        futex_wake(place.turn);
    }
    for (std::thread& thread : threads_) thread.join();
    munmap(shared_, bytes_);
}

void Load::probe(Shared& shared, Stats& stats) {
    std::int64_t next = now_ns() + kProbeNs;
    while (shared.sleep_until(next, stats)) next = std::max(next, now_ns() - kProbeNs) + kProbeNs;
}

void Load::hog(Shared& shared, Stats& stats) {
    while (!shared.stopping()) shared.work_units(kSliceUnits, stats);
}

void Load::burst(Shared& shared, const Spec& spec, unsigned index, Stats& stats) {
    Rng rng(spec.seed * 1000 + index);
    do shared.work_for(rng.exponential(spec.run_ns), stats);
    while (shared.sleep_until(now_ns() + rng.exponential(spec.sleep_ns), stats));
}

void Load::ring(Shared& shared, const Spec& spec, unsigned index, Stats& stats) {
    // Pinned, so that every hand-over is a wake-up of another vCPU.
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(index % static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN)), &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);

    Shared::Place& own = shared.places[index];
    const unsigned first = index - index % spec.length;
    Shared::Place& next = shared.places[first + (index + 1 - first) % spec.length];
    bool has_token = index == first;
    while (!shared.stopping()) {
        if (!has_token) {
            while (own.turn.load(std::memory_order_acquire) == 0) futex_wait(own.turn, 0, -1);
            if (shared.stopping()) break;
            own.turn.store(0, std::memory_order_relaxed);
            stats.wakes.add(now_ns() - own.handed_ns.load(std::memory_order_relaxed));
        }
        has_token = false;
        shared.work_for(spec.run_ns, stats);
        next.handed_ns.store(now_ns(), std::memory_order_relaxed);
        next.turn.store(1, std::memory_order_release);
        futex_wake(next.turn);
    }
}

void Load::periodic(Shared& shared, const Spec& spec, unsigned index, Stats& stats) {
    // Threads start at different points of the period, or they would all collide for ever.
    Rng rng(spec.seed * 1000 + index);
    std::int64_t release = now_ns() + static_cast<std::int64_t>(
                                          rng.next() % static_cast<std::uint64_t>(spec.period_ns));
    const std::uint64_t units = work::units_for(spec.run_ns);
    while (shared.sleep_until(release, stats)) {
        shared.work_units(units, stats);
        release += spec.period_ns;
        stats.deadlines.fetch_add(1, std::memory_order_relaxed);
        if (now_ns() <= release) continue;
        stats.misses.fetch_add(1, std::memory_order_relaxed);
        // Periods that went by altogether are missed too; catching up would only be later still.
        const auto skipped = static_cast<std::uint32_t>((now_ns() - release) / spec.period_ns + 1);
        stats.deadlines.fetch_add(skipped, std::memory_order_relaxed);
        stats.misses.fetch_add(skipped, std::memory_order_relaxed);
        release += skipped * spec.period_ns;
    }
}

void Load::build(Shared& shared, const Spec& spec, unsigned index, Stats& stats) {
    Rng rng(spec.seed * 1000 + index);
    while (!shared.stopping()) {
        const std::uint64_t job_seed = rng.next();
        const pid_t child = fork();
        if (child == 0) {
            Rng job(job_seed);
            for (int slice = 0; slice < kBuildSlices; ++slice) {
                shared.work_for(job.exponential(spec.run_ns / kBuildSlices), stats);
                if (!shared.sleep_until(now_ns() + job.exponential(spec.sleep_ns), stats)) break;
            }
            _exit(0);
        }
        if (child < 0) { // out of memory or processes: try again, a little later
            shared.sleep_until(now_ns() + kProbeNs, stats);
            continue;
        }
        while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
}

Report Load::report() {
    Report sum;
    Histogram::Counts counts{};
    std::uint64_t work = 0;
    std::uint64_t max = 0;
    for (unsigned i = 0; i < counted_; ++i) {
        Stats& each = stats_[i];
        work += each.work.exchange(0, std::memory_order_relaxed);
        sum.deadlines += each.deadlines.exchange(0, std::memory_order_relaxed);
        sum.misses += each.misses.exchange(0, std::memory_order_relaxed);
        sum.wrong += each.wrong.exchange(0, std::memory_order_relaxed);
        max = std::max(max, each.wakes.drain(counts));
    }
    const std::int64_t now = now_ns();
    const std::int64_t elapsed = std::max<std::int64_t>(now - last_ns_, 1);
    last_ns_ = now;
    sum.clock_ms = now / 1'000'000;
    sum.ms = elapsed / 1'000'000;
    sum.work =
        static_cast<std::uint64_t>(static_cast<double>(work) * 1e9 / static_cast<double>(elapsed));

    for (const std::uint64_t count : counts) sum.wakes += count;
    const auto quantile_us = [&](std::uint64_t percent) {
        const std::uint64_t rank = (sum.wakes * percent + 99) / 100;
        std::uint64_t below = 0;
        for (std::size_t i = 0; i < counts.size(); ++i)
            if ((below += counts[i]) >= rank && below > 0)
                return std::min(Histogram::Buckets::most(i), max) / 1000;
        return std::uint64_t{0};
    };
    sum.wake_p50_us = quantile_us(50);
    sum.wake_p99_us = quantile_us(99);
    sum.wake_max_us = max / 1000;
    return sum;
}

std::string Load::format(const Report& report) const {
    const auto field = [](const char* key, auto value) {
        return std::string(" ") + key + "=" + std::to_string(value);
    };
    return "load=" + spec_.name + field("threads", spec_.threads) + field("ms", report.ms) +
           field("work", report.work) + field("wakes", report.wakes) +
           field("wake_p50_us", report.wake_p50_us) + field("wake_p99_us", report.wake_p99_us) +
           field("wake_max_us", report.wake_max_us) + field("deadlines", report.deadlines) +
           field("misses", report.misses) + field("wrong", report.wrong) +
           field("clock_ms", report.clock_ms);
}
