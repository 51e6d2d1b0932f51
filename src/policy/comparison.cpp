// SPDX-License-Identifier: MIT
#include "src/policy/comparison.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace intellisched {
namespace {

struct Series {
    double count = 0, mean = 0, variance = 0;
};

Series describe(std::span<const double> values) {
    Series series;
    for (const double value : values)
        if (std::isfinite(value)) series.mean += value, ++series.count;
    if (series.count > 0) series.mean /= series.count;
    for (const double value : values)
        if (std::isfinite(value)) series.variance += (value - series.mean) * (value - series.mean);
    series.variance = series.count > 1 ? series.variance / (series.count - 1) : 0;
    return series;
}

/// Products of neighbours' deviations; divided by the squares' sum they are the correlation.
double products(std::span<const double> values, double mean) {
    double sum = 0;
    for (std::size_t i = 1; i < values.size(); ++i) {
        const double product = (values[i - 1] - mean) * (values[i] - mean);
        if (std::isfinite(product)) sum += product;
    }
    return sum;
}

// Of more no series of a trial's length could tell; 39 windows then count as one.
constexpr double most_correlation = 0.95;

struct Difference {
    double value = 0, error = 0, freedom = 1, correlation = 0;
    bool known = false;
};

/// Welch's test on effective numbers.
Difference difference(std::span<const double> before, std::span<const double> after,
                      double least_correlation) {
    const Series a = describe(before), b = describe(after);
    Difference out;
    if (a.count < 2 || b.count < 2) return out;
    out.known = true;
    out.value = b.mean - a.mean;
    const double squares = a.variance * (a.count - 1) + b.variance * (b.count - 1);
    double r = squares > 0 ? (products(before, a.mean) + products(after, b.mean)) / squares : 0;
    r += (1 + 3 * r) / ((a.count + b.count) / 2);
    r = out.correlation = std::clamp(r, least_correlation, most_correlation);
    const auto effective = [&](double n) { return std::max(n * (1 - r) / (1 + r), 1.0); };
    const double na = effective(a.count), nb = effective(b.count);
    const double ea = a.variance / na, eb = b.variance / nb;
    out.error = std::sqrt(ea + eb);
    const auto part = [](double e, double n) { return e * e / std::max(n - 1, 0.5); };
    const double parts = part(ea, na) + part(eb, nb);
    out.freedom = parts > 0 ? std::max((ea + eb) * (ea + eb) / parts, 1.0) : na + nb;
    return out;
}

std::vector<double> utilities_of(std::span<const Sample> samples) {
    std::vector<double> out;
    for (const Sample& sample : samples) out.push_back(sample.utility);
    return out;
}

std::vector<double> numbers_of(std::span<const Sample> samples, std::size_t i) {
    std::vector<double> out;
    for (const Sample& sample : samples) out.push_back(sample.workload[i]);
    return out;
}

// Workload's numbers are in units of what layouts do.
constexpr double layouts_doing = 1;

bool another_load(const Difference& number, const TrialSettings& settings) {
    const double doubt = student(settings.sure, number.freedom) * number.error;
    return std::abs(number.value) > layouts_doing && std::abs(number.value) > doubt;
}

} // namespace

bool steady(std::span<const Sample> samples, const TrialSettings& settings) {
    const std::size_t quarter = samples.size() / 4;
    const auto first = samples.first(quarter), last = samples.last(quarter);
    for (std::size_t i = 0; i < workload_size; ++i) {
        const Difference number =
            difference(numbers_of(first, i), numbers_of(last, i), settings.least_correlation);
        if (number.known && another_load(number, settings)) return false;
    }
    return true;
}

double student(double normal, double freedom) {
    // The first terms of the Cornish-Fisher expansion.
    const double z = normal, z2 = z * z, v = std::max(freedom, 1.0);
    return z + z * (z2 + 1) / (4 * v) + z * ((5 * z2 + 16) * z2 + 3) / (96 * v * v) +
           z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * v * v * v);
}

Comparison compare(std::span<const Sample> before, std::span<const Sample> after,
                   const TrialSettings& settings) {
    Comparison out;
    const Difference utility =
        difference(utilities_of(before), utilities_of(after), settings.least_correlation);
    out.difference = utility.value;
    out.error = std::max(utility.error, settings.least_error);
    out.freedom = utility.freedom;
    out.correlation = utility.correlation;

    for (std::size_t i = 0; i < workload_size; ++i) {
        const Difference number =
            difference(numbers_of(before, i), numbers_of(after, i), settings.least_correlation);
        if (!number.known) continue;
        const bool rise_of_demand = i == 0 && number.value > 0;
        if (another_load(number, settings) && !rise_of_demand) out.load_changed = true;
        if (i != 0) continue;
        out.excused = std::max(-number.value, 0.0) * demand_unit;
        out.undeserved = std::abs(number.value) * demand_unit;
    }
    for (const Sample& sample : after)
        out.gain_back += sample.gain_back / static_cast<double>(after.size());
    return out;
}

Finding find(const Comparison& comparison, const TrialSettings& settings) {
    const auto doubt = [&](double normal) {
        return student(normal, comparison.freedom) * comparison.error;
    };
    if (comparison.load_changed) return Finding::load_changed;
    const double loss = -comparison.difference - comparison.excused;
    if (loss > settings.early_harm && loss > doubt(settings.early_sure)) return Finding::much_worse;
    if (loss > doubt(settings.sure)) return Finding::worse;
    if (comparison.difference - comparison.undeserved > doubt(settings.sure))
        return Finding::better;
    return Finding::unclear;
}

} // namespace intellisched
