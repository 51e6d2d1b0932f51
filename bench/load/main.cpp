// SPDX-License-Identifier: MIT
// guest-load: puts a stated load on this machine and reports once a second, in one
// line of key=value, what it achieved. Made for the laboratory's guests, where dom0
// names the load in xenstore; runs on any Linux.
#include "clock.hpp"
#include "load.hpp"
#include "spec.hpp"
#include "work.hpp"
#include "xenstore.hpp"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <unistd.h>

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

const char* const kUsage =
    "Usage: guest-load [--load SPEC] [--seconds N] [--stdout]   report here\n"
    "       guest-load --xenstore [--load SPEC]                 be a guest of the laboratory\n"
    "       guest-load --check --load SPEC                      only say whether SPEC is right\n"
    "\n"
    "Puts a load on this machine and reports once a second. With --xenstore the load\n"
    "is what dom0 writes to data/load in this guest's area, and may change at any time;\n"
    "reports go to data/report as well as to standard output, and data/state says\n"
    "\"running SPEC\" or \"error SPEC: why\".\n"
    "\n";

const char* const kReportHelp =
    "\n"
    "A report's fields:\n"
    "  seq          counts the reports, from 1\n"
    "  load         the load's name;  threads: its workers\n"
    "  ms           milliseconds the report covers\n"
    "  work         work units per second (a unit is 256 steps of a fixed loop)\n"
    "  wakes        wake-ups measured;  wake_p50_us, wake_p99_us, wake_max_us: from the\n"
    "               requested time (pingpong: from the hand-over) until the thread ran\n"
    "  deadlines    jobs due;  misses: of these, jobs that were late (periodic)\n"
    "  wrong        stretches of work that came to a wrong result\n"
    "  clock_ms     the monotonic clock, to hold against another machine's\n";

struct Options {
    std::string load = "idle";
    std::int64_t seconds = 0; // 0: for ever
    bool xenstore = false;
    bool check = false;
};

struct Usage : std::runtime_error {
    using std::runtime_error::runtime_error;
};

Options parse_options(int argc, char** argv) {
    Options options;
    const auto value = [&](int& i) {
        if (i + 1 >= argc) throw Usage(std::string(argv[i]) + ": a value is missing");
        return std::string(argv[++i]);
    };
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument == "--load") {
            options.load = value(i);
        } else if (argument == "--seconds") {
            const std::string text = value(i);
            const auto [end, error] =
                std::from_chars(text.data(), text.data() + text.size(), options.seconds);
            if (error != std::errc{} || *end != '\0' || options.seconds < 1 ||
                options.seconds > 1'000'000)
                throw Usage("--seconds " + text + ": write a number from 1 to 1000000");
        } else if (argument == "--xenstore") {
            options.xenstore = true;
        } else if (argument == "--check") {
            options.check = true;
        } else if (argument != "--stdout") { // the default, for those who like to say it
            throw Usage(argument + ": unknown option; try --help");
        }
    }
    return options;
}

void print(const std::string& line) {
    std::fputs((line + "\n").c_str(), stdout);
    std::fflush(stdout);
}

std::string numbered(std::uint64_t sequence, const std::string& report) {
    return "report seq=" + std::to_string(sequence) + " " + report;
}

void run_here(const Options& options, unsigned vcpus) {
    Load load(parse_spec(options.load, vcpus));
    const std::int64_t start = now_ns();
    for (std::int64_t second = 1; options.seconds == 0 || second <= options.seconds; ++second) {
        const timespec until = to_timespec(start + second * kSecond);
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
        }
        print(numbered(static_cast<std::uint64_t>(second), load.format(load.report())));
    }
}

[[noreturn]] void run_in_guest(const Options& options, unsigned vcpus) {
    Xenstore xenstore;
    xenstore.watch("data/load"); // fires once at once, and then at every change

    std::string current;
    std::unique_ptr<Load> load;
    std::uint64_t sequence = 0;
    std::int64_t next = now_ns();
    const auto change_to = [&](const std::string& text) {
        try {
            const Spec spec = parse_spec(text, vcpus);
            load.reset();
            load = std::make_unique<Load>(spec);
            current = text;
            next = now_ns() + kSecond;
            xenstore.write("data/state", "running " + text);
        } catch (const BadSpec& error) {
            xenstore.write("data/state", "error " + text + ": " + error.what());
            print("guest-load: " + std::string(error.what()));
        }
    };
    change_to(options.load);
    for (;;) {
        if (xenstore.wait_for_change(next)) {
            const std::optional<std::string> wanted = xenstore.read("data/load");
            if (wanted && *wanted != current) change_to(*wanted);
            continue;
        }
        // From the last due time, so that reports do not drift; but after a late one neither a
        // burst of more nor one that covers hardly any time.
        do next += kSecond;
        while (next < now_ns() + kSecond / 2);
        const std::string line = numbered(++sequence, load->format(load->report()));
        print(line);
        xenstore.write("data/report", line);
    }
}

} // namespace

int main(int argc, char** argv) {
    for (int i = 1; i < argc; ++i)
        if (std::strcmp(argv[i], "--help") == 0) {
            std::printf("%s%s%s", kUsage, kSpecHelp, kReportHelp);
            return 0;
        }
    try {
        const Options options = parse_options(argc, argv);
        const auto vcpus = static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN));
        parse_spec(options.load, vcpus);
        if (options.check) return 0;
        work::calibrate();
        std::fprintf(stderr, "guest-load: %u vCPUs, %.0f work units in a millisecond\n", vcpus,
                     work::units_per_ms());
        if (options.xenstore) run_in_guest(options, vcpus);
        run_here(options, vcpus);
        return 0;
    } catch (const BadSpec& error) {
        std::fprintf(stderr, "guest-load: %s\n", error.what());
        return 2;
    } catch (const Usage& error) {
        std::fprintf(stderr, "guest-load: %s\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "guest-load: %s\n", error.what());
        return 1;
    }
}
