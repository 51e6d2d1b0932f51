// SPDX-License-Identifier: MIT
// What the service tells Prometheus: the text to the byte, with names that would break it.
#include "src/service/metrics.hpp"
#include "tests/support/capture_files.hpp"

#include <cmath>
#include <limits>
#include <sys/stat.h>

using namespace intellisched;
using namespace intellisched::test;

TEST_CASE("metrics: the whole text") {
    ServiceMetrics metrics{.host_up = true,
                           .records_lost = 12'345'678'901,
                           .windows = 42,
                           .journal_errors = 0,
                           .model_id = "0123456789ab",
                           .model_name = "default",
                           .loop_seconds = 0.0125,
                           .written_seconds = 1.5e9 + 2};
    PoolMetrics pool{.name = "Pool-0", .mode = Mode::automatic};
    pool.requested = Arrangement{Layout::core, no_cap};
    pool.effective = Arrangement{Layout::socket, 16};
    pool.rate_limit_us = 300;
    pool.recommended[index(Knob::layout)] = {option_of(Layout::core), 0.03, 1.5e9};
    pool.recommended[index(Knob::rate_limit)] = {all_options.back(), 0.015, 1.5e9 + 1};
    pool.can_apply = {false, true};
    pool.prediction = Prediction{.probability = {0.1, 0.5, 0.2, 0.15, 0.05},
                                 .expected_gain = {-0.02, 0.03, 0, 1e-9, 0}};
    pool.utility = -0.25;
    pool.windows = 40;
    pool.rejected = {{"records-lost", 2}, {"too-little-data", 1}};
    pool.switches = 3;
    pool.reverts = 2;
    pool.failed_applies = 1;
    pool.trial = pool.breaker_open = pool.paused = true;
    metrics.pools = {pool, {.name = "db", .mode = Mode::off, .windows = 2}};
    CHECK(metrics_text(metrics) ==
          "# HELP intellisched_model_info The model that is in use.\n"
          "# TYPE intellisched_model_info gauge\n"
          "intellisched_model_info{id=\"0123456789ab\",name=\"default\"} 1\n"
          "# HELP intellisched_host_up 1 while the host is watched, 0 while it cannot be.\n"
          "# TYPE intellisched_host_up gauge\n"
          "intellisched_host_up 1\n"
          "# HELP intellisched_trace_records_lost_total Records of the trace that were lost.\n"
          "# TYPE intellisched_trace_records_lost_total counter\n"
          "intellisched_trace_records_lost_total 12345678901\n"
          "# HELP intellisched_windows_total Windows of all pools.\n"
          "# TYPE intellisched_windows_total counter\n"
          "intellisched_windows_total 42\n"
          "# HELP intellisched_journal_errors_total Writes to the journal that failed.\n"
          "# TYPE intellisched_journal_errors_total counter\n"
          "intellisched_journal_errors_total 0\n"
          "# HELP intellisched_last_loop_duration_seconds How long the last loop took.\n"
          "# TYPE intellisched_last_loop_duration_seconds gauge\n"
          "intellisched_last_loop_duration_seconds 0.0125\n"
          "# HELP intellisched_written_timestamp_seconds When this was written, in seconds of the "
          "Unix epoch.\n"
          "# TYPE intellisched_written_timestamp_seconds gauge\n"
          "intellisched_written_timestamp_seconds 1500000002\n"
          "# HELP intellisched_pool_mode_info What may be done with the pool.\n"
          "# TYPE intellisched_pool_mode_info gauge\n"
          "intellisched_pool_mode_info{pool=\"Pool-0\",mode=\"auto\"} 1\n"
          "intellisched_pool_mode_info{pool=\"db\",mode=\"off\"} 1\n"
          "# HELP intellisched_pool_requested_layout_info The layout that was asked for last, and "
          "its cap on the CPUs of a runqueue.\n"
          "# TYPE intellisched_pool_requested_layout_info gauge\n"
          "intellisched_pool_requested_layout_info{pool=\"Pool-0\",layout=\"core\",max_cpus="
          "\"none\"} 1\n"
          "# HELP intellisched_pool_effective_layout_info The layout in force, and its cap on the "
          "CPUs of a runqueue.\n"
          "# TYPE intellisched_pool_effective_layout_info gauge\n"
          "intellisched_pool_effective_layout_info{pool=\"Pool-0\",layout=\"socket\",max_cpus="
          "\"16\"} 1\n"
          "# HELP intellisched_pool_rate_limit_seconds The rate limit in force; 0: off.\n"
          "# TYPE intellisched_pool_rate_limit_seconds gauge\n"
          "intellisched_pool_rate_limit_seconds{pool=\"Pool-0\"} 0.0003\n"
          "# HELP intellisched_pool_recommended_layout_info The layout that is worth a change; "
          "absent where none is.\n"
          "# TYPE intellisched_pool_recommended_layout_info gauge\n"
          "intellisched_pool_recommended_layout_info{pool=\"Pool-0\",layout=\"core\"} 1\n"
          "# HELP intellisched_pool_recommended_rate_limit_seconds The rate limit that is worth a "
          "change; absent where none is.\n"
          "# TYPE intellisched_pool_recommended_rate_limit_seconds gauge\n"
          "intellisched_pool_recommended_rate_limit_seconds{pool=\"Pool-0\"} 0.01\n"
          "# HELP intellisched_pool_recommended_gain_ratio Gain that is expected of the "
          "recommended change; 0.05 is 5%.\n"
          "# TYPE intellisched_pool_recommended_gain_ratio gauge\n"
          "intellisched_pool_recommended_gain_ratio{pool=\"Pool-0\",knob=\"layout\"} 0.03\n"
          "intellisched_pool_recommended_gain_ratio{pool=\"Pool-0\",knob=\"rate-limit\"} 0.015\n"
          "# HELP intellisched_pool_recommended_timestamp_seconds Since when the change is "
          "recommended, in seconds of the Unix epoch.\n"
          "# TYPE intellisched_pool_recommended_timestamp_seconds gauge\n"
          "intellisched_pool_recommended_timestamp_seconds{pool=\"Pool-0\",knob=\"layout\"} "
          "1500000000\n"
          "intellisched_pool_recommended_timestamp_seconds{pool=\"Pool-0\",knob=\"rate-limit\"} "
          "1500000001\n"
          "# HELP intellisched_pool_can_apply 1 where the knob can be turned while the pool runs, "
          "0 where a reboot is needed.\n"
          "# TYPE intellisched_pool_can_apply gauge\n"
          "intellisched_pool_can_apply{pool=\"Pool-0\",knob=\"layout\"} 0\n"
          "intellisched_pool_can_apply{pool=\"Pool-0\",knob=\"rate-limit\"} 1\n"
          "intellisched_pool_can_apply{pool=\"db\",knob=\"layout\"} 0\n"
          "intellisched_pool_can_apply{pool=\"db\",knob=\"rate-limit\"} 0\n"
          "# HELP intellisched_pool_layout_probability Probability that the layout is the pool's "
          "best, 0 to 1.\n"
          "# TYPE intellisched_pool_layout_probability gauge\n"
          "intellisched_pool_layout_probability{pool=\"Pool-0\",layout=\"cpu\"} 0.1\n"
          "intellisched_pool_layout_probability{pool=\"Pool-0\",layout=\"core\"} 0.5\n"
          "intellisched_pool_layout_probability{pool=\"Pool-0\",layout=\"socket\"} 0.2\n"
          "intellisched_pool_layout_probability{pool=\"Pool-0\",layout=\"node\"} 0.15\n"
          "intellisched_pool_layout_probability{pool=\"Pool-0\",layout=\"all\"} 0.05\n"
          "# HELP intellisched_pool_layout_expected_gain_ratio Gain that is expected of the layout "
          "over the one in force; 0.05 is 5%.\n"
          "# TYPE intellisched_pool_layout_expected_gain_ratio gauge\n"
          "intellisched_pool_layout_expected_gain_ratio{pool=\"Pool-0\",layout=\"cpu\"} -0.02\n"
          "intellisched_pool_layout_expected_gain_ratio{pool=\"Pool-0\",layout=\"core\"} 0.03\n"
          "intellisched_pool_layout_expected_gain_ratio{pool=\"Pool-0\",layout=\"socket\"} 0\n"
          "intellisched_pool_layout_expected_gain_ratio{pool=\"Pool-0\",layout=\"node\"} 1e-09\n"
          "intellisched_pool_layout_expected_gain_ratio{pool=\"Pool-0\",layout=\"all\"} 0\n"
          "# HELP intellisched_pool_utility Live score of the pool's last window.\n"
          "# TYPE intellisched_pool_utility gauge\n"
          "intellisched_pool_utility{pool=\"Pool-0\"} -0.25\n"
          "# HELP intellisched_pool_windows_total Windows of the pool.\n"
          "# TYPE intellisched_pool_windows_total counter\n"
          "intellisched_pool_windows_total{pool=\"Pool-0\"} 40\n"
          "intellisched_pool_windows_total{pool=\"db\"} 2\n"
          "# HELP intellisched_pool_windows_rejected_total Windows of the pool that could not be "
          "used, by reason.\n"
          "# TYPE intellisched_pool_windows_rejected_total counter\n"
          "intellisched_pool_windows_rejected_total{pool=\"Pool-0\",reason=\"records-lost\"} 2\n"
          "intellisched_pool_windows_rejected_total{pool=\"Pool-0\",reason=\"too-little-data\"} 1\n"
          "# HELP intellisched_pool_switches_total Switches of the pool's layout or rate limit, "
          "without ways "
          "back.\n"
          "# TYPE intellisched_pool_switches_total counter\n"
          "intellisched_pool_switches_total{pool=\"Pool-0\"} 3\n"
          "intellisched_pool_switches_total{pool=\"db\"} 0\n"
          "# HELP intellisched_pool_reverts_total Switches that were taken back.\n"
          "# TYPE intellisched_pool_reverts_total counter\n"
          "intellisched_pool_reverts_total{pool=\"Pool-0\"} 2\n"
          "intellisched_pool_reverts_total{pool=\"db\"} 0\n"
          "# HELP intellisched_pool_apply_failures_total Layouts and rate limits that could "
          "not be applied.\n"
          "# TYPE intellisched_pool_apply_failures_total counter\n"
          "intellisched_pool_apply_failures_total{pool=\"Pool-0\"} 1\n"
          "intellisched_pool_apply_failures_total{pool=\"db\"} 0\n"
          "# HELP intellisched_pool_trial_in_progress 1 while a switch is on trial.\n"
          "# TYPE intellisched_pool_trial_in_progress gauge\n"
          "intellisched_pool_trial_in_progress{pool=\"Pool-0\"} 1\n"
          "intellisched_pool_trial_in_progress{pool=\"db\"} 0\n"
          "# HELP intellisched_pool_breaker_open 1 while the pool is left alone after too many "
          "reverts.\n"
          "# TYPE intellisched_pool_breaker_open gauge\n"
          "intellisched_pool_breaker_open{pool=\"Pool-0\"} 1\n"
          "intellisched_pool_breaker_open{pool=\"db\"} 0\n"
          "# HELP intellisched_pool_paused 1 while switches are paused by hand.\n"
          "# TYPE intellisched_pool_paused gauge\n"
          "intellisched_pool_paused{pool=\"Pool-0\"} 1\n"
          "intellisched_pool_paused{pool=\"db\"} 0\n");
}

