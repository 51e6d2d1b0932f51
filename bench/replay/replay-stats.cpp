// SPDX-License-Identifier: MIT
// What the vCPUs of a capture got, a line a domain and one for all of them: wake-ups, how long they
// waited from then until they ran, switches, migrations, CPU time. bench/validation/replay lays
// those of a host and of its replay side by side; both come from here, so that they are counted
// alike.
//
// Then where the waits went. Xen writes that a vCPU is runnable, chooses a CPU and tickles it
// (TICKLE), the CPU comes to its scheduler (SCHEDULE), and that puts the vCPU on, at once or when
// it is the vCPU's turn. The first and the last part are Xen's code; up to the tickled CPU's
// SCHEDULE nothing is to be done but to interrupt it.
#include "collector/trace/runstates.hpp"
#include "collector/trace/stream.hpp"
#include "src/host/capture_host.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>

using namespace intellisched;
using namespace intellisched::trace;

namespace {

struct Got {
    std::vector<std::uint64_t> waits; ///< from a wake-up to running, in cycles
    std::uint64_t wakes = 0;
    std::uint64_t switches = 0;    ///< a vCPU starts on a CPU
    std::uint64_t migrations = 0;  ///< ... other than the one that it ran on last
    std::uint64_t preemptions = 0; ///< it stops, and would go on
    double running = 0;            ///< cycles
    double waiting = 0;

    void add(const Got& other) {
        waits.insert(waits.end(), other.waits.begin(), other.waits.end());
        wakes += other.wakes;
        switches += other.switches;
        migrations += other.migrations;
        preemptions += other.preemptions;
        running += other.running;
        waiting += other.waiting;
    }
};

/// Where a wait after a wake-up went, in cycles; of those in which all steps were seen.
struct Parts {
    std::vector<std::uint64_t> choose; ///< from the wake-up to the tickle
    std::vector<std::uint64_t> serve;  ///< until the tickled CPU, or another before it, schedules
    std::vector<std::uint64_t> turn;   ///< until a CPU schedules that takes the vCPU
    std::vector<std::uint64_t> start;  ///< until the vCPU runs
};

struct Counter {
    std::uint64_t from = 0;               ///< TSC; nothing before counts
    Parts same;                           ///< the CPU that woke the vCPU tickled itself
    Parts elsewhere;                      ///< ... another one
    std::vector<std::uint64_t> by_itself; ///< waits of vCPUs woken on the CPU that they ran on last
    std::vector<std::uint64_t> by_others; ///< ... on another one: by what runs there
    std::vector<std::uint64_t> stints;    ///< how long a vCPU ran until it was preempted
    std::vector<std::uint64_t> setbacks;  ///< and waited from then until it ran again
    std::vector<std::uint64_t> overruns;  ///< how late the scheduler was at the end of a slice
    double cycles_a_ns = 0;
    RunstateTracker tracker;
    std::map<unsigned, Got> domains;
    struct Past {
        std::uint16_t ran_on = no_cpu;
        std::uint64_t woken = 0;     ///< and has not run since
        std::uint64_t preempted = 0; ///< the same
        std::uint16_t woken_on = no_cpu;
        std::uint64_t tickled = 0; ///< 0: not yet
        std::uint16_t tickled_cpu = no_cpu;
        std::uint64_t served = 0; ///< when that CPU scheduled after it; 0: not yet
    };
    struct Pcpu {
        std::uint32_t waking = RunstateTracker::none; ///< it is choosing a CPU for that vCPU
        std::vector<std::uint32_t> called;            ///< vCPUs for which it was tickled
        std::uint64_t scheduled = 0;                  ///< when it last came to its scheduler
        std::uint64_t slice_end = 0; ///< when its scheduler's timer is to end the slice; 0: never
    };
    std::vector<Past> pasts; ///< by the tracker's number
    std::vector<Pcpu> pcpus;

