// SPDX-License-Identifier: MIT
// How fast a trace is decoded, alone and into windows, and how that compares to xenalyze on the
// same file. The candidates take turns, so that a machine whose speed drifts is unfair to none of
// them; medians of their CPU time are quoted.
//
//     decode-bench --grow MEGABYTES SOURCE OUT     repeat a real trace until it is large enough
//     decode-bench [--rounds N] [--xenalyze PATH] FILE
#include "collector/trace/clock.hpp"
#include "collector/trace/stream.hpp"
#include "collector/window/features.hpp"
#include "collector/window/window.hpp"
#include "src/base/files.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <set>
#include <spawn.h>
#include <string_view>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace intellisched {
namespace {

constexpr std::size_t chunk_size = std::size_t{256} << 10;

/// Reads the file in chunks and hands each to `use`; returns the bytes read.
template<class Use> Result<std::uint64_t> each_chunk(const std::string& path, Use&& use) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return fail("{}: cannot open: {}", path, std::strerror(errno));
    std::vector<std::byte> chunk(chunk_size);
    std::uint64_t total = 0;
    for (;;) {
        const ssize_t n = ::read(file.get(), chunk.data(), chunk.size());
        if (n < 0) return fail("{}: cannot read: {}", path, std::strerror(errno));
        if (n == 0) return total;
        total += static_cast<std::uint64_t>(n);
        TRY(use(std::span<const std::byte>(chunk.data(), static_cast<std::size_t>(n))));
    }
}

struct Run {
    double seconds = 0;
    std::uint64_t records = 0;
    std::uint64_t checksum = 0; ///< keeps the compiler from dropping the work
};

double cpu_seconds(const rusage& usage) {
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// CPU time of this process, system calls included: what one core takes, whoever else is on it.
double now() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return cpu_seconds(usage);
}

/// Every record in order of time, decoded into its typed event.
Result<Run> decode(const std::string& path) {
    Run run;
    const double start = now();
    trace::TraceStream stream(path);
    const auto handler = [&](const trace::Record& record) {
        ++run.records;
        trace::visit(
            record,
            trace::Visitor{[&](const trace::RunstateChange& e) { run.checksum += e.vcpu.key(); },
                           [&](const trace::Unknown& e) { run.checksum ^= e.event; },
                           [&](const auto&) { run.checksum += record.tsc; }});
    };
    auto read = each_chunk(path, [&](auto bytes) { return stream.feed(bytes, handler); });
    if (!read) return tl::unexpected(read.error());
    stream.finish(handler);
    run.seconds = now() - start;
    return run;
}

/// A flat host of one socket with every CPU of the trace, in one pool: windows need a topology and
/// a bare trace has none.
proto::HostSnapshot flat_host(const std::set<unsigned>& cpus) {
    proto::HostSnapshot snapshot;
    auto* pool = snapshot.add_pools();
    pool->set_name("Pool-0");
    pool->set_scheduler("credit2");
    pool->set_granularity("cpu");
    for (unsigned id : cpus) {
        auto* cpu = snapshot.add_cpus();
        cpu->set_id(id);
        cpu->set_core(id / 2);
        pool->add_cpus(id);
    }
    return snapshot;
}

Result<Run> windows(const std::string& path, const proto::HostSnapshot& host,
                    std::uint64_t tsc_khz) {
    Run run;
    const double start = now();
    trace::TraceStream stream(path);
    WindowBuilder builder({}, tsc_khz, [&](const WindowStats& stats) {
        for (float value : feature_vector(stats).values)
            if (!std::isnan(value)) run.checksum += static_cast<std::uint64_t>(std::abs(value));
    });
    builder.add(TRY(view_of(host)));
    const auto handler = [&](const trace::Record& record) {
        ++run.records;
        builder.add(record);
    };
    auto read = each_chunk(path, [&](auto bytes) { return stream.feed(bytes, handler); });
    if (!read) return tl::unexpected(read.error());
    stream.finish(handler);
    builder.finish();
    run.seconds = now() - start;
    return run;
}