TEST_CASE("metrics: nothing but the service") {
    CHECK(metrics_text({}) ==
          "# HELP intellisched_model_info The model that is in use.\n"
          "# TYPE intellisched_model_info gauge\n"
          "intellisched_model_info{id=\"\",name=\"\"} 1\n"
          "# HELP intellisched_host_up 1 while the host is watched, 0 while it cannot be.\n"
          "# TYPE intellisched_host_up gauge\n"
          "intellisched_host_up 0\n"
          "# HELP intellisched_trace_records_lost_total Records of the trace that were lost.\n"
          "# TYPE intellisched_trace_records_lost_total counter\n"
          "intellisched_trace_records_lost_total 0\n"
          "# HELP intellisched_windows_total Windows of all pools.\n"
          "# TYPE intellisched_windows_total counter\n"
          "intellisched_windows_total 0\n"
          "# HELP intellisched_journal_errors_total Writes to the journal that failed.\n"
          "# TYPE intellisched_journal_errors_total counter\n"
          "intellisched_journal_errors_total 0\n"
          "# HELP intellisched_last_loop_duration_seconds How long the last loop took.\n"
          "# TYPE intellisched_last_loop_duration_seconds gauge\n"
          "intellisched_last_loop_duration_seconds 0\n"
          "# HELP intellisched_written_timestamp_seconds When this was written, in seconds of the "
          "Unix epoch.\n"
          "# TYPE intellisched_written_timestamp_seconds gauge\n"
          "intellisched_written_timestamp_seconds 0\n");
}

