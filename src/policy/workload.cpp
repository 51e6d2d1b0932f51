// SPDX-License-Identifier: MIT
#include "src/policy/workload.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

namespace intellisched {
namespace {

constexpr double not_seen = std::numeric_limits<double>::quiet_NaN();

// Added before the logarithm: below it an idle pool is as idle as any.
constexpr double least_demand = 0.01; // vCPUs a CPU
constexpr double least_active = 0.05; // vCPUs a CPU
constexpr double least_us = 1;

} // namespace

Workload workload_of(const FeatureVector& features) {
    const auto value = [&](std::string_view name) -> double {
        const auto at = feature_index(name);
        return at && *at < features.values.size() ? features.values[*at] : not_seen;
    };
    const double busy = value("load.busy_mean");
    const double wakeups = value("events.wakeups"); // a second and CPU
    const double us_a_wakeup = wakeups > 0 ? busy / wakeups * 1e6 : not_seen;
    Workload workload{
        std::log(busy + value("load.waiters") + least_demand) / demand_unit,
        std::log(value("sleep.mean") + least_us) / 0.6,
        std::log(us_a_wakeup + least_us) / 0.6,
        std::log(value("load.active_vcpus") + least_active) / 0.15,
        value("load.dom0") / 0.1,
        value("load.hogs") / 0.2,
        value("load.domain_spread") / 0.35,
    };
    for (double& number : workload)
        if (!std::isfinite(number)) number = not_seen;
    return workload;
}

Workload mean_workload(std::span<const Workload> windows) {
    Workload mean{};
    for (std::size_t i = 0; i < workload_size; ++i) {
        double count = 0, sum = 0;
        for (const Workload& one : windows)
            if (std::isfinite(one[i])) sum += one[i], ++count;
        mean[i] = count > 0 && std::isfinite(sum) ? sum / count : not_seen;
    }
    return mean;
}

double distance(const Workload& a, const Workload& b) {
    double largest = 0;
    for (std::size_t i = 0; i < workload_size; ++i)
        if (std::isfinite(a[i]) && std::isfinite(b[i]))
            largest = std::max(largest, std::abs(a[i] - b[i]));
    return largest;
}

} // namespace intellisched
