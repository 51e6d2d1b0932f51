// SPDX-License-Identifier: MIT
// What the service takes on dom0: from the end of a window to its verdict, and CPU time and memory
// while a trace flows at a given rate. --help has the rest.
#include "collector/trace/stream.hpp"
#include "collector/window/facts.hpp"
#include "collector/window/window.hpp"
#include "src/base/memory.hpp"
#include "src/host/capture_host.hpp"
#include "src/pool/pool_loop.hpp"
#include "src/service/loop.hpp"
#include "src/service/pool_keeper.hpp"
#include "src/service/watcher.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

namespace intellisched::service {
namespace {

constexpr const char* help = R"(What the service takes on dom0.

    service-bench verdict CAPTURE TRACE
    service-bench load CAPTURE TRACE MB-A-SECOND [SECONDS]

verdict   For each window of TRACE, from the record that ends it to the policy's verdict on it:
          sums, features, prediction, live score, policy (in mode auto, never pleased enough to
          switch), journal. The CPU time of this thread, which others on the machine change
          little, and the time by the clock, which has the disk's in it. Not in it: the rounds of
          100 ms or so by which the trace's merge stays behind, and the way from the watcher's
          thread to the loop's.
load      Feeds TRACE to the service's own threads (watcher and loop) at a rate, in pieces as Xen's
          buffers are emptied (every 100 ms), for 10 s or SECONDS, and prints the CPU time of all
          threads as a part of one core, and resident memory, now (VmRSS) and at most (VmHWM). A
          window is as long as gives one a second at that rate, whatever the rate of the recording
          was. Not in it: calls of libxl and xenstat, which need a Xen.

CAPTURE tells the topology, the pools and the domains. TRACE is its trace, repeated until there is
enough of it: 100 s for p99, and for a load two seconds more than are measured. For instance, in
build/:

    src/cli/intellisched record --host sim:../bench/scenarios/64-vcpus.scenario --out capture
    zstd -dc capture/trace.zst >once.trace
    bench/perf/decode-bench --grow 1300 once.trace big.trace
    bench/perf/service-bench verdict capture big.trace
    bench/perf/service-bench load capture big.trace 20

The model is that of INTELLISCHED_BUNDLE, else models/default.bundle. The journal is made in a
folder below TMPDIR, else /tmp, and removed. With GLIBC_TUNABLES=glibc.malloc.hugetlb=1 in the
environment it runs as the systemd unit has it.
)";

constexpr double ns_of_second = 1e9;
constexpr auto drain_every = std::chrono::milliseconds(100);
constexpr std::size_t chunk_size = std::size_t{256} << 10;

double seconds_of(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / ns_of_second;
}

double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// The first pool of the capture, as the service knows it, and the way from a window to a verdict:
/// what Service does with what its watcher sees.
class Judge {
  public:
    static Result<std::unique_ptr<Judge>> make(const std::filesystem::path& folder) {
        const char* name = std::getenv("INTELLISCHED_BUNDLE");
        const auto bundle = TRY(read_bundle(name ? name : INTELLISCHED_BUNDLE));
        auto models = TRY(Models::load(bundle));
        auto journal = TRY(Journal::open(folder / "journal.db", "bench", 0));
        return std::unique_ptr<Judge>(new Judge(std::move(models), std::move(journal)));
    }

    Result<void> saw(const HostView& host, const Change& boot) {
        if (host.pools.empty()) return fail("the capture has no pool; record another one");
        const Pool& pool = host.pools.front();
        snapshot_ = host.snapshot;
        const auto facts = pool_facts(snapshot_, host.topology, pool, *boot.arrangement, {});
        if (!keeper_) {
            vcpus_ = facts.vcpus;
            cpus_ = facts.cpus;
            // Auto is the dearest mode; that it never switches keeps every window alike.
            PoolConfig config{.name = pool.name, .mode = Mode::automatic};
            config.settings.switch_margins.gain = 1;
            keeper_.emplace(PoolName{pool.name, pool.id}, config, journal_, "bench", now(),
                            [](const Request&) {});
        }
        keeper_->saw(pool_seen(facts, host.topology, pool, boot), pool.id, now_, now());
        return {};
    }

    Result<void> saw(const WindowStats& stats) {
        if (!keeper_ || stats.facts.pool != keeper_->pool().name) return {};
        now_ += second;
        const auto looked =
            TRY(look(stats, snapshot_, models_, {.intent = keeper_->state().intent}));
        keeper_->saw(looked.seen, looked.features, second, models_.layout.manifest().id(), now());
        ++windows_;
        return {};
    }

    [[nodiscard]] unsigned windows() const { return windows_; }
    [[nodiscard]] std::string what() const {
        return fmt::format("{} vCPUs on {} CPUs", vcpus_, cpus_);
    }

  private:
    Judge(Models models, Journal journal)
        : models_(std::move(models)), journal_(std::move(journal)) {}
    [[nodiscard]] Moment now() const { return {now_, static_cast<UnixTime>(now_)}; }

