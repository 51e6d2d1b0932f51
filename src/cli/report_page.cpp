// SPDX-License-Identifier: MIT
#include "src/cli/report_page.hpp"

#include "src/base/counted.hpp"
#include "src/cli/cells.hpp"
#include "src/cli/pool_text.hpp"
#include "src/cli/report_plots.hpp"
#include "src/page/page.hpp"
#include "src/page/plot.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace intellisched::cli {
namespace {

using page::escaped;

constexpr std::size_t long_text = 2048; ///< bytes of a text that are shown

constexpr std::string_view style =
    R"(td:first-child, th:first-child { text-align: left } .text td, .text th { text-align: left; vertical-align: top }
td.words { text-align: left; white-space: normal } th { color: var(--dim); font-weight: 600 }
figure { margin: 1.2em 0 } figcaption span { font-weight: 400; color: var(--dim) } dt { font-weight: 600 } dd { margin: 0 0 .6em 0 }
.in-force { stroke: var(--blue); stroke-width: 12 } .favourite { stroke: var(--red); stroke-width: 4 }
.key-blue { color: var(--blue) } .key-red { color: var(--red) } footer { margin-top: 3em; color: var(--dim) }
)";

std::string row(std::initializer_list<std::string> cells, const char* cell = "td") {
    std::string text = "<tr>";
    for (const std::string& one : cells)
        text += fmt::format("<{0}>{1}</{0}>", cell, escaped(one, long_text));
    return text + "</tr>\n";
}

std::string table(const std::string& rows, const char* kind = "") {
    return fmt::format("<div class=\"wide\"><table class=\"{}\">\n{}</table></div>\n", kind, rows);
}

std::string paragraph(std::string_view text) {
    return fmt::format("<p>{}</p>\n", escaped(text, long_text));
}

std::string list(const std::vector<std::string>& texts) {
    if (texts.empty()) return {};
    std::string out = "<ul>\n";
    for (const std::string& text : texts)
        out += fmt::format("<li>{}</li>\n", escaped(text, long_text));
    return out + "</ul>\n";
}

std::string at(double seconds) { return local_text(static_cast<service::UnixTime>(seconds * 1e9)); }

/// "2 switches: 1 kept-better, 1 reverted-worse"; empty: none.
std::string switches_text(const std::vector<HistoryLine>& lines) {
    std::map<std::string, unsigned> outcomes;
    unsigned all = 0;
    for (const HistoryLine& line : lines)
        if (line.kind == "switch" && line.event == "switch") ++outcomes[line.outcome], ++all;
    std::vector<std::string> texts;
    for (const auto& [outcome, count] : outcomes)
        texts.push_back(fmt::format("{} {}", count, outcome));
    if (all == 0) return {};
    return fmt::format("{}: {}", counted(all, "switch", "switches"), fmt::join(texts, ", "));
}

std::string summary_of(const Report::OfPool& pool) {
    const std::string name = "Pool " + printable(pool.name, 64) + ": ";
    if (pool.windows.windows() == 0) return name + "no window in this time.";
    const service::Window& newest = pool.windows.newest();
    std::string text = fmt::format(
        "{}{}layout {}{} at {}", name, pool.windows.windows() == 1 ? "" : "at the end ",
        to_string(newest.in_force),
        newest.rate_limit_us ? " and rate limit " + rate_limit_text(*newest.rate_limit_us) : "",
        at(pool.windows.to()));
    Summary score;
    for (const Stretch& one : pool.windows.stretches()) score.add(one.of[Stretch::score]);
    if (score.count > 0)
        text += fmt::format("; its guests fared at {:.0f}% in the mean, where 100% is all that "
                            "they want at full speed",
                            score.mean() * 100);
    const std::string switches = switches_text(pool.lines);
    return text + (switches.empty() ? "; no switch." : "; " + switches + ".");
}

