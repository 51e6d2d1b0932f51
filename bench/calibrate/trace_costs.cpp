// SPDX-License-Identifier: MIT
// How times in the trace make constants. Every time is some basic blocks of Xen's code, some
// records that are written meanwhile, and what is looked for. The blocks were counted in the
// simulator, which runs Xen 4.17's scheduler: with block_ns 10, block_cold_factor 1 and all other
// costs 0, each time is ten times its blocks; with a factor of 10 it shows which of them are cold.
// tests/integration/calibrate would notice others.
//
// A record's time is read while it is written. From one to the next is the work in between and a
// record: the rest of the one and the begin of the other. After each path that block_ns comes from
// Xen does little but write two records, from SWITCH_INFPREV to SWITCH, with 4 blocks. The path and
// these are two equations for two unknowns, a block and a record:
//
//     path_warm = 75 blocks + 3 records      70 or 82 blocks were counted, more often 82 on larger
//                                            hosts, and the trace does not tell which
//     path_cold = 64 blocks + 5 records
//     records_* =  4 blocks + 2 records
//
//     block_ns            a block of path_warm
//     block_cold_factor   a block of path_cold / block_ns
//     context_switch_us   switch_guest - switch_idle: the same path, with and without a switch, but
//                         for the locks of timers, which move a little more with vCPUs that do
//     lock_transfer_*_ns  lock, of that distance - of the same CPU: the same path, with and without
//     ipi_us              tickle_busy - 58 cold blocks - a record - lock_transfer_*_ns, as the
//                         tickled CPU takes the runqueue's lock from the one that tickled it
//     idle_exit_us        tickle_idle - 10 cold blocks - 35 warm ones - a record -
//                         lock_transfer_*_ns - ipi_us
//
// The records of a difference are on both of its sides. The transfers get those of other lines that
// move together with the lock's. Where no CPU was tickled that ran a guest, ipi_us and idle_exit_us
// are known as a sum only, and have the parts in it that they have in the sum of their defaults.
#include "bench/calibrate/trace_costs.hpp"

#include "src/proto/costs.hpp"

