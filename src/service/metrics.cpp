// SPDX-License-Identifier: MIT
#include "src/service/metrics.hpp"

#include "src/base/files.hpp"

#include <boost/locale/utf.hpp>
#include <cmath>
#include <prometheus/text_serializer.h>
#include <set>

namespace intellisched {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

/// `text` with U+FFFD for every byte that is no part of a character.
std::string utf8(std::string_view text) {
    namespace utf = boost::locale::utf;
    std::string out;
    for (const char* at = text.data(); at != text.data() + text.size();) {
        const char* next = at;
        const auto character = utf::utf_traits<char>::decode(next, text.data() + text.size());
        if (utf::is_valid_codepoint(character)) {
            out.append(at, next);
            at = next;
        } else {
            out += "\xef\xbf\xbd";
            ++at;
        }
    }
    return out;
}

class Families {
  public:
    /// Begins a family; add() adds to it.
    void begin(MetricType type, const char* name, const char* help) {
        MetricFamily& family = families_.emplace_back();
        family.type = type;
        family.name = std::string("intellisched_") + name;
        family.help = help;
    }
    void add(Labels labels, double value) {
        if (std::isnan(value)) return;
        MetricFamily& family = families_.back();
        ClientMetric& metric = family.metric.emplace_back();
        metric.label = std::move(labels);
        (family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    }
    void add(Labels labels, std::uint64_t value) {
        add(std::move(labels), static_cast<double>(value));
    }
    [[nodiscard]] std::string text() {
        std::erase_if(families_, [](const MetricFamily& family) { return family.metric.empty(); });
        return prometheus::TextSerializer().Serialize(families_);
    }

  private:
    std::vector<MetricFamily> families_;
};

void add_layout(Families& to, const std::string& pool, const std::optional<Arrangement>& layout) {
    if (!layout) return;
    to.add({{"pool", pool},
            {"layout", std::string(to_string(layout->layout))},
            {"max_cpus", layout->max_cpus == no_cap ? "none" : std::to_string(layout->max_cpus)}},
           1.0);
}

Labels of_knob(const std::string& pool, Knob knob) {
    return {{"pool", pool}, {"knob", knob == Knob::layout ? "layout" : "rate-limit"}};
}

} // namespace

std::string metrics_text(const ServiceMetrics& metrics) {
    std::vector<std::pair<std::string, const PoolMetrics*>> pools;
    std::set<std::string> names;
    for (const PoolMetrics& pool : metrics.pools)
        if (std::string name = utf8(pool.name); names.insert(name).second)
            pools.emplace_back(std::move(name), &pool);

    Families to;
    const auto global = [&](MetricType type, const char* name, const char* help, double value) {
        to.begin(type, name, help);
        to.add({}, value);
    };
    /// A family with a value a pool.
    const auto by_pool = [&](MetricType type, const char* name, const char* help, auto value) {
        to.begin(type, name, help);
        for (const auto& [pool, of] : pools) to.add({{"pool", pool}}, value(*of));
    };
    const auto by_layout = [&](const char* name, const char* help, auto member) {
        to.begin(MetricType::Gauge, name, help);
        for (const auto& [pool, of] : pools)
            for (const Layout layout : all_layouts)
                if (of->prediction)
                    to.add({{"pool", pool}, {"layout", std::string(to_string(layout))}},
                           ((*of->prediction).*member)[index(layout)]);
    };

    to.begin(MetricType::Gauge, "model_info", "The model that is in use.");
    to.add({{"id", utf8(metrics.model_id)}, {"name", utf8(metrics.model_name)}}, 1.0);
    global(MetricType::Gauge, "host_up", "1 while the host is watched, 0 while it cannot be.",
           metrics.host_up ? 1.0 : 0.0);
    global(MetricType::Counter, "trace_records_lost_total", "Records of the trace that were lost.",
           static_cast<double>(metrics.records_lost));
    global(MetricType::Counter, "windows_total", "Windows of all pools.",
           static_cast<double>(metrics.windows));
    global(MetricType::Counter, "journal_errors_total", "Writes to the journal that failed.",
           static_cast<double>(metrics.journal_errors));
    global(MetricType::Gauge, "last_loop_duration_seconds", "How long the last loop took.",
           metrics.loop_seconds);
    global(MetricType::Gauge, "written_timestamp_seconds",
           "When this was written, in seconds of the Unix epoch.", metrics.written_seconds);

    to.begin(MetricType::Gauge, "pool_mode_info", "What may be done with the pool.");
    for (const auto& [pool, of] : pools)
        to.add({{"pool", pool}, {"mode", std::string(to_string(of->mode))}}, 1.0);
    to.begin(MetricType::Gauge, "pool_requested_layout_info",
             "The layout that was asked for last, and its cap on the CPUs of a runqueue.");
    for (const auto& [pool, of] : pools) add_layout(to, pool, of->requested);
    to.begin(MetricType::Gauge, "pool_effective_layout_info",
             "The layout in force, and its cap on the CPUs of a runqueue.");
    for (const auto& [pool, of] : pools) add_layout(to, pool, of->effective);

    by_pool(MetricType::Gauge, "pool_rate_limit_seconds", "The rate limit in force; 0: off.",
            [](const PoolMetrics& of) {
                return of.rate_limit_us ? static_cast<double>(*of.rate_limit_us) / 1e6 : NAN;
            });
    by_pool(MetricType::Gauge, "pool_requested_rate_limit_seconds",
            "The rate limit that was asked for last; absent where none was.",
            [](const PoolMetrics& of) {
                return of.requested_rate_limit_us
                           ? static_cast<double>(*of.requested_rate_limit_us) / 1e6
                           : NAN;
            });
    to.begin(MetricType::Gauge, "pool_recommended_layout_info",
             "The layout that is worth a change; absent where none is.");
    for (const auto& [pool, of] : pools)
        if (const auto& change = of->recommended[index(Knob::layout)])
            to.add({{"pool", pool}, {"layout", std::string(to_string(layout_of(change->option)))}},
                   1.0);
    by_pool(MetricType::Gauge, "pool_recommended_rate_limit_seconds",
            "The rate limit that is worth a change; absent where none is.",
            [](const PoolMetrics& of) {
                const auto& change = of.recommended[index(Knob::rate_limit)];
                return change ? static_cast<double>(limit_of(change->option)) / 1e6 : NAN;
            });
    /// A family with a value for each knob that a change is recommended of.
    const auto by_change = [&](const char* name, const char* help, auto member) {
        to.begin(MetricType::Gauge, name, help);
        for (const auto& [pool, of] : pools)
            for (const Knob knob : all_knobs)
                if (const auto& change = of->recommended[index(knob)])
                    to.add(of_knob(pool, knob), (*change).*member);
    };
    by_change("pool_recommended_gain_ratio",
              "Gain that is expected of the recommended change; 0.05 is 5%.",
              &RecommendedChange::gain);
    by_change("pool_recommended_timestamp_seconds",
              "Since when the change is recommended, in seconds of the Unix epoch.",
              &RecommendedChange::since_seconds);
    to.begin(MetricType::Gauge, "pool_can_apply",
             "1 where the knob can be turned while the pool runs, 0 where a reboot is needed.");
    for (const auto& [pool, of] : pools)
        for (const Knob knob : all_knobs)
            to.add(of_knob(pool, knob), of->can_apply[index(knob)] ? 1.0 : 0.0);

    by_layout("pool_layout_probability", "Probability that the layout is the pool's best, 0 to 1.",
              &Prediction::probability);
    by_layout("pool_layout_expected_gain_ratio",
              "Gain that is expected of the layout over the one in force; 0.05 is 5%.",
              &Prediction::expected_gain);
    by_pool(MetricType::Gauge, "pool_utility", "Live score of the pool's last window.",
            [](const PoolMetrics& of) { return of.utility.value_or(NAN); });

    by_pool(MetricType::Counter, "pool_windows_total", "Windows of the pool.",
            [](const PoolMetrics& of) { return of.windows; });
    to.begin(MetricType::Counter, "pool_windows_rejected_total",
             "Windows of the pool that could not be used, by reason.");
    for (const auto& [pool, of] : pools)
        for (const auto& [reason, count] : of->rejected)
            to.add({{"pool", pool}, {"reason", reason}}, count);
    by_pool(MetricType::Counter, "pool_switches_total",
            "Switches of the pool's layout or rate limit, without ways back.",
            [](const PoolMetrics& of) { return of.switches; });
    by_pool(MetricType::Counter, "pool_reverts_total", "Switches that were taken back.",
            [](const PoolMetrics& of) { return of.reverts; });
    by_pool(MetricType::Counter, "pool_apply_failures_total",
            "Layouts and rate limits that could not be applied.",
            [](const PoolMetrics& of) { return of.failed_applies; });
    by_pool(MetricType::Gauge, "pool_trial_in_progress", "1 while a switch is on trial.",
            [](const PoolMetrics& of) { return of.trial ? 1.0 : 0.0; });
    by_pool(MetricType::Gauge, "pool_breaker_open",
            "1 while the pool is left alone after too many reverts.",
            [](const PoolMetrics& of) { return of.breaker_open ? 1.0 : 0.0; });
    by_pool(MetricType::Gauge, "pool_paused", "1 while switches are paused by hand.",
            [](const PoolMetrics& of) { return of.paused ? 1.0 : 0.0; });
    return to.text();
}

Result<void> write_metrics(const std::filesystem::path& path, const ServiceMetrics& metrics) {
    const std::string text = metrics_text(metrics);
    // Others read it, whatever the umask of the service is.
    return replace_file(path, std::as_bytes(std::span(text)), 0644);
}

} // namespace intellisched