std::vector<std::string> summary_of(const Report& report) {
    std::vector<std::string> sentences;
    if (report.pools.empty())
        sentences.emplace_back("The journal has no pool yet: the service has not seen one.");
    for (const Report::OfPool& pool : report.pools) sentences.push_back(summary_of(pool));
    if (!report.status) {
        sentences.push_back(
            fmt::format("What the service does now is not told: {}{}.", report.no_status,
                        report.status_error.empty()
                            ? ""
                            : fmt::format(" ({})", printable(report.status_error, 300))));
        return sentences;
    }
    for (const auto& pool : report.status->pools()) {
        const std::string name = printable(pool.name(), 64);
        if (pool.recommendations().empty())
            sentences.push_back(fmt::format("Now nothing is recommended for {}.", name));
        for (const auto& change : pool.recommendations())
            sentences.push_back(fmt::format("Now for {}: {}", name, change_text(pool, change)));
    }
    return sentences;
}

std::string versions(const Report& report) {
    std::set<std::string> bundles;
    for (const Report::OfPool& pool : report.pools)
        if (pool.last && !pool.last->bundle.empty())
            bundles.insert(printable(pool.last->bundle, 64));
    std::string rows = row({"Program", "intellisched " + report.version});
    rows += row({"Journal", fmt::format("version {}{}", report.journal_version,
                                        report.journal.empty() ? "" : ", " + report.journal)});
    rows += row({"Model bundle", bundles.empty() ? "none in the journal"
                                                 : fmt::format("{}", fmt::join(bundles, ", "))});
    if (report.capture)
        rows += row({"Xen, as captured", printable(report.capture->manifest.xen_version(), 64)});
    return "<h2>Versions</h2>\n" + table(rows, "text");
}

std::string service_now(const proto::ServiceStatus& status) {
    std::string out = "<h2>The service now</h2>\n" + paragraph(heading(status));
    std::string rows = row({"pool", "mode", "intent", "layout in force", "rate limit in force",
                            "best by the model", "its gain", "switches", "also"},
                           "th");
    for (const auto& pool : status.pools()) {
        const auto [option, gain] = foremost(pool);
        rows += row({pool.name(), pool.mode(), pool.intent(),
                     pool.has_in_force() ? layout_text(pool.in_force()) : "not read",
                     pool.has_rate_limit_us() ? rate_limit_text(pool.rate_limit_us()) : "-",
                     option.empty() ? "-" : option,
                     option.empty() ? "-" : fmt::format("{:+.1f}%", gain * 100),
                     fmt::format("{}", pool.switches()), remark(pool)});
    }
    out += table(rows, "text");
    std::vector<std::string> texts;
    for (const auto& pool : status.pools()) {
        const std::string name = printable(pool.name(), 64);
        for (const auto& change : pool.recommendations())
            texts.push_back(fmt::format("{}: {}", name, change_text(pool, change)));
        for (const auto& reason : pool.reasons())
            texts.push_back(fmt::format("{}: {}: {}", name, pool.decision(), reason.text()));
    }
    return out + list(texts);
}

std::string of_pool(const Report::OfPool& pool, bool since) {
    std::string out = fmt::format("<h2>Pool {}</h2>\n", escaped(pool.name));
    out += plots_of(pool.windows, pool.lines);
    out += "<h3>Recommendations, switches and their trials</h3>\n";
    std::vector<std::string> lines;
    for (const HistoryLine& line : pool.lines) {
        std::string text = text_of(line);
        text.erase(text.find_last_not_of('\n') + 1);
        lines.push_back(std::move(text));
    }
    out += lines.empty() ? paragraph(since ? "None in this time." : "None so far.") : list(lines);
    out += "<h3>The last verdict</h3>\n";
    if (!pool.last) return out + paragraph("None.");
    out += paragraph(fmt::format("{}: {}{}", local_text(pool.last->time),
                                 to_string(pool.last->decision),
                                 pool.last->target ? ", to " + to_string(*pool.last->target) : ""));
    std::vector<std::string> reasons;
    for (const auto& reason : pool.last->reasons) reasons.push_back(reason.text);
    return out + list(reasons);
}