    Models models_;
    Journal journal_;
    proto::HostSnapshot snapshot_;
    std::optional<PoolKeeper> keeper_;
    Nanoseconds now_ = second;
    unsigned windows_ = 0, vcpus_ = 0, cpus_ = 0;
};

/// What a capture tells beside its trace, and how much of that there is a second.
struct Recorded {
    HostInfo info;
    HostView host;
    double bytes_a_second = 0; ///< of the TSC
};

Result<Recorded> look_at(const std::string& path) {
    auto host = TRY(CaptureHost::open(path));
    Recorded recorded{host->info(), {}, 0};
    if (recorded.info.tsc_khz == 0) return fail("{}: does not tell the TSC frequency", path);
    trace::TraceStream stream(path);
    std::uint64_t first = 0, last = 0;
    const auto look = [&](const trace::Record& record) {
        if (first == 0) first = record.tsc;
        last = record.tsc;
    };
    bool seen = false;
    for (;;) {
        auto item = TRY(host->next());
        if (!item) break;
        if (const auto* now = std::get_if<HostView>(&*item)) {
            // The last one, which knows all domains, as if it had been there from the start.
            const auto tsc = (seen ? recorded.host : *now).snapshot.tsc();
            seen = true;
            recorded.host = *now;
            recorded.host.snapshot.set_tsc(tsc);
        } else if (const auto* piece = std::get_if<TraceBytes>(&*item)) {
            TRY(stream.feed(piece->bytes, look));
        }
    }
    stream.finish(look);
    for (Pool& pool : recorded.host.pools) pool.can_rearrange = true;
    const double length =
        static_cast<double>(last - first) / (static_cast<double>(recorded.info.tsc_khz) * 1e3);
    if (!(length > 0)) return fail("{}: has no trace to speak of", path);
    recorded.bytes_a_second = static_cast<double>(stream.stats().bytes) / length;
    return recorded;
}

Result<FileDescriptor> open_trace(const std::string& path) {
    FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return fail("{}: cannot open: {}", path, std::strerror(errno));
    return file;
}

/// The value below which a part `q` lies.
double quantile(std::vector<double> values, double q) {
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
}

Result<void> verdicts(const Recorded& recorded, const std::string& path, Judge& judge) {
    auto file = TRY(open_trace(path));
    TRY(judge.saw(recorded.host, booted(recorded.info)));

    std::vector<double> cpu, wall;
    Result<void> judged;
    WindowBuilder builder({1, recorded.info.boot}, recorded.info.tsc_khz,
                          [&](const WindowStats& stats) { judged = judge.saw(stats); });
    builder.add(recorded.host);
    trace::TraceStream stream(path);
    std::uint64_t next_end = 0;
    const auto handle = [&](const trace::Record& record) {
        if (next_end == 0) next_end = record.tsc + recorded.info.tsc_khz * 1000;
        if (record.tsc < next_end) return builder.add(record);
        const unsigned before = judge.windows();
        const double cpu_before = seconds_of(CLOCK_THREAD_CPUTIME_ID);
        const double wall_before = seconds_of(CLOCK_MONOTONIC);
        builder.add(record);
        if (judge.windows() != before) {
            wall.push_back((seconds_of(CLOCK_MONOTONIC) - wall_before) * 1e6);
            cpu.push_back((seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu_before) * 1e6);
        }
        next_end += recorded.info.tsc_khz * 1000;
    };
    std::vector<std::byte> chunk(chunk_size);
    for (ssize_t n = 0; (n = ::read(file.get(), chunk.data(), chunk.size())) > 0 && judged;) {
        auto fed = stream.feed(std::span(chunk).first(static_cast<std::size_t>(n)), handle);
        if (!fed) return fed;
    }
    if (!judged) return judged;
    if (cpu.size() < 10)
        return fail("{}: {} windows of a second are too few; grow it", path, cpu.size());
    fmt::print("{}, {} windows, from the end of one to its verdict:\n"
               "  CPU time   median {:.0f} us   p99 {:.0f} us   most {:.0f} us\n"
               "  clock      median {:.0f} us   p99 {:.0f} us   most {:.0f} us\n",
               judge.what(), cpu.size(), quantile(cpu, 0.5), quantile(cpu, 0.99), quantile(cpu, 1),
               quantile(wall, 0.5), quantile(wall, 0.99), quantile(wall, 1));
    return {};
}

/// The capture's host, whose trace flows at a rate of the clock.
class PacedHost final : public Host {
  public:
    PacedHost(Recorded recorded, FileDescriptor trace, double rate)
        : recorded_(std::move(recorded)), trace_(std::move(trace)), rate_(rate) {}
    const HostInfo& info() const override { return recorded_.info; }
    Result<std::optional<HostItem>> next() override {
        if (!std::exchange(begun_, true)) {
            start_ = Clock::now();
            due_ = start_;
            return recorded_.host;
        }
        if (left_ == 0) {
            due_ += drain_every;
            std::this_thread::sleep_until(due_);
            const auto wanted = static_cast<std::uint64_t>(
                rate_ * std::chrono::duration<double>(due_ - start_).count());
            left_ = wanted - given_;
            given_ = wanted;
        }
        TraceBytes piece;
        piece.bytes.resize(left_);
        const ssize_t n = ::read(trace_.get(), piece.bytes.data(), piece.bytes.size());
        if (n <= 0) return std::nullopt;
        piece.bytes.resize(static_cast<std::size_t>(n));
        left_ -= static_cast<std::uint64_t>(n);
        return piece;
    }

