// SPDX-License-Identifier: MIT
#include "src/cli/source.hpp"

#include <array>

namespace intellisched::cli {

void Source::add_to(CLI::App& command) {
    command.add_option("--pool", pool, "the cpupool, by name or id")->capture_default_str();
    auto* from = command.add_option("--capture", capture,
                                    "read a recorded capture instead of the "
                                    "live host; short for --host capture:PATH");
    command
        .add_option("--host", host,
                    "where to look: xen (default in a dom0), capture:PATH or sim:SCENARIO")
        ->excludes(from);
}

void Source::add_trace_options(CLI::App& command) {
    command
        .add_option("--buffer-pages", xen.buffer_pages,
                    "trace buffer a CPU in pages of 4 KiB; Xen takes it once a boot")
        ->capture_default_str()
        ->check(CLI::Range(1U, 65535U));
    command
        .add_option("--duty", xen.duty_ms, "milliseconds of every second in which tracing is on")
        ->capture_default_str()
        ->check(CLI::Range(1U, 1000U));
    command.add_option("--trace", xen.trace_from,
                       "take the trace from a file or FIFO that `xentrace -e 0x2f000` writes, or "
                       "from standard input (-), instead of the live buffers");
    // Once all is parsed: --host may stand behind them.
    command.parse_complete_callback([this, &command] {
        if (live()) return;
        for (const char* option : std::array{"--buffer-pages", "--duty", "--trace"})
            if (command.count(option) > 0)
                throw CLI::ValidationError(option, "is for the live host, and " + place() +
                                                       " is none; leave one of the two out");
        if (command.get_option_no_throw("--seconds") && command.count("--seconds") > 0)
            fmt::print(stderr, "{}: --seconds is for the live host; {} is read to its end\n",
                       command.get_name(), place());
    });
}

Result<std::unique_ptr<Host>> Source::open() const { return open_host(place(), xen); }

} // namespace intellisched::cli
