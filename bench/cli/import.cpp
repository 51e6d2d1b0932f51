// SPDX-License-Identifier: MIT
#include "bench/cli/commands.hpp"
#include "bench/import/host_of.hpp"
#include "collector/capture/writer.hpp"
#include "src/base/counted.hpp"
#include "src/base/files.hpp"
#include "src/base/interrupt.hpp"
#include "src/cli/output.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace intellisched::cli {
namespace {

struct ImportArguments {
    std::string trace;
    std::string topology, pools, vcpus, domains;
    std::string xen_version; ///< where no output tells it
    std::string out;
};

/// Of a file of pasted text; thousands of vCPUs take one.
constexpr std::size_t most_text = std::size_t{4} << 20;

/// Reads what was pasted. A file may hold several outputs, and be named for each of them.
Result<imported::XlText> read_texts(const ImportArguments& options) {
    imported::XlText text;
    std::vector<std::string> read;
    for (const std::string& path :
         {options.topology, options.pools, options.vcpus, options.domains}) {
        if (path.empty() || std::find(read.begin(), read.end(), path) != read.end()) continue;
        const auto bytes = TRY(read_file(path, most_text));
        const std::string_view pasted(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        TRY(imported::read_xl_text(pasted, path, text));
        read.push_back(path);
    }
    // What was named and is not there would be taken for something that nobody has.
    const auto there = [](bool has, const std::string& path, const char* option,
                          const char* command) -> Result<void> {
        if (has || path.empty()) return {};
        return fail("{}: has no output of `{}`, which {} is for; paste it with its first line",
                    path, command, option);
    };
    for (const auto& checked :
         {there(!text.cpus.empty(), options.topology, "--topology", "xl info -n"),
          there(text.pool_cpus || text.pool_schedulers, options.pools, "--pools",
                "xl cpupool-list -c"),
          there(text.vcpu_list, options.vcpus, "--vcpus", "xl vcpu-list"),
          there(text.weight_list, options.domains, "--domains", "xl sched-credit2")})
        if (!checked) return tl::unexpected(checked.error());
    return text;
}

/// Hands the first `most` bytes of the trace to `sink`, a piece at a time.
Result<void> read_trace(const std::string& path, std::uint64_t most,
                        const std::function<Result<void>(std::span<const std::byte>)>& sink) {
    const auto file = TRY(open_to_read(path));
    std::vector<std::byte> piece(std::size_t{1} << 20);
    while (most > 0) {
        if (interrupted) return fail("interrupted; nothing was written");
        const ssize_t n =
            ::read(file.get(), piece.data(), std::min<std::uint64_t>(most, piece.size()));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail("{}: cannot read: {}", path, std::strerror(errno));
        if (n == 0) break;
        most -= static_cast<std::uint64_t>(n);
        TRY(sink(std::span(piece).first(static_cast<std::size_t>(n))));
    }
    return {};
}

proto::CaptureManifest manifest_of(const ImportArguments& options,
                                   const imported::ImportedHost& host) {
    const HostInfo& info = host.info;
    proto::CaptureManifest manifest;
    manifest.set_recorded_by(std::string("intellisched ") + INTELLISCHED_VERSION + ", import");
    manifest.set_pool(host.snapshot.pools(0).name());
    manifest.set_xen_version(info.xen_version.empty() ? options.xen_version : info.xen_version);
    manifest.set_xen_command_line(info.xen_command_line);
    manifest.set_boot_layout(std::string(to_string(info.boot.layout)));
    manifest.set_max_cpus_runqueue(info.boot.max_cpus);
    manifest.set_tsc_khz(info.tsc_khz);
    manifest.set_begin_tsc(host.snapshot.tsc());
    manifest.set_note(
        printable(fmt::format("imported from {}{}{}", options.trace,
                              host.assumed.empty() ? "" : "; ", fmt::join(host.assumed, "; ")),
                  4096));
    return manifest;
}

Result<int> import_trace(const ImportArguments& options) {
    const auto text = TRY(read_texts(options));
    // Twice: a capture begins with what the trace tells of the host.
    imported::TraceSurvey trace(options.trace);
    auto surveyed = read_trace(options.trace, UINT64_MAX,
                               [&](std::span<const std::byte> bytes) { return trace.feed(bytes); });
    if (!surveyed) return tl::unexpected(surveyed.error());
    trace.finish();
    const auto host = imported::host_of(text, trace);
    if (!host) return fail("{}: {}", options.trace, host.error().message);

    auto writer = TRY(capture::Writer::create(options.out, manifest_of(options, *host)));
    auto written = writer.snapshot(host->snapshot);
    if (written)
        written = read_trace(options.trace, trace.stats().bytes,
                             [&](std::span<const std::byte> bytes) { return writer.trace(bytes); });
    if (written) written = writer.finish(trace.end_tsc(), trace.stats().lost);
    if (!written) {
        writer.discard();
        return tl::unexpected(written.error());
    }
    if (const auto late = trace.stats().late; late > 0)
        fmt::print(stderr,
                   "import: {} older than what came before and will be left out; the file may hold "
                   "two traces, or the CPUs' clocks differ\n",
                   counted(late, "record is", "records are"));
    for (const std::string& one : host->assumed) fmt::print(stderr, "import: {}\n", one);
    fmt::print(
        stderr, "{}: {:.1f} s, {}, {} lost; {}, {}, {}\n", options.out,
        static_cast<double>(std::max(trace.end_tsc(), trace.begin_tsc()) - trace.begin_tsc()) /
            (static_cast<double>(host->info.tsc_khz) * 1e3),
        counted(trace.stats().records, "record"), trace.stats().lost,
        counted(host->snapshot.cpus_size(), "CPU"), counted(host->snapshot.pools_size(), "pool"),
        counted(host->snapshot.domains_size(), "domain"));
    return done;
}

} // namespace

void add_import(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "import", "make a capture of an xentrace file and pasted outputs of xl, from any host");
    auto options = std::make_shared<ImportArguments>();
    command->add_option("--trace", options->trace, "the file that `xentrace -D -e 0x2f000` wrote")
        ->required();
    command
        ->add_option("--topology", options->topology,
                     "the output of `xl info -n`; any of the outputs below may be in the same file")
        ->required();
    command->add_option("--pools", options->pools,
                        "the outputs of `xl cpupool-list -c` and `xl cpupool-list`");
    command->add_option("--vcpus", options->vcpus, "the output of `xl vcpu-list`");
    command->add_option("--domains", options->domains, "the output of `xl sched-credit2`");
    command->add_option("--xen-version", options->xen_version,
                        "of the traced host, e.g. 4.20.4, where `xl info` was not pasted");
    command
        ->add_option("--out", options->out,
                     "the directory to make, or the one file by its ending .tar.zst")
        ->required();
    command->callback(
        [options, &action] { action = [options] { return import_trace(*options); }; });
}

} // namespace intellisched::cli