std::string host_of(const Report::OfCapture& capture) {
    std::set<unsigned> sockets, nodes;
    std::set<std::pair<unsigned, unsigned>> cores;
    for (const auto& cpu : capture.snapshot.cpus()) {
        sockets.insert(cpu.socket());
        nodes.insert(cpu.node());
        cores.emplace(cpu.socket(), cpu.core());
    }
    const auto& manifest = capture.manifest;
    std::string rows = row({"CPUs", fmt::format("{}; cores: {}, sockets: {}, NUMA nodes: {}",
                                                capture.snapshot.cpus_size(), cores.size(),
                                                sockets.size(), nodes.size())});
    rows += row({"Xen", manifest.xen_version()});
    rows += row({"Xen's command line", manifest.xen_command_line()});
    rows += row({"Recorded",
                 fmt::format("{} by {}, {} of the trace lost",
                             at(static_cast<double>(manifest.start_realtime_ns()) / 1e9),
                             manifest.recorded_by(), counted(manifest.lost_records(), "record"))});
    if (!manifest.note().empty()) rows += row({"Note", manifest.note()});
    std::string out = "<h2>The host, as captured</h2>\n" + table(rows, "text");
    rows = row({"pool", "scheduler", "CPUs", "layout", "rate limit", "domains"}, "th");
    for (const auto& pool : capture.snapshot.pools())
        rows += row({pool.name(), pool.scheduler(), fmt::format("{}", pool.cpus_size()),
                     pool.has_arrangement() ? layout_text(pool.arrangement()) : "as booted",
                     pool.has_rate_limit_us() ? rate_limit_text(pool.rate_limit_us()) : "-",
                     fmt::format("{}", std::ranges::count(capture.snapshot.domains(), pool.id(),
                                                          &proto::Domain::pool_id))});
    return out + table(rows, "text");
}

/// Who ran meanwhile, most of the time.
std::string behind_text(const proto::GuestRow& guest) {
    if (!guest.has_behind()) return "-";
    const auto& behind = guest.behind();
    return fmt::format("{} {}", behind.id() == guest.id() ? "itself" : behind.name(),
                       percent(behind.part()));
}

std::string guests_of(const proto::Guests& guests) {
    std::string out =
        fmt::format("<h2>Guests of pool {}, as captured</h2>\n", escaped(guests.pool()));
    const std::vector<std::string> reasons(guests.reasons().begin(), guests.reasons().end());
    if (guests.windows() == 0)
        return out + paragraph("Nothing can be told of the guests:") + list(reasons);
    out += paragraph(fmt::format("Over {} of a second. Got: CPUs in the mean; due: of what "
                                 "all guests want, by weight and cap; waits: of the time in which "
                                 "it wants a CPU; p50 and p99: how long one wait is.",
                                 counted(guests.windows(), "window")));
    std::string rows = row({"guest", "id", "vCPUs", "weight", "cap", "got", "due", "waits", "p50",
                            "p99", "mostly for", "class", "cause", "what would help"},
                           "th");
    for (const auto& guest : guests.guests()) {
        rows += row({guest.name().empty() ? "-" : guest.name(), fmt::format("{}", guest.id()),
                     fmt::format("{}", guest.vcpus()), fmt::format("{}", guest.weight()),
                     guest.cap() > 0 ? fmt::format("{}%", guest.cap()) : "-",
                     fmt::format("{:.2f}", guest.got()), fmt::format("{:.2f}", guest.entitled()),
                     percent(guest.waits()),
                     guest.has_wait_p50_us() ? microseconds(guest.wait_p50_us()) : "-",
                     guest.has_wait_p99_us() ? microseconds(guest.wait_p99_us()) : "-",
                     behind_text(guest), guest.has_class_() ? guest.class_().name() : "-",
                     guest.cause(),
                     guest.help().text() +
                         (guest.help().command().empty() ? "" : ": " + guest.help().command())});
    }
    return out + table(rows) + list(reasons);
}

