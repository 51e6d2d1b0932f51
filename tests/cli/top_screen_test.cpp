// SPDX-License-Identifier: MIT
// The screen of `top`: what stands where, what does not fit, and messages that no service of ours
// would send.
#include "src/base/result.hpp"
#include "src/cli/pool_text.hpp"
#include "src/cli/top_screen.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <limits>

using namespace intellisched;
using namespace intellisched::cli;

namespace {

proto::PoolStatus pool_of(const std::string& name) {
    proto::PoolStatus pool;
    pool.set_name(name);
    pool.set_present(true);
    pool.set_mode("recommend");
    pool.set_intent("balanced");
    pool.mutable_in_force()->set_layout("socket");
    pool.mutable_in_force()->set_max_cpus(16);
    pool.set_can_rearrange(true);
    pool.set_rate_limit_us(300);
    pool.set_recommended("core");
    pool.set_expected_gain(0.031);
    pool.set_decision("keep");
    auto& reason = *pool.add_reasons();
    reason.set_code("small-gain");
    reason.set_text("core promises +3.1%, a switch needs +4.0%, and it is a long way to the end of "
                    "this sentence");
    auto& window = *pool.mutable_window();
    window.set_coverage(1);
    window.set_busy(0.45);
    window.set_waiting(2.34);
    window.set_wake_p50_us(12.34);
    window.set_wake_p99_us(1234);
    window.set_switches_s(12'345);
    window.set_moves_s(321);
    pool.set_layout_windows(20);
    for (const auto* name_of : {"cpu", "core", "socket", "node", "all"}) {
        auto& layout = *pool.add_layouts();
        layout.set_layout(name_of);
        layout.set_probability(0.2);
        layout.set_expected_gain(-0.012);
    }
    pool.mutable_layouts(3)->set_same_as("socket");
    pool.set_rate_limit_windows(1);
    for (const unsigned us : {0, 300, 10'000}) {
        auto& limit = *pool.add_rate_limits();
        limit.set_rate_limit_us(us);
        limit.set_probability(0.4);
        limit.set_expected_gain(0.013);
    }
    for (unsigned i = 0; i < 2; ++i) {
        auto& runqueue = *pool.add_runqueues();
        for (unsigned cpu = 0; cpu < 4; ++cpu) runqueue.add_cpus(4 * i + cpu);
        runqueue.set_busy(0.3 + i * 0.4);
    }
    return pool;
}

proto::ServiceStatus status_of(std::initializer_list<const char*> names) {
    proto::ServiceStatus status;
    status.set_version("0.1.0");
    status.set_host("watching");
    for (const auto* name : names) *status.add_pools() = pool_of(name);
    return status;
}

std::string text_of(const std::vector<ScreenLine>& lines) {
    std::string text;
    for (const ScreenLine& line : lines) text += line.text + "\n";
    return text;
}

bool says(const std::vector<ScreenLine>& lines, const std::string& part) {
    return text_of(lines).find(part) != std::string::npos;
}

/// Whatever is shown must be what a terminal of that size can show.
void check_fits(const std::vector<ScreenLine>& lines, const TopView& view) {
    CHECK(lines.size() <= view.height);
    CHECK(std::all_of(lines.begin(), lines.end(), [&](const ScreenLine& line) {
        return line.text.size() <= view.width &&
               std::all_of(line.text.begin(), line.text.end(),
                           [](char c) { return c >= 0x20 && c < 0x7f; });
    }));
}

/// What `top` shows, which fits.
std::vector<ScreenLine> drawn(const proto::ServiceStatus& status, const TopView& view) {
    auto lines = top_screen(status, view);
    check_fits(lines, view);
    return lines;
}

} // namespace

TEST_CASE("top: the whole screen as text") {
    CHECK(text_of(top_screen(status_of({"Pool-0"}), {.width = 90})) ==
          "intellisched 0.1.0, up 0 s; host: watching; model  ()\n"
          "\n"
          "  pool   mode      layout    best          busy  wait wake50 wake99  sw/s  mv/s\n"
          "  Pool-0 recommend socket/16 core +3.1%     45%   2.3 12.3us  1.2ms 12.3k   321\n"
          "\n"
          "Pool-0: socket capped at 16, rate limit 300 us\n"
          "  recommend for balanced; 0 windows, 0 switches, 0 reverts, 0 failed\n"
          "  layout   best? (20 windows)     gain\n"
          "  cpu      [##........]  20%     -1.2%\n"
          "  core     [##........]  20%     -1.2%\n"
          "  socket   [##........]  20%     -1.2%  in force\n"
          "  node     as socket\n"
          "  all      [##........]  20%     -1.2%\n"
          "  limit    best? (last window)     gain\n"
          "  off      [####......]  40%     +1.3%\n"
          "  300 us   [####......]  40%     +1.3%  in force\n"
          "  10000 us [####......]  40%     +1.3%\n"
          "  decision: keep\n"
          "  - core promises +3.1%, a switch needs +4.0%, and it is a long way to the end of this\n"
          "    sentence\n"
          "  2 runqueues: their CPUs, and how busy these were\n"
          "  0-3 [###.......]  30%   4-7 [#######...]  70%\n");
}

TEST_CASE("top: what is recommended, with what to type or when the service does it") {
    auto status = status_of({"Pool-0"});
    auto& pool = *status.mutable_pools(0);
    auto& change = *pool.add_recommendations();
    change.set_rate_limit_us(0);
    change.set_expected_gain(0.05);
    change.set_for_s(90);
    change.set_command("intellisched apply --pool Pool-0 --rate-limit off");
    const auto told = [&] { return change_text(pool, change); };
    const std::string what = "recommended for 90 s: rate limit off, +5.0%; ";
    CHECK(told() == what + "the service does it when nothing is in the way");
    pool.mutable_trial()->set_layout("core");
    CHECK(told() == what + "the service does it, after the trial");
    pool.set_breaker_s(600);
    CHECK(told() == what + "the service does it, in 10 min at the earliest");
    pool.set_paused(true);
    CHECK(told() == what + "the service does it after `intellisched resume`");
    change.set_by_hand(true);
    CHECK(told() == what + "to do it: intellisched apply --pool Pool-0 --rate-limit off");
    CHECK(says(top_screen(status, {.width = 120}), "  " + told()));
}

TEST_CASE("top: where there is no verdict a word says why, and no layout is named") {
    auto status = status_of({"Pool-0"});
    auto& pool = *status.mutable_pools(0);
    CHECK(foremost(pool).option == "core");
    pool.set_can_rearrange(false);
    pool.set_no_verdict("outside-training");
    CHECK(foremost(pool).option.empty());
    CHECK(remark(pool) == "cannot be rearranged, no verdict: outside-training");
    CHECK(says(top_screen(status, {.width = 120}), "; cannot be rearranged, no verdict: outside"));
    // What was recommended before still is.
    pool.add_recommendations()->set_layout("node");
    CHECK(foremost(pool).option == "node");
    CHECK(remark(pool) == "cannot be rearranged");
}

TEST_CASE("top: one is no plural") {
    auto status = status_of({"Pool-0"});
    auto& pool = *status.mutable_pools(0);
    pool.set_windows(1);
    pool.set_switches(1);
    pool.set_reverts(1);
    pool.mutable_trial()->set_layout("core");
    pool.set_trial_windows(1);
    status.set_records_lost(1);
    const auto lines = top_screen(status, {.width = 120});
    CHECK(says(lines, "1 window, 1 switch, 1 revert, 0 failed"));
    CHECK(says(lines, "core on trial, 1 window\n"));
    CHECK(says(lines, "1 record of the trace lost, 0 writes"));
}

TEST_CASE("top: the marked pool alone has details, and the keys are below") {
    const auto status = status_of({"a", "b", "c"});
    const TopView view{.width = 80, .height = 40, .selected = "b"};
    const auto lines = drawn(status, view);
    CHECK(lines.size() == 40);
    CHECK(says(lines, "\nb: socket"));
    CHECK_FALSE(says(lines, "\nc: socket"));
    CHECK(lines.back().text.starts_with("q quit"));
    const auto marked = std::find_if(lines.begin(), lines.end(), [](const ScreenLine& line) {
        return line.style == ScreenLine::Style::marked;
    });
    REQUIRE(marked != lines.end());
    CHECK(marked->text.starts_with("> b"));
    // One that has gone meanwhile.
    CHECK(says(top_screen(status, {.height = 40, .selected = "gone"}), "\na: socket"));
}

TEST_CASE("top: what does not fit is left out, and said to be") {
    proto::ServiceStatus status;
    for (int i = 0; i < 100; ++i) *status.add_pools() = pool_of(fmt::format("pool{:03}", i));
    const TopView view{.width = 80, .height = 24, .selected = "pool050"};
    const auto lines = drawn(status, view);
    CHECK(says(lines, "8 of 100 pools"));
    CHECK(says(lines, "> pool050"));
    CHECK(says(lines, "more lines"));
    status.mutable_pools()->DeleteSubrange(5, 95);
    for (std::size_t width = 0; width < 130; width += 3)
        for (std::size_t height = 0; height < 60; height += height < 12 ? 1 : 7)
            for (const std::optional<std::string>& name :
                 {std::optional<std::string>(), std::optional<std::string>("pool004")}) {
                const TopView small{.width = width, .height = height, .selected = name};
                check_fits(top_screen(status, small), small);
            }
}

TEST_CASE("top: no pools, and a service that is gone") {
    const TopView view{.width = 60, .height = 10, .selected = "", .problem = "no service\x1b[2J"};
    const auto lines = drawn({}, view);
    REQUIRE(lines.size() == 10);
    CHECK(lines[1].text == "no service?[2J");
    CHECK(lines[1].style == ScreenLine::Style::alarm);
}

TEST_CASE("top: a pool that is gone, old windows, lost records, nothing known yet") {
    auto status = status_of({"a"});
    auto& pool = *status.mutable_pools(0);
    pool.set_present(false);
    pool.set_paused(true);
    pool.mutable_window()->set_age_s(90);
    pool.mutable_window()->set_coverage(0.5);
    status.set_records_lost(7);
    auto lines = top_screen(status, {});
    CHECK(says(lines, "a: socket capped at 16, rate limit 300 us; gone, paused"));
    CHECK(says(lines, "the last window ended 90 s ago"));
    CHECK(says(lines, "the trace covers 50% of the window"));
    CHECK(says(lines, "7 records of the trace lost"));

    proto::ServiceStatus bare;
    bare.add_pools()->set_name("new");
    lines = top_screen(bare, {});
    CHECK(says(lines, "not read"));
    CHECK_FALSE(says(lines, "runqueue"));
    CHECK_FALSE(says(lines, "in force"));
}

TEST_CASE("top: numbers and names that cannot be") {
    auto status = status_of({"a\x1b]0;\xc3\xa4\xff\n"});
    auto& pool = *status.mutable_pools(0);
    for (const double value :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity(), 1e300, -1e300, -1.0, 0.0, 999.4, 999.6, 1e9}) {
        auto& window = *pool.mutable_window();
        window.set_busy(value);
        window.set_waiting(value);
        window.set_wake_p50_us(value);
        window.set_wake_p99_us(value);
        window.set_switches_s(value);
        window.set_moves_s(value);
        pool.mutable_layouts(0)->set_probability(value);
        pool.mutable_layouts(0)->set_expected_gain(value);
        pool.mutable_runqueues(0)->set_busy(value);
        pool.mutable_in_force()->set_layout("\x1b");
        pool.mutable_trial()->set_layout("nonsense");
        const TopView view{.width = 80, .height = 40, .selected = ""};
        const auto lines = drawn(status, view);
        CHECK(says(lines, "> a?]0;??? "));
        CHECK_FALSE(says(lines, "nan"));
        CHECK_FALSE(says(lines, "inf%"));
    }
}

TEST_CASE("top: from pool to pool") {
    const auto status = status_of({"a", "b", "c"});
    CHECK(neighbour(status, "a", 1) == "b");
    CHECK(neighbour(status, "c", 1) == "c");
    CHECK(neighbour(status, "a", -1) == "a");
    CHECK(neighbour(status, "gone", 0) == "a");
    CHECK(neighbour({}, "x", 1) == "x");
}
