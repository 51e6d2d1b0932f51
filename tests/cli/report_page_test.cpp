// SPDX-License-Identifier: MIT
// The page of `report`: what is on it, that names are text, and that they can be replaced.
#include "src/cli/redaction.hpp"
#include "src/cli/report_page.hpp"
#include "src/page/plot.hpp"

#include <cmath>
#include <doctest/doctest.h>

using namespace intellisched;
using namespace intellisched::cli;
using namespace intellisched::service;

namespace {

constexpr UnixTime begin = 1'700'000'000'000'000'000;
constexpr const char* hostile = "<script>alert('x')</script>&\"\x1b[31m";
constexpr const char* uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != text.npos;
}

/// A report with that name wherever one can be: of a pool and of a guest.
Report report_with(const std::string& pool, const std::string& guest) {
    Report report;
    report.version = "1.2";
    report.host = "rack7.example.org";
    report.journal = "/srv/secret/journal";
    report.journal_version = 4;
    report.made = begin;
    report.journal_pools = {pool, "other-pool"};
    Report::OfPool of{.name = pool, .windows = {}, .lines = {}, .last = {}};
    for (int i = 120; i-- > 0;) {
        Window window{.begin = begin + static_cast<UnixTime>(second) * i,
                      .length = second,
                      .in_force = {i < 60 ? Layout::socket : Layout::core, no_cap},
                      .rate_limit_us = 1000,
                      .coverage = 0.9,
                      .utility = std::log(0.75),
                      .prediction = Prediction{}};
        window.prediction->best = option_of(Layout::core);
        window.prediction->expected_gain[index(Layout::core)] = i < 60 ? 0.04 : 0;
        window.prediction->probability[index(Layout::core)] = 0.6;
        of.windows.add(window);
    }
    HistoryLine line{.time = begin + 60 * static_cast<UnixTime>(second),
                     .pool = pool,
                     .kind = "switch",
                     .event = "switch",
                     .from = {.arrangement = Arrangement{Layout::socket, no_cap}},
                     .to = {.arrangement = Arrangement{Layout::core, no_cap}},
                     .outcome = "kept-better",
                     .text = fmt::format("of {} in {}, {}", guest, pool, uuid)};
    line.comparison = Comparison{.difference = 0.031, .error = 0.004};
    line.promised = 0.04;
    of.lines = {line};
    of.last = StoredVerdict{.time = begin,
                            .decision = Decision::keep,
                            .bundle = "abc123",
                            .reasons = {{"why", fmt::format("{}: {} is fine", pool, guest)}}};
    report.pools = {of};
    report.status.emplace();
    report.status->set_version("1.2");
    report.status->set_host("watching " + guest + " on rack7");
    auto& now = *report.status->add_pools();
    now.set_name(pool);
    now.set_mode("auto");
    now.set_decision("keep");
    now.add_reasons()->set_text("the other one, other-pool, is busy");
    auto& capture = report.capture.emplace();
    capture.manifest.set_pool(pool);
    capture.manifest.set_xen_version("4.17.5");
    capture.manifest.set_xen_command_line("dom0_mem=4G " + std::string(uuid));
    capture.manifest.set_note("at the customer's");
    for (unsigned cpu = 0; cpu < 4; ++cpu) {
        auto& one = *capture.snapshot.add_cpus();
        one.set_id(cpu);
        one.set_core(cpu / 2);
    }
    auto& in = *capture.snapshot.add_pools();
    in.set_name(pool);
    in.set_scheduler("credit2");
    capture.pool_names = {pool};
    capture.guest_names = {guest};
    auto& domain = *capture.snapshot.add_domains();
    domain.set_name(guest);
    domain.set_uuid(std::string(16, 'u'));
    capture.guests.set_pool(pool);
    capture.guests.set_windows(9);
    auto& row = *capture.guests.add_guests();
    row.set_name(guest);
    row.set_got(1.25);
    row.mutable_behind()->set_name(guest);
    row.mutable_behind()->set_part(0.5);
    row.mutable_behind()->set_id(3);
    row.mutable_help()->set_text(guest + " waits");
    capture.guests.add_reasons("of " + guest);
    return report;
}

} // namespace

TEST_CASE("report: the page has what was given, in words, plots and tables") {
    const std::string page = report_page(report_with("Pool-0", "db"));
    for (const char* part :
         {"layout core and rate limit 1000 us", "fared at 75% in the mean",
          "1 switch: 1 kept-better", "120 windows from", "How the guests fare", "promised +4.0%",
          "(the new one is better)", "Pool-0: db is fine", "abc123", "intellisched 1.2",
          "version 4, /srv/secret/journal", "4; cores: 2, sockets: 1, NUMA nodes: 1", "dom0_mem=4G",
          "1.25", "db waits", "at the customer&#39;s", "class=\"in-force\"", "class=\"favourite\"",
          "prefers-color-scheme: dark"})
        CHECK_MESSAGE(contains(page, part), part);
    for (const char* part : {"<script", "http", "url(", "@import", "src=", "href", "nan", "inf "})
        CHECK_MESSAGE(!contains(page, part), part);
    // All plots have the mark of the switch.
    std::size_t plots = 0, marks = 0;
    for (std::size_t at = 0; (at = page.find("<svg", at)) != page.npos; ++at) ++plots;
    for (std::size_t at = 0; (at = page.find("class=\"mark\"", at)) != page.npos; ++at) ++marks;
    CHECK(plots == 7);
    CHECK(marks == plots);
}

