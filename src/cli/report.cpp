// SPDX-License-Identifier: MIT
// A page of what the service saw, did and recommends, from its journal: for a colleague, or a
// report of a bug; alone, or in one file with the capture that it tells of.
#include "collector/capture/archive.hpp"
#include "collector/capture/reader.hpp"
#include "collector/capture/writer.hpp"
#include "src/base/folder.hpp"
#include "src/base/interrupt.hpp"
#include "src/cli/commands.hpp"
#include "src/cli/guests.hpp"
#include "src/cli/output.hpp"
#include "src/cli/report_page.hpp"
#include "src/cli/shared_options.hpp"
#include "src/cli/since.hpp"
#include "src/host/capture_host.hpp"
#include "src/service/config.hpp"
#include "src/service/control.hpp"

#include <algorithm>
#include <chrono>
#include <unistd.h>

namespace intellisched::cli {
namespace {

using service::UnixTime;

constexpr auto hour = static_cast<UnixTime>(3600 * second);
constexpr std::size_t most_lines = 200; ///< of a pool that are shown

struct ReportArguments {
    std::filesystem::path config = default_config_path;
    std::string out, pool, since, journal, capture;
    std::string bundle;
    bool redact = false;
};

/// Calls take(window) for the pool's windows since then, the newest first.
Result<void> each_window(const service::JournalReader& journal, const std::string& pool,
                         UnixTime since, const std::function<void(const service::Window&)>& take) {
    constexpr std::size_t page = 10'000; // a month has millions
    service::Filter filter{.pool = pool, .since = since, .limit = page};
    for (;;) {
        if (interrupted) return fail("interrupted; nothing was written");
        const auto windows = TRY(journal.windows(filter));
        for (const auto& one : windows) take(one.what);
        if (windows.size() < page || windows.back().what.begin <= since) return {};
        filter.until = windows.back().what.begin - 1;
    }
}

Result<Report::OfPool> read_pool(const service::JournalReader& journal, const std::string& name,
                                 const ReportArguments& options) {
    Report::OfPool pool{.name = name, .windows = {}, .lines = {}, .last = {}};
    service::Filter filter{.pool = name, .limit = 1};
    const auto newest = TRY(journal.windows(filter));
    UnixTime since = newest.empty() ? 0 : newest.front().what.begin - hour;
    if (!options.since.empty()) since = filter.since = *time_from(options.since);
    TRY(each_window(journal, name, since,
                    [&](const service::Window& window) { pool.windows.add(window); }));
    pool.lines = in_short(TRY(events_of(journal, filter, false)));
    if (pool.lines.size() > most_lines)
        pool.lines.erase(pool.lines.begin(), pool.lines.end() - most_lines);
    return pool;
}

Result<void> read_journal(const std::string& path, const ReportArguments& options, Report& report) {
    const auto journal = TRY(service::JournalReader::open(path));
    report.journal = path;
    const auto database = TRY(service::Database::open(path, SQLITE_OPEN_READONLY));
    report.journal_version = TRY(database.value("PRAGMA user_version")).value_or(0);
    for (const auto& verdict : TRY(journal.last_verdicts())) {
        report.journal_pools.push_back(verdict.pool.name);
        if (!options.pool.empty() && options.pool != verdict.pool.name) continue;
        auto pool = TRY(read_pool(journal, verdict.pool.name, options));
        pool.last = verdict.what;
        report.pools.push_back(std::move(pool));
    }
    if (!options.pool.empty() && report.pools.empty()) {
        std::vector<std::string> names;
        for (const std::string& name : report.journal_pools) names.push_back(printable(name, 64));
        return fail("{}: nothing of pool {}; it has: {}", path, printable(options.pool, 64),
                    names.empty() ? "no pool yet" : fmt::format("{}", fmt::join(names, ", ")));
    }
    return {};
}

/// What the running service says, or why it says nothing.
void ask(const ReportArguments& options, Report& report) {
    if (!options.journal.empty()) {
        // It may be of another host than the service here.
        report.no_status = "a journal was named, and no service was asked";
        return;
    }
    proto::ControlRequest request;
    request.set_status(true);
    auto reply = read_socket(options.config).and_then([&](const auto& socket) {
        return service::ask_service(socket, request);
    });
    if (!reply) {
        report.no_status = "no service answered";
        report.status_error = reply.error().message;
        return;
    }
    report.status = std::move(*reply->mutable_status());
    if (options.pool.empty()) return;
    auto& pools = *report.status->mutable_pools();
    pools.erase(std::remove_if(pools.begin(), pools.end(),
                               [&](const auto& pool) { return pool.name() != options.pool; }),
                pools.end());
}

Result<Report::OfCapture> read_capture(const ReportArguments& options) {
    const Bundle bundle = TRY(bundle_path(options.bundle).and_then(read_bundle));
    const auto models = TRY(Models::load(bundle));
    const auto host = TRY(CaptureHost::open(options.capture));
    WatchOptions how;
    how.source.capture = options.capture;
    how.source.pool = options.pool.empty() ? host->manifest().pool() : options.pool;
    const auto watched = TRY(watch(*host, how, &models));
    if (interrupted) return fail("interrupted; nothing was written");
    auto guests = TRY(guests_of(watched, models));
    Report::OfCapture capture{host->manifest(), watched.snapshot, std::move(guests), {}, {}};
    auto reader = TRY(capture::Reader::open(options.capture));
    for (proto::HostSnapshot seen; TRY(reader.next_snapshot(seen));) {
        for (const auto& pool : seen.pools()) capture.pool_names.insert(pool.name());
        for (const auto& domain : seen.domains()) capture.guest_names.insert(domain.name());
    }
    return capture;
}

/// Writes the capture anew with the page in it, and with other names.
Result<void> write_with_capture(const ReportArguments& options, std::span<const std::byte> page,
                                const std::optional<Redaction>& names) {
    auto reader = TRY(capture::Reader::open(options.capture));
    proto::CaptureManifest manifest = reader.manifest();
    if (names) redact(manifest, *names);
    auto writer = TRY(capture::Writer::create(options.out, manifest));
    const auto copied = [&]() -> Result<void> {
        for (proto::HostSnapshot seen; TRY(reader.next_snapshot(seen));) {
            if (names) names->apply(seen);
            TRY(writer.snapshot(seen));
        }
        for (proto::CounterSample sample; TRY(reader.next_counters(sample));)
            TRY(writer.counters(sample));
        for (std::vector<std::byte> bytes; TRY(reader.next_trace(bytes));) {
            if (interrupted) return fail("interrupted; nothing was written");
            TRY(writer.trace(bytes));
        }
        TRY(writer.report(page));
        return writer.finish(manifest.end_tsc(), manifest.lost_records());
    }();
    if (!copied) writer.discard();
    return copied;
}

Result<int> make_report(const ReportArguments& options) {
    const std::filesystem::path out = options.out;
    if (capture::names_archive(out) && options.capture.empty())
        return fail("{}: a report as one file has a capture in it; make one with `intellisched "
                    "record --out CAPTURE`, and name it with --capture",
                    options.out);
    const auto folder = TRY(Folder::open(out.parent_path()));
    std::error_code ignored;
    if (std::filesystem::exists(std::filesystem::symlink_status(out, ignored)))
        return fail("{}: exists already; name a new file", options.out);
    Report report;
    report.version = INTELLISCHED_VERSION;
    report.since = options.since;
    const std::string journal = options.journal.empty()
                                    ? TRY(read_config(options.config)).journal.string()
                                    : options.journal;
    TRY(read_journal(journal, options, report));
    ask(options, report);
    if (!options.capture.empty()) report.capture = TRY(read_capture(options));
    char name[256] = {};
    // A journal that was named may be of another host.
    if (options.journal.empty() && ::gethostname(name, sizeof name - 1) == 0) report.host = name;
    report.made = std::chrono::duration_cast<std::chrono::nanoseconds>(
                      std::chrono::system_clock::now().time_since_epoch())
                      .count();
    std::optional<Redaction> names;
    if (options.redact) names = redact(report);
    const std::string page = report_page(report);
    const auto bytes = std::as_bytes(std::span(page));
    if (capture::names_archive(out)) {
        TRY(write_with_capture(options, bytes, names));
        TRY(print(fmt::format("the report and its capture: {}\n"
                              "to see the page: tar -xf {} report.html; commands take the file "
                              "with --capture\n",
                              options.out, options.out)));
        return done;
    }
    // Root's alone, like the journal: it names guests.
    TRY(folder.write_new(out.filename().string(), bytes, 0600));
    TRY(print(fmt::format("the report as a page: {}\n", options.out)));
    return done;
}

} // namespace

void add_report(CLI::App& app, Action& action) {
    auto* command = app.add_subcommand(
        "report", "write a page of what the service saw, did and recommends, from its journal");
    auto options = std::make_shared<ReportArguments>();
    command
        ->add_option("--out", options->out,
                     "what to write, a new file: the page, NAME.html, or NAME.tar.zst, which has "
                     "the page and the capture in it")
        ->required()
        ->check(CLI::Validator(
            [](const std::string& path) {
                return path.ends_with(".html") || capture::names_archive(path)
                           ? std::string()
                           : fmt::format("a report is a page, NAME.html, or a page and its "
                                         "capture, NAME.tar.zst, not '{}'",
                                         printable(path));
            },
            "NAME.html|NAME.tar.zst"));
    add_config(*command, options->config);
    command->add_option("--pool", options->pool, "the cpupool, by name (default: all)");
    add_since(*command, options->since,
              "windows and switches since then: 2h, yesterday, 2026-11-21 (default: the last hour "
              "of windows, and all switches)");
    command->add_option("--journal", options->journal,
                        "this journal instead of the configuration's; no service is asked then");
    command->add_option("--capture", options->capture,
                        "also the host and its guests, from this capture, a directory or a "
                        ".tar.zst file");
    command->add_option("--bundle", options->bundle,
                        "the model bundle to judge the capture with (default: "
                        "$INTELLISCHED_BUNDLE, else the installed one)");
    command->add_flag("--redact", options->redact,
                      "replace the names of guests, pools and the host; numbers are kept");
    command->callback([options, &action] { action = [options] { return make_report(*options); }; });
}

} // namespace intellisched::cli