namespace intellisched::calibrate {

namespace {

constexpr std::size_t least_times = 30;

/// So many basic blocks and records.
struct Path {
    double blocks, records;
};
constexpr Path path_warm{75, 3}, path_cold{64, 5}, writing{4, 2};
constexpr double tickle_blocks = 10; // of the tickling CPU, mostly cold
constexpr double answer_idle_blocks = 35;
constexpr double answer_busy_blocks = 48; // cold

/// In nanoseconds; nothing when it was seen too rarely.
std::optional<Spread> nanoseconds(const std::vector<std::uint32_t>& cycles, std::uint64_t tsc_khz) {
    std::vector<double> values;
    values.reserve(cycles.size());
    for (const std::uint32_t one : cycles)
        values.push_back(static_cast<double>(one) * 1e6 / static_cast<double>(tsc_khz));
    return spread_of(std::move(values), least_times);
}

/// Of a difference, as far as it is known: the quartiles of the minuend.
Spread minus(const Spread& a, const Spread& b) {
    Spread difference = a.scaled(1, -b.median);
    difference.n = std::min(a.n, b.n);
    return difference;
}

std::string seldom(std::string_view what, std::size_t times) {
    return fmt::format("{} was seen {} times in the trace, and {} are needed; watch for longer, "
                       "while guests work",
                       what, times, least_times);
}

/// In nanoseconds.
struct Steps {
    Spread block, record;
};

/// A block and a record, from times of a path and those of the records after it.
std::optional<Steps> steps_of(const Path& path, const std::vector<std::uint32_t>& path_times,
                              const std::vector<std::uint32_t>& record_times,
                              std::uint64_t tsc_khz) {
    const auto whole = nanoseconds(path_times, tsc_khz);
    const auto records = nanoseconds(record_times, tsc_khz);
    if (!whole || !records) return std::nullopt;
    const double times = path.records / writing.records;
    const Spread block = whole->scaled(1, -times * records->median)
                             .scaled(1 / (path.blocks - times * writing.blocks));
    return Steps{block,
                 records->scaled(1, -writing.blocks * block.median).scaled(1 / writing.records)};
}

/// What Xen's own work takes, in nanoseconds: a basic block warm and after a guest has run; a
/// record, if that is known.
struct Work {
    double warm;
    double cold;
    std::optional<double> record;
};

/// Of both kinds, each by its number.
void add_trace(proto::Calibration& to, const TraceTimes& times, std::uint64_t tsc_khz,
               const std::optional<Steps>& warm, const std::optional<Steps>& cold) {
    auto& trace = *to.mutable_trace();
    const double all = (warm ? warm->record.n : 0) + (cold ? cold->record.n : 0);
    for (const auto& steps : {warm, cold}) {
        if (!steps) continue;
        // A record that costs nothing, as in the simulator, may come out a little below 0.
        const double part = steps->record.n / all;
        const auto share = [part](double ns) { return std::max(ns, 0.0) * part; };
        trace.set_record_ns(trace.record_ns() + share(steps->record.median));
        trace.set_low(trace.low() + share(steps->record.low));
        trace.set_high(trace.high() + share(steps->record.high));
        trace.set_n(trace.n() + steps->record.n);
    }
    if (times.traced <= 0) return;
    const double cpu_seconds = times.traced / static_cast<double>(tsc_khz) / 1e3;
    const double a_cpu = static_cast<double>(times.records) / cpu_seconds;
    trace.set_records_per_s(a_cpu * times.cpus);
    trace.set_part_of_cpus(a_cpu * trace.record_ns() / 1e9);
}

Work add_work(proto::Calibration& to, const TraceTimes& times, std::uint64_t tsc_khz) {
    const CostRange &block = cost_range("block_ns"), &factor = cost_range("block_cold_factor");
    const auto warm = steps_of(path_warm, times.path_warm, times.records_warm, tsc_khz);
    const auto cold = steps_of(path_cold, times.path_cold, times.records_cold, tsc_khz);
    Work work{block.standard, block.standard * factor.standard, {}};
    if (warm) {
        add(to, block.name, warm->block,
            "an idle CPU's SCHEDULE to SWITCH_INFPREV, less its 3 records, over its 75 blocks");
        work.warm = std::max(warm->block.median, 0.0);
        work = {work.warm, work.warm * factor.standard, warm->record.median};
    } else {
        leave_out(to, block.name,
                  seldom("an idle CPU that takes the first vCPU", times.records_warm.size()));
    }
    if (!cold)
        leave_out(to, factor.name,
                  seldom("a CPU that idles as its guest blocks", times.records_cold.size()));
    else if (!warm || work.warm <= 0)
        leave_out(to, factor.name, "it takes block_ns");
    else
        add(to, factor.name, cold->block.scaled(1 / work.warm),
            "the same after a guest has run, less 5 records, over its 64 blocks, to block_ns");
    if (cold) {
        work.cold = std::max(cold->block.median, 0.0);
        work.record = cold->record.median; // the tickling CPU's, mostly
    }
    if (warm || cold) add_trace(to, times, tsc_khz, warm, cold);
    return work;
}

void add_switch(proto::Calibration& to, const TraceTimes& times, std::uint64_t tsc_khz) {
    const auto guest = nanoseconds(times.switch_guest, tsc_khz);
    const auto idle = nanoseconds(times.switch_idle, tsc_khz);
    if (!guest)
        return leave_out(
            to, "context_switch_us",
            seldom("a switch from a vCPU that blocks to another", times.switch_guest.size()));
    if (!idle)
        return leave_out(
            to, "context_switch_us",
            seldom("a switch from a vCPU that blocks to idle", times.switch_idle.size()));
    add(to, "context_switch_us", minus(*guest, *idle).scaled(1e-3),
        "a switch from a vCPU that blocks to another, less one to idle");
}

/// Returns all of them by distance: those measured, and the defaults of the others.
std::array<double, distances> add_locks(proto::Calibration& to, const TraceTimes& times,
                                        std::uint64_t tsc_khz) {
    constexpr std::array<std::string_view, distances> names{
        "", "lock_transfer_core_ns", "lock_transfer_socket_ns", "lock_transfer_remote_ns"};
    std::array<double, distances> known{};
    for (std::size_t distance = 1; distance < distances; ++distance) {
        // Of idle CPUs or of busy ones, whichever was seen more often.
        std::optional<Spread> best;
        std::size_t seen = 0;
        for (const ByDistance& lock : times.lock) {
            const auto same = nanoseconds(lock[0], tsc_khz);
            const auto other = nanoseconds(lock[distance], tsc_khz);
            seen = std::max(seen, std::min(lock[0].size(), lock[distance].size()));
            if (same && other && (!best || std::min(same->n, other->n) > best->n))
                best = minus(*other, *same);
        }
        known[distance] = cost_range(names[distance]).standard;
        if (!best)
            leave_out(to, names[distance],
                      seldom("a wake-up that takes a lock from there, and one from here", seen));
        else if (add(to, names[distance], *best,
                     "WAKE to the runstate after it, by where the runqueue's lock was last, less "
                     "here"))
            known[distance] = best->median;
    }
    return known;
}

/// What an interrupt took until its CPU decides, less what is known of it, in microseconds.
std::optional<Spread> answers(const ByDistance& times, std::uint64_t tsc_khz, double path_ns,
                              const std::array<double, distances>& lock_ns) {
    std::vector<double> values;
    for (std::size_t distance = 0; distance < distances; ++distance)
        for (const std::uint32_t one : times[distance])
            values.push_back(static_cast<double>(one) * 1e3 / static_cast<double>(tsc_khz) -
                             (path_ns + lock_ns[distance]) / 1e3);
    return spread_of(std::move(values), least_times);
}

void add_wake(proto::Calibration& to, const TraceTimes& times, std::uint64_t tsc_khz,
              const Work& work, const std::array<double, distances>& lock_ns) {
    if (!work.record) {
        for (const std::string_view name : {"ipi_us", "idle_exit_us"})
            leave_out(to, name, "it takes what a record costs, which comes with block_ns");
        return;
    }
    const double sent = tickle_blocks * work.cold + *work.record;
    const auto ipi =
        answers(times.tickle_busy, tsc_khz, sent + answer_busy_blocks * work.cold, lock_ns);
    const auto sum =
        answers(times.tickle_idle, tsc_khz, sent + answer_idle_blocks * work.warm, lock_ns);
    const bool known = ipi && add(to, "ipi_us", *ipi,
                                  "TICKLE to SCHEDULE of a CPU that runs a guest, less Xen's path");
    if (!sum) {
        std::size_t seen = 0;
        for (const auto& one : times.tickle_idle) seen += one.size();
        const std::string never = seldom("an idle CPU that is tickled", seen);
        leave_out(to, "idle_exit_us", never);
        if (!ipi) leave_out(to, "ipi_us", never);
    } else if (ipi && !known) {
        leave_out(to, "idle_exit_us", "it takes ipi_us");
    } else if (ipi) {
        add(to, "idle_exit_us", minus(*sum, *ipi),
            "TICKLE to SCHEDULE of an idle CPU, less Xen's path and ipi_us");
    } else {
        const double standard = cost_range("ipi_us").standard + cost_range("idle_exit_us").standard;
        const auto add_part = [&](std::string_view name) {
            return add(
                to, name, sum->scaled(cost_range(name).standard / standard),
                "part of TICKLE to SCHEDULE of an idle CPU, in the proportion of the defaults");
        };
        if (add_part("ipi_us"))
            add_part("idle_exit_us");
        else
            leave_out(to, "idle_exit_us", "it takes ipi_us");
    }
}

} // namespace

void add_trace_costs(proto::Calibration& to, const TraceTimes& times, std::uint64_t tsc_khz) {
    const Work work = add_work(to, times, tsc_khz);
    add_switch(to, times, tsc_khz);
    add_wake(to, times, tsc_khz, work, add_locks(to, times, tsc_khz));
}

} // namespace intellisched::calibrate