constexpr std::string_view words = R"(<h2>Words</h2>
<dl><dt>layout</dt><dd>how Xen's credit2 scheduler groups CPUs into runqueues: one for each CPU (cpu), core, socket or NUMA node, or one for all.
A vCPU moves freely within a runqueue, and seldom between two.</dd>
<dt>rate limit</dt><dd>how long a vCPU may run before one that wakes up may take its CPU; 1000 us unless it was set, 0 is off.</dd>
<dt>window</dt><dd>one interval of a pool, a second unless it was configured: what the service looks at and judges.</dd>
<dt>gain</dt><dd>by how much the model expects the guests to fare better than under what is in force.</dd>
<dt>switch, trial</dt><dd>the service changes a layout or a rate limit, measures before and after, and keeps the new one or goes back.</dd></dl>
)";

} // namespace

void redact(proto::CaptureManifest& manifest, const Redaction& names) {
    manifest.clear_note();
    names.apply(manifest);
}

Redaction redact(Report& report) {
    Redaction names;
    std::set<std::string> pools(report.journal_pools.begin(), report.journal_pools.end()), guests;
    for (const auto& pool : report.pools) pools.insert(pool.name);
    if (report.status)
        for (const auto& pool : report.status->pools()) pools.insert(pool.name());
    if (report.capture) {
        pools.insert(report.capture->pool_names.begin(), report.capture->pool_names.end());
        guests.insert(report.capture->guest_names.begin(), report.capture->guest_names.end());
    }
    names.add(Redaction::Of::pools, pools);
    names.add(Redaction::Of::guests, guests);
    names.add(Redaction::Of::hosts, {report.host, report.host.substr(0, report.host.find('.'))});

    report.redacted = true;
    report.host.clear();
    report.journal.clear();
    report.journal_pools.clear();
    report.status_error.clear();
    for (auto& pool : report.pools) {
        pool.name = names(pool.name);
        for (auto& line : pool.lines)
            for (std::string* text : {&line.pool, &line.event, &line.outcome, &line.text})
                *text = names(*text);
        if (!pool.last) continue;
        pool.last->bundle = names(pool.last->bundle);
        for (auto& reason : pool.last->reasons) reason.text = names(reason.text);
    }
    if (report.status) names.apply(*report.status);
    if (report.capture) {
        redact(report.capture->manifest, names);
        names.apply(report.capture->snapshot);
        names.apply(report.capture->guests);
    }
    return names;
}

std::string report_page(const Report& report) {
    const page::About about{.subject = report.host.empty() ? "a Xen host" : "Host " + report.host,
                            .date = fmt::format("{}, times are of the host's clock{}",
                                                local_text(report.made),
                                                report.redacted ? "; names are replaced" : "")};
    const auto sentences = summary_of(report);
    std::string out = page::begin("How credit2 was tuned", about, sentences,
                                  std::string(page::plot_style) + std::string(style));
    if (report.status) out += service_now(*report.status);
    for (const Report::OfPool& pool : report.pools) out += of_pool(pool, !report.since.empty());
    if (report.capture) out += host_of(*report.capture) + guests_of(report.capture->guests);
    out += versions(report);
    out += words;
    out += fmt::format(
        "<footer><p>Made by intellisched report from the service's journal. {}</p></footer>\n",
        report.redacted ? "Names of pools and of the host are replaced, and those of guests that "
                          "a capture tells; numbers are as they were. Read it before you send it: "
                          "texts of errors may name what no list has."
                        : "It has the names of guests and pools; with --redact it has not.");
    return out + page::end();
}

} // namespace intellisched::cli