TEST_CASE("metrics: names that are hostile") {
    const auto label = [](std::string name) {
        ServiceMetrics metrics;
        metrics.pools.push_back({.name = std::move(name)});
        const std::string text = metrics_text(metrics);
        const std::string head = "\nintellisched_pool_paused{pool=\"", tail = "\"} 0\n";
        const auto at = text.find(head);
        REQUIRE(at != text.npos);
        REQUIRE(text.ends_with(tail));
        return text.substr(at + head.size(), text.size() - at - head.size() - tail.size());
    };
    CHECK(label("a\"b") == "a\\\"b");
    CHECK(label("a\nb 1\n# TYPE x") == "a\\nb 1\\n# TYPE x");
    CHECK(label("a\\") == "a\\\\");
    CHECK(label("\"} 1\nup 0") == "\\\"} 1\\nup 0");
    CHECK(label("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa7") == "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa7");
    CHECK(label("a\xff\"") == "a\xef\xbf\xbd\\\"");
    CHECK(label("a\xc3") == "a\xef\xbf\xbd");                 // the end of a character is missing
    CHECK(label("\xc0\xaf") == "\xef\xbf\xbd\xef\xbf\xbd");   // longer than it need be
    CHECK(label("\xed\xa0\x80").starts_with("\xef\xbf\xbd")); // a surrogate
    CHECK(label("") == "");

    // The same series twice would cost the whole file.
    ServiceMetrics metrics;
    metrics.pools = {{.name = "a\xfe", .windows = 1}, {.name = "a\xff", .windows = 2}};
    const std::string text = metrics_text(metrics);
    CHECK(contains(text, "intellisched_pool_windows_total{pool=\"a\xef\xbf\xbd\"} 1\n"));
    CHECK_FALSE(contains(text, "\"} 2\n"));
}