    Pcpu& pcpu(std::uint16_t cpu) {
        if (pcpus.size() <= cpu) pcpus.resize(std::size_t{cpu} + 1);
        return pcpus[cpu];
    }
    void on(const Record& record, const Tickle& tickle) {
        const std::uint32_t vcpu = std::exchange(pcpu(record.cpu).waking, RunstateTracker::none);
        if (vcpu == RunstateTracker::none || pasts[vcpu].woken == 0 || pasts[vcpu].tickled != 0)
            return;
        pasts[vcpu].tickled = record.tsc;
        pasts[vcpu].tickled_cpu = tickle.cpu;
        pcpu(tickle.cpu).called.push_back(vcpu);
    }
    void on(const Record& record, const Wake&) { pcpu(record.cpu).waking = RunstateTracker::none; }
    void on(const Record& record, const Schedule&) {
        Pcpu& here = pcpu(record.cpu);
        here.scheduled = record.tsc;
        for (const std::uint32_t vcpu : std::exchange(here.called, {}))
            if (Past& past = pasts[vcpu]; past.tickled_cpu == record.cpu && past.served == 0)
                past.served = record.tsc;
        const std::uint64_t end = std::exchange(here.slice_end, 0);
        if (end >= from && end != 0 && record.tsc >= end) overruns.push_back(record.tsc - end);
    }
    void on(const Record& record, const SwitchInfNext& e) { sliced(record, e.next, e.slice_ns); }
    void on(const Record& record, const SwitchInfCont& e) { sliced(record, e.vcpu, e.slice_ns); }
    void sliced(const Record& record, VcpuRef vcpu, std::uint32_t slice_ns) {
        if (vcpu.idle() || slice_ns == 0) return;
        pcpu(record.cpu).slice_end =
            record.tsc + static_cast<std::uint64_t>(slice_ns * cycles_a_ns);
    }
    template<class Event> void on(const Record&, const Event&) {}

    void on_change(std::uint32_t i, const VcpuState& before, Runstate to, std::uint16_t cpu,
                   std::uint64_t tsc) {
        if (before.ref.idle()) return;
        if (pasts.size() <= i) pasts.resize(i + 1);
        Past& past = pasts[i];
        Got& got = domains[before.ref.domain];
        const auto since = std::max(before.since, from);
        const bool counts = tsc >= from;
        if (counts && before.state == Runstate::running)
            got.running += static_cast<double>(tsc - since);
        if (counts && before.state == Runstate::runnable)
            got.waiting += static_cast<double>(tsc - since);
        if (before.state == Runstate::running) {
            past.ran_on = before.cpu;
            if (to == Runstate::runnable || (to == Runstate::offline && before.moved))
                past.preempted = tsc;
            if (counts && past.preempted == tsc) {
                ++got.preemptions;
                if (before.since >= from) stints.push_back(tsc - before.since);
            }
        }
        if (before.asleep() && (to == Runstate::runnable || to == Runstate::running)) {
            past.woken = tsc;
            past.woken_on = cpu;
            past.tickled = past.served = 0;
            past.tickled_cpu = no_cpu;
            pcpu(cpu).waking = i;
            if (counts) ++got.wakes;
        }
        if (to != Runstate::running) return;
        if (counts) {
            ++got.switches;
            if (past.ran_on != no_cpu && past.ran_on != cpu) ++got.migrations;
            if (past.woken >= from && past.woken != 0) ran_after_wake(past, got, cpu, tsc);
            if (past.preempted >= from && past.preempted != 0)
                setbacks.push_back(tsc - past.preempted);
        }
        past.woken = past.preempted = 0;
    }