TEST_CASE("report: what guests, pools and a journal name themselves is text") {
    Report report = report_with(hostile, hostile);
    report.host = report.version = report.journal = report.pools[0].last->bundle = hostile;
    report.pools[0].lines[0].event = report.pools[0].lines[0].outcome = hostile;
    report.status->mutable_pools(0)->set_mode(hostile);
    report.capture->manifest.set_xen_version(hostile);
    report.capture->manifest.set_recorded_by(hostile);
    report.capture->manifest.set_note(hostile);
    report.capture->guests.mutable_guests(0)->set_cause(hostile);
    for (int way = 0; way < 3; ++way) {
        const std::string page = report_page(report);
        CHECK(!contains(page, "<script"));
        CHECK(!contains(page, "alert('"));
        CHECK(!contains(page, "\x1b"));
        CHECK((way == 2 || contains(page, "&lt;script&gt;alert(&#39;x&#39;)")));
        if (way == 0) report.status.reset(), report.no_status = report.status_error = hostile;
        if (way == 1) redact(report);
    }
}

TEST_CASE("report: redacted, no name is in it, and the numbers are") {
    const std::string longest(200, 'n');
    for (const std::string& guest : {std::string("crown-jewels"), std::string("web"), longest,
                                     std::string("acme \xc3\xa9\n#1")})
        for (const std::string pool : {"customers", "the pool <7>"}) {
            CAPTURE(guest);
            Report report = report_with(pool, guest);
            redact(report);
            const std::string page = report_page(report);
            for (const std::string& name :
                 {guest, printable(guest), printable(guest, 64), pool, std::string("other-pool"),
                  std::string("rack7"), std::string("/srv/secret"), std::string(uuid),
                  std::string("customer&#39;s"), std::string("&lt;7&gt;")})
                CHECK_MESSAGE(!contains(page, name), name);
            for (const char* part : {"guest-1 is fine", "guest-1 waits", "pool-1", "pool-2",
                                     "fared at 75%", "1.25", "dom0_mem=4G (a UUID)", "+3.1%"})
                CHECK_MESSAGE(contains(page, part), part);
        }
}

TEST_CASE("redaction: a name is a word of its own, the longest first, and never somebody else's") {
    Redaction names;
    names.add(Redaction::Of::guests, {"db", "db-2", "guest-1", "Domain-0", ""});
    names.add(Redaction::Of::pools, {"db", "Pool-0", "edge"});
    CHECK(names("db, db-2: guest-1 (db) of Domain-0 in Pool-0, edge") ==
          "guest-2, guest-3: guest-4 (guest-2) of Domain-0 in Pool-0, pool-1");
    CHECK(names("dbase, mydb, db_2 and edges") == "dbase, mydb, db_2 and edges");
    CHECK(names(fmt::format("x{}", uuid)) == "x(a UUID)");
    CHECK(names("6ba7b810-9dad-11d1-80b4") == "6ba7b810-9dad-11d1-80b4");
}

TEST_CASE("report: an empty journal and a pool without windows have a page, too") {
    Report report;
    report.no_status = "nobody listens";
    std::string page = report_page(report);
    CHECK(contains(page, "The journal has no pool yet"));
    CHECK(contains(page, "nobody listens"));
    CHECK(!contains(page, "<svg"));
    report.pools.push_back({.name = "Pool-0", .windows = {}, .lines = {}, .last = {}});
    page = report_page(report);
    CHECK(contains(page, "no window of this pool"));
    CHECK(contains(page, "None so far."));
    CHECK(page.ends_with("</body></html>\n"));
}

TEST_CASE("plots: an axis has round numbers around what it shows, and no end is cut off") {
    const auto texts = [](const page::Axis& axis) {
        std::string all;
        for (const auto& [at, text] : axis.ticks) all += (all.empty() ? "" : " ") + text;
        return all;
    };
    CHECK(texts(page::value_axis(0, 100, 100, "%")) == "0% 50% 100%");
    CHECK(texts(page::value_axis(0, 0, 2, "%")) == "0% 0.5% 1% 1.5% 2%");
    CHECK(texts(page::value_axis(58.7, 59.3, 10, "%")) == "50% 55% 60% 65%");
    CHECK(texts(page::value_axis(-3, 5, 2, "")) == "-4 -2 0 2 4 6");
    const page::Axis x{0, 10, {{5, "noon"}}};
    const std::vector<page::Reading> readings{{1, 0, 1, 2}, {2, 1, 2, 3}, {9, 0, 1, 1}};
    const std::string plot = page::line_plot(x, {0, 4}, readings, 3, std::vector{5.});
    std::size_t lines = 0;
    for (std::size_t at = 0; (at = plot.find("class=\"mean\"", at)) != plot.npos; ++at) ++lines;
    CHECK(lines == 2); // a gap ends one
    CHECK(contains(plot, ">noon<"));
}