  private:
    using Clock = std::chrono::steady_clock;
    Recorded recorded_;
    FileDescriptor trace_;
    double rate_; ///< bytes a second
    bool begun_ = false;
    Clock::time_point start_, due_;
    std::uint64_t given_ = 0, left_ = 0;
};

std::string memory() {
    std::ifstream file("/proc/self/status");
    std::string text;
    for (std::string line; std::getline(file, line);)
        for (const std::string_view name : {"VmRSS:", "VmHWM:"})
            if (line.starts_with(name))
                text += fmt::format("{}{} {:.1f} MB", text.empty() ? "" : ", ",
                                    name.substr(0, name.size() - 1),
                                    std::atof(line.c_str() + name.size()) * 1024 / 1e6);
    return text;
}

Result<void> load(const Recorded& recorded, const std::string& path, Judge& judge, double rate,
                  double seconds) {
    auto loop = TRY(Loop::make());
    auto watcher =
        Watcher::start({.open = [&]() -> Result<std::unique_ptr<Host>> {
                            auto file = TRY(open_trace(path));
                            return std::make_unique<PacedHost>(recorded, std::move(file), rate);
                        },
                        .window_seconds = rate / recorded.bytes_a_second});
    if (!watcher) return tl::unexpected(watcher.error());
    Result<void> went;
    std::uint64_t lost = 0;
    auto source = loop.on_ready((*watcher)->fd(), EPOLLIN, [&](std::uint32_t) {
        while (const auto news = (*watcher)->take()) {
            if (const auto* reading = std::get_if<Reading>(&*news))
                went = judge.saw(reading->host, reading->boot);
            else if (const auto* window = std::get_if<WindowNews>(&*news)) {
                lost += window->stats.lost;
                went = judge.saw(window->stats);
            } else if (const auto* failed = std::get_if<HostFailed>(&*news))
                went = fail("{}: {}; grow it", path, failed->error.message);
            if (!went) return;
        }
    });
    if (!source) return tl::unexpected(source.error());
    const auto run = [&](double end) -> Result<void> {
        while (went && seconds_of(CLOCK_MONOTONIC) < end) TRY(loop.turn(drain_every));
        return went;
    };
    // The first second and a half read the model's and the journal's pages for the first time.
    const double begin = seconds_of(CLOCK_MONOTONIC) + 1.5;
    TRY(run(begin));
    const double cpu = cpu_seconds();
    const unsigned windows = judge.windows();
    const double start = seconds_of(CLOCK_MONOTONIC);
    TRY(run(start + seconds));
    const double took = seconds_of(CLOCK_MONOTONIC) - start;
    fmt::print("{}, {:.1f} MB/s for {:.1f} s, {} windows, {} records lost: {:.2f}% of a core, {}\n",
               judge.what(), rate / 1e6, took, judge.windows() - windows, lost,
               (cpu_seconds() - cpu) / took * 100, memory());
    return {};
}

Result<void> measure(const std::vector<std::string>& arguments) {
    auto recorded = TRY(look_at(arguments[1]));
    const char* temporary = std::getenv("TMPDIR");
    std::string folder = std::string(temporary ? temporary : "/tmp") + "/service-bench-XXXXXX";
    if (!::mkdtemp(folder.data())) return fail("{}: {}", folder, std::strerror(errno));
    auto done = [&]() -> Result<void> {
        auto judge = TRY(Judge::make(folder));
        if (arguments[0] == "verdict") return verdicts(recorded, arguments[2], *judge);
        return load(recorded, arguments[2], *judge, std::atof(arguments[3].c_str()) * 1e6,
                    arguments.size() > 4 ? std::atof(arguments[4].c_str()) : 10);
    }();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    return done;
}

int run(const std::vector<std::string>& arguments) {
    if (arguments.size() == 1 && arguments[0] == "--help") {
        fmt::print("{}", help);
        return 0;
    }
    const bool verdict = arguments.size() == 3 && arguments[0] == "verdict";
    const bool load = (arguments.size() == 4 || arguments.size() == 5) && arguments[0] == "load" &&
                      std::atof(arguments[3].c_str()) > 0 &&
                      (arguments.size() == 4 || std::atof(arguments[4].c_str()) > 0);
    if (!verdict && !load) {
        fmt::print(stderr, "service-bench: wrong usage; try service-bench --help\n");
        return 2;
    }
    const auto done = measure(arguments);
    if (!done) fmt::print(stderr, "service-bench: {}\n", done.error().message);
    return done ? 0 : 1;
}

} // namespace
} // namespace intellisched::service

int main(int argc, char** argv) {
    intellisched::keep_little_memory(); // as the service does
    return intellisched::service::run(std::vector<std::string>(argv + 1, argv + argc));
}