    void ran_after_wake(const Past& past, Got& got, std::uint16_t cpu, std::uint64_t tsc) {
        got.waits.push_back(tsc - past.woken);
        (past.woken_on == past.ran_on ? by_itself : by_others).push_back(tsc - past.woken);
        const std::uint64_t scheduled = pcpu(cpu).scheduled;
        if (past.tickled < past.woken || scheduled < past.tickled) return;
        // Another CPU may have come to its scheduler, and taken the vCPU, before the tickled one.
        const std::uint64_t served =
            past.served != 0 ? std::min(past.served, scheduled) : scheduled;
        Parts& parts = past.woken_on == past.tickled_cpu ? same : elsewhere;
        parts.choose.push_back(past.tickled - past.woken);
        parts.serve.push_back(served - past.tickled);
        parts.turn.push_back(scheduled - served);
        parts.start.push_back(tsc - scheduled);
    }
};

/// Sorts the times; count, mean and quantiles in microseconds.
std::string summary(std::vector<std::uint64_t>& times, double khz) {
    std::sort(times.begin(), times.end());
    double sum = 0;
    for (const std::uint64_t time : times) sum += static_cast<double>(time);
    const auto count = static_cast<double>(times.size());
    std::string text = fmt::format("{}\t{:.3f}", times.size(), sum * 1e3 / khz / count);
    for (const double part : {0.1, 0.5, 0.9, 0.99}) {
        const auto at = static_cast<std::size_t>(part * std::max(count - 1, 0.0));
        text += fmt::format("\t{:.3f}",
                            times.empty() ? NAN : static_cast<double>(times[at]) * 1e3 / khz);
    }
    return text;
}

void print(const std::string& name, Got& got, double seconds, double khz) {
    fmt::print("{}\t{}\t{:.6f}\t{}\t{}\t{}\t{}\t{:.9f}\t{:.9f}\n", name, summary(got.waits, khz),
               seconds, got.wakes, got.switches, got.migrations, got.preemptions,
               got.running / khz / 1e3, got.waiting / khz / 1e3);
}

void print(const std::string& where, Parts& parts, double khz) {
    fmt::print("{}: choose a CPU\t{}\n", where, summary(parts.choose, khz));
    fmt::print("{}: until it serves the interrupt\t{}\n", where, summary(parts.serve, khz));
    fmt::print("{}: until its turn\t{}\n", where, summary(parts.turn, khz));
    fmt::print("{}: put the vCPU on\t{}\n", where, summary(parts.start, khz));
}

Result<void> run(const std::string& path, double from_s) {
    auto host = TRY(CaptureHost::open(path));
    const auto khz = static_cast<double>(host->info().tsc_khz);
    if (khz == 0) return fail("{}: its manifest has no TSC frequency; record it again", path);
    auto counter = std::make_unique<Counter>(); // too large for some stacks
    counter->cycles_a_ns = khz / 1e6;
    std::uint64_t begin = 0, end = 0, losses = 0;
    const auto handler = [&](const Record& record) {
        if (begin == 0) {
            begin = record.tsc;
            counter->from = begin + static_cast<std::uint64_t>(from_s * khz * 1e3);
        }
        end = record.tsc;
        counter->tracker.saw(record);
        visit(record, [&](const auto& event) {
            if constexpr (std::is_same_v<std::decay_t<decltype(event)>, LossBegin>) ++losses;
            counter->on(record, event);
            counter->tracker.on(record, event, *counter);
        });
    };
    TraceStream stream(path);
    std::map<unsigned, std::string> names;
    for (;;) {
        auto item = TRY(host->next());
        if (!item) break;
        if (const auto* now = std::get_if<HostView>(&*item))
            for (const auto& domain : now->snapshot.domains())
                names[domain.id()] = printable(domain.name());
        if (const auto* bytes = std::get_if<TraceBytes>(&*item))
            TRY(stream.feed(bytes->bytes, handler));
    }
    stream.finish(handler);
    counter->tracker.finish(*counter);
    if (end <= counter->from) return fail("{}: ends before {} s", path, from_s);
    if (losses > 0)
        return fail("{}: has {} gaps; only a capture without losses can be compared", path, losses);
    const double seconds = static_cast<double>(end - counter->from) / khz / 1e3;
    fmt::print("name\twaits\tmean_us\tp10_us\tp50_us\tp90_us\tp99_us\tseconds\twakes\tswitches\t"
               "migrations\tpreemptions\trunning_s\twaiting_s\n");
    Got all;
    for (auto& [id, got] : counter->domains) {
        print(names.contains(id) ? names[id] : fmt::format("{}", id), got, seconds, khz);
        all.add(got);
    }
    print("all", all, seconds, khz);
    print("same CPU", counter->same, khz);
    print("another CPU", counter->elsewhere, khz);
    fmt::print("woken on the CPU it ran on last\t{}\n", summary(counter->by_itself, khz));
    fmt::print("woken from another CPU\t{}\n", summary(counter->by_others, khz));
    fmt::print("at the end of a slice: late by\t{}\n", summary(counter->overruns, khz));
    fmt::print("preempted: after running for\t{}\n", summary(counter->stints, khz));
    fmt::print("preempted: until it runs again\t{}\n", summary(counter->setbacks, khz));
    return {};
}

} // namespace

int main(int argc, char** argv) {
    double from = 0;
    bool usable = argc == 2 || argc == 4;
    if (argc == 4) {
        const char* const last = argv[3] + std::strlen(argv[3]);
        usable = std::strcmp(argv[2], "--from") == 0 &&
                 std::from_chars(argv[3], last, from).ptr == last && from >= 0;
    }
    if (!usable || argv[1][0] == '-') {
        fmt::print(stderr,
                   "usage: replay-stats CAPTURE [--from SECONDS]\n"
                   "what the domains of a capture got from that time on, and where the time "
                   "from a wake-up to running went, as tab-separated text\n");
        return 2;
    }
    if (auto ran = run(argv[1], from); !ran) {
        fmt::print(stderr, "replay-stats: {}\n", ran.error().message);
        return 1;
    }
    return 0;
}