Result<Run> xenalyze(const std::string& program, const std::string& path) {
    Run run;
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    std::string summary = "--summary", program_copy = program, path_copy = path;
    std::array<char*, 4> arguments{program_copy.data(), summary.data(), path_copy.data(), nullptr};
    pid_t child = 0;
    const int error =
        ::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return fail("{}: cannot start: {}", program, std::strerror(error));
    int status = 0;
    rusage usage{};
    ::wait4(child, &status, 0, &usage);
    run.seconds = cpu_seconds(usage);
    if (status != 0) return fail("{}: ended with status {}; is it a xenalyze?", program, status);
    return run;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

Result<void> compare(const std::string& path, const std::string& program, int rounds) {
    // Once through for what the windows need: the CPUs and the TSC's frequency.
    std::set<unsigned> cpus;
    trace::TscCalibrator calibrator;
    trace::TraceStream stream(path);
    const auto look = [&](const trace::Record& record) {
        cpus.insert(record.cpu);
        if (!calibrator.enough()) calibrator(record);
    };
    auto size = each_chunk(path, [&](auto bytes) { return stream.feed(bytes, look); });
    if (!size) return tl::unexpected(size.error());
    stream.finish(look);
    const auto khz = calibrator.khz();
    if (!khz) return fail("{}: too few context switches to tell the TSC frequency", path);
    fmt::print("{}: {:.1f} MB, {} records, {} CPUs, TSC {:.1f} MHz, {} records lost, {} late, {} "
               "windows damaged\n",
               path, static_cast<double>(*size) / 1e6, stream.stats().records, cpus.size(),
               static_cast<double>(*khz) / 1e3, stream.stats().lost, stream.stats().late,
               stream.stats().damaged);

    std::array<std::vector<double>, 3> seconds;
    Run last;
    for (int round = 0; round < rounds; ++round) {
        auto alone = TRY(decode(path));
        auto windowed = TRY(windows(path, flat_host(cpus), *khz));
        seconds[0].push_back(alone.seconds);
        seconds[1].push_back(windowed.seconds);
        last = alone;
        if (program.empty()) continue;
        auto other = TRY(xenalyze(program, path));
        seconds[2].push_back(other.seconds);
    }
    const auto line = [&](std::string_view name, double time) {
        fmt::print("{:<20}{:>10.1f} MB/s{:>10.2f} M events/s{:>10.3f} s (median of {})\n", name,
                   static_cast<double>(*size) / 1e6 / time,
                   static_cast<double>(last.records) / 1e6 / time, time, rounds);
    };
    line("decode", median(seconds[0]));
    line("decode + window", median(seconds[1]));
    if (!program.empty()) {
        line("xenalyze --summary", median(seconds[2]));
        fmt::print("decode + window is {:.2f} times as fast as xenalyze --summary\n",
                   median(seconds[2]) / median(seconds[1]));
    }
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    fmt::print("peak resident memory {:.1f} MB\n", static_cast<double>(usage.ru_maxrss) / 1e3);
    return {};
}

/// Repeats the trace behind itself, each time moved on by its own length in time. Between two
/// repetitions every CPU loses records: nobody may take the end of one for the begin of the next.
Result<void> grow(const std::string& source, const std::string& out, std::uint64_t bytes) {
    auto whole = TRY(read_file(source, std::size_t{1} << 30));
    std::vector<std::uint32_t> words(whole.size() / 4);
    std::memcpy(words.data(), whole.data(), words.size() * 4);

    std::vector<std::size_t> stamps; // where the low words of TSCs stand
    std::set<std::uint32_t> cpus;
    std::uint64_t first = UINT64_MAX, last = 0;
    for (std::size_t at = 0; at < words.size();) {
        const std::uint32_t head = words[at];
        const std::size_t payload = at + ((head & trace::tsc_included) != 0 ? 3 : 1);
        const std::size_t end = payload + (head >> trace::extra_words_shift & 7);
        if (end > words.size()) break;
        const auto stamp = [&](std::size_t where) {
            const std::uint64_t tsc = std::uint64_t{words[where + 1]} << 32 | words[where];
            first = std::min(first, tsc);
            last = std::max(last, tsc);
            stamps.push_back(where);
        };
        if ((head & trace::tsc_included) != 0) stamp(at + 1);
        if ((head & trace::event_mask) == trace::lost_records) stamp(payload + 2);
        if ((head & trace::event_mask) == trace::cpu_change) cpus.insert(words[payload]);
        at = end;
    }
    if (stamps.empty())
        return fail("{}: no record with a time in it; is it an xentrace file?", source);

    const FileDescriptor file(::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file.get() < 0) return fail("{}: cannot create: {}", out, std::strerror(errno));
    const std::uint64_t step = last - first + 2000;
    for (std::uint64_t written = 0; written < bytes;) {
        auto done = write_all(file.get(), std::as_bytes(std::span(words)), out);
        if (!done) return done;
        written += words.size() * 4;
        std::vector<std::uint32_t> seam;
        for (std::uint32_t cpu : cpus) {
            const std::uint64_t begin = last + 1, end = last + 1000;
            seam.insert(seam.end(),
                        {trace::header(trace::cpu_change, 2, false), cpu, 28,
                         trace::header(trace::lost_records, 4, true),
                         static_cast<std::uint32_t>(end), static_cast<std::uint32_t>(end >> 32), 0,
                         trace::idle_domain | cpu << 16, static_cast<std::uint32_t>(begin),
                         static_cast<std::uint32_t>(begin >> 32)});
        }
        done = write_all(file.get(), std::as_bytes(std::span(seam)), out);
        if (!done) return done;
        for (std::size_t where : stamps) {
            const std::uint64_t tsc = (std::uint64_t{words[where + 1]} << 32 | words[where]) + step;
            words[where] = static_cast<std::uint32_t>(tsc);
            words[where + 1] = static_cast<std::uint32_t>(tsc >> 32);
        }
        last += step;
    }
    return {};
}

int run(std::vector<std::string> arguments) {
    int rounds = 5;
    std::string program;
    std::vector<std::string> rest;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i] == "--rounds" && i + 1 < arguments.size())
            rounds = std::max(1, std::atoi(arguments[++i].c_str()));
        else if (arguments[i] == "--xenalyze" && i + 1 < arguments.size())
            program = arguments[++i];
        else
            rest.push_back(arguments[i]);
    }
    Result<void> done;
    if (rest.size() == 4 && rest[0] == "--grow" && std::atoll(rest[1].c_str()) > 0)
        done = grow(rest[2], rest[3],
                    static_cast<std::uint64_t>(std::atoll(rest[1].c_str())) * 1'000'000);
    else if (rest.size() == 1 && rest[0][0] != '-')
        done = compare(rest[0], program, rounds);
    else {
        fmt::print(stderr, "usage: decode-bench [--rounds N] [--xenalyze PATH] FILE\n"
                           "       decode-bench --grow MEGABYTES SOURCE OUT\n");
        return 2;
    }
    if (!done) fmt::print(stderr, "decode-bench: {}\n", done.error().message);
    return done ? 0 : 1;
}

} // namespace
} // namespace intellisched

int main(int argc, char** argv) {
    return intellisched::run(std::vector<std::string>(argv + 1, argv + argc));
}