TEST_CASE("metrics: values that are none are left out") {
    ServiceMetrics metrics;
    metrics.pools.push_back({.name = "a", .prediction = Prediction{}, .utility = NAN});
    metrics.pools[0].prediction->probability = {0.5, NAN, NAN, NAN, 0.5};
    metrics.pools[0].prediction->expected_gain.fill(std::numeric_limits<double>::infinity());
    const std::string text = metrics_text(metrics);
    CHECK(contains(text, "intellisched_pool_layout_probability{pool=\"a\",layout=\"cpu\"} 0.5\n"
                         "intellisched_pool_layout_probability{pool=\"a\",layout=\"all\"} 0.5\n"));
    CHECK(contains(text, "gain_ratio{pool=\"a\",layout=\"cpu\"} +Inf\n"));
    CHECK_FALSE(contains(text, "pool_utility"));
    CHECK_FALSE(contains(text, "pool_effective_layout_info"));
    CHECK_FALSE(contains(text, "pool_windows_rejected_total"));
}

TEST_CASE("metrics: the file") {
    const Directory directory;
    const auto path = directory.path / "m.prom";
    spill(path, "before");
    ServiceMetrics metrics;
    metrics.windows = 7;
    const auto umask = ::umask(0077); // as in the shipped unit: another user reads it
    const auto written = write_metrics(path, metrics);
    ::umask(umask);
    REQUIRE(written);
    CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms{0644});
    CHECK(slurp(path) == metrics_text(metrics));
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(directory.path))
        ++files;
    CHECK(files == 1);
    const auto nowhere = directory.path / "none" / "m.prom";
    CHECK(write_metrics(nowhere, metrics).error().message.starts_with(nowhere.string()));
}
