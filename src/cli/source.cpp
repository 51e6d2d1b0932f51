// SPDX-License-Identifier: MIT
#include "src/cli/source.hpp"

#include <array>

namespace intellisched::cli {

CLI::Validator host_validator() {
    return {[](const std::string& host) {
                const auto known = check_host(host);
                return known ? std::string() : known.error().message;
            },
            "HOST"};
}

void Source::add_to(CLI::App& command) {
    command.add_option("--pool", pool, "the cpupool, by name or id")->capture_default_str();
    auto* from =
        command.add_option("--capture", capture,
                           "read a recorded capture, a directory or a .tar.zst file, instead of "
                           "the live host; short for --host capture:PATH");
    command
        .add_option("--host", host,
                    "where to look: xen (default in a dom0), capture:PATH or sim:SCENARIO")
        ->excludes(from)
        ->check(host_validator());
}

void Source::add_trace_options(CLI::App& command) {
    auto* trace = command.add_option(
        "--trace", xen.trace_from,
        "take the trace from a file or FIFO that `xentrace -e 0x2f000` writes, or "
        "from standard input (-), instead of the live buffers");
    command
        .add_option("--buffer-pages", xen.buffer_pages,
                    "trace buffer a CPU in pages of 4 KiB; Xen takes it once a boot")
        ->capture_default_str()
        ->check(CLI::Range(1U, 65535U))
        ->excludes(trace);
    command
        .add_option("--duty", xen.duty_ms, "milliseconds of every second in which tracing is on")
        ->capture_default_str()
        ->check(CLI::Range(1U, 1000U))
        ->excludes(trace);
    // Once all is parsed: --host may stand behind them.
    command.parse_complete_callback([this, &command] {
        if (live()) return;
        for (const char* name : std::array{"--buffer-pages", "--duty", "--trace", "--seconds"})
            if (const auto* option = command.get_option_no_throw(name); option && *option)
                throw CLI::ValidationError(name, "is for the live host, and " + place() +
                                                     " is none; leave one of the two out");
    });
}

Result<std::unique_ptr<Host>> Source::open() const { return open_host(place(), xen); }

} // namespace intellisched::cli
