// SPDX-License-Identifier: MIT
#include "src/policy/comparison.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
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

std::vector<double> utilities_of(std::span<const TrialWindow> samples) {
    std::vector<double> out;
    for (const TrialWindow& sample : samples) out.push_back(sample.utility);
    return out;
}

// A choice: a guest that came or went early in a side has a mean of its own there.
constexpr double most_windows = 0.75;
constexpr double most_claims = 0.5;
const double most_of_tail = std::log(2);

/// What a guest weighs, the same in every window: else a guest that wants less now and more then
/// would look like a gain or a loss of all.
struct Weights {
    double claim = 0, demand = 0;
    /// Its mean tail before; nothing: it has none in most windows of either side, and a tail that
    /// is there on one side only would be a loss or a gain by itself.
    std::optional<double> tail = {};
};
using Common = std::map<std::uint64_t, Weights>; ///< by identity

/// The guests on both sides, each with the most that it claims and wants in any window; nothing
/// when what they claim is too little of what all claim that were seen to do anything.
std::optional<Common> common_guests(std::span<const TrialWindow> before,
                                    std::span<const TrialWindow> after) {
    struct Seen : Weights {
        std::array<double, 2> present{}, active{}; ///< windows of either side
        std::array<double, 2> with_tail{}, tails{};
    };
    // What all claim is counted by UUID: a guest that changes is not many guests.
    std::map<std::uint64_t, Seen> by_identity, by_uuid;
    const std::array sides{before, after};
    for (std::size_t side = 0; side < sides.size(); ++side)
        for (const TrialWindow& sample : sides[side])
            for (const GuestSeen& guest : sample.guests)
                for (Seen* one : {&by_identity[guest.identity], &by_uuid[guest.uuid]}) {
                    one->claim = std::max(one->claim, guest.terms.claim);
                    one->demand = std::max(one->demand, guest.terms.demand);
                    ++one->present[side];
                    if (guest.terms.work || guest.terms.tail) ++one->active[side];
                    if (!guest.terms.tail) continue;
                    ++one->with_tail[side];
                    one->tails[side] += *guest.terms.tail;
                }
    const auto count = [&](std::size_t side) {
        return std::max(static_cast<double>(sides[side].size()), 1.0);
    };
    const auto claim = [&](const Seen& one) {
        return one.claim * std::max(one.active[0] / count(0), one.active[1] / count(1));
    };
    double all = 0, compared = 0;
    for (const auto& [uuid, one] : by_uuid) all += claim(one);
    Common common;
    for (const auto& [identity, one] : by_identity) {
        if (one.present[0] < most_windows * count(0) || one.present[1] < most_windows * count(1))
            continue;
        compared += claim(one);
        Weights& weights = common.emplace(identity, one).first->second;
        if (one.with_tail[0] >= most_windows * count(0) &&
            one.with_tail[1] >= most_windows * count(1))
            weights.tail = one.tails[0] / one.with_tail[0];
    }
    if (all <= 0 || compared < most_claims * all) return std::nullopt;
    return common;
}

/// The utility of these guests by window; NaN where none of them did anything.
std::vector<double> utilities_of(std::span<const TrialWindow> samples, const Common& common,
                                 Intent intent) {
    std::vector<double> out;
    std::vector<GuestTerms> terms;
    for (const TrialWindow& sample : samples) {
        terms.clear();
        for (const GuestSeen& guest : sample.guests) {
            const auto weights = common.find(guest.identity);
            if (weights == common.end()) continue;
            GuestTerms& own = terms.emplace_back(guest.terms);
            own.claim = weights->second.claim;
            own.demand = weights->second.demand;
            // A guest chooses how long its requests take. So its tail counts by its claim alone,
            // those of all others being 0, and up to twice or half of what it was.
            const auto before = weights->second.tail;
            own.tail = !before ? 0
                       : own.tail
                           ? std::clamp(*own.tail, *before - most_of_tail, *before + most_of_tail)
                           : *before;
        }
        out.push_back(utility(intent, terms).value_or(std::numeric_limits<double>::quiet_NaN()));
    }
    return out;
}

std::vector<double> numbers_of(std::span<const TrialWindow> samples, std::size_t i) {
    std::vector<double> out;
    for (const TrialWindow& sample : samples) out.push_back(sample.workload[i]);
    return out;
}

bool another_load(const Difference& number, const TrialSettings& settings) {
    const double doubt = student(settings.sure, number.freedom) * number.error;
    return std::abs(number.value) > settings.another_load && std::abs(number.value) > doubt;
}

} // namespace

bool steady(std::span<const TrialWindow> samples, const TrialSettings& settings) {
    const std::size_t quarter = samples.size() / 4;
    const auto first = samples.first(quarter), last = samples.last(quarter);
    for (std::size_t i = 0; i < workload_size; ++i) {
        const Difference number =
            difference(numbers_of(first, i), numbers_of(last, i), settings.least_correlation);
        if (number.known && another_load(number, settings)) return false;
    }
    return true;
}

bool same_guests(std::span<const TrialWindow> samples) {
    const std::size_t half = samples.size() / 2;
    return common_guests(samples.first(half), samples.last(half)).has_value();
}

double student(double normal, double freedom) {
    // The first terms of the Cornish-Fisher expansion.
    const double z = normal, z2 = z * z, v = std::max(freedom, 1.0);
    return z + z * (z2 + 1) / (4 * v) + z * ((5 * z2 + 16) * z2 + 3) / (96 * v * v) +
           z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * v * v * v);
}

Comparison compare(std::span<const TrialWindow> before, std::span<const TrialWindow> after,
                   Intent intent, const TrialSettings& settings) {
    Comparison out;
    const auto common = common_guests(before, after);
    const Difference utility =
        common ? difference(utilities_of(before, *common, intent),
                            utilities_of(after, *common, intent), settings.least_correlation)
               : difference(utilities_of(before), utilities_of(after), settings.least_correlation);
    out.guests_changed = !common || !utility.known;
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
    for (const TrialWindow& sample : after)
        out.gain_back += sample.gain_back / static_cast<double>(after.size());
    return out;
}

Finding find(const Comparison& comparison, const TrialSettings& settings) {
    const auto doubt = [&](double normal) {
        return student(normal, comparison.freedom) * comparison.error;
    };
    const double loss = -comparison.difference - comparison.excused;
    if (loss > settings.early_harm && loss > doubt(settings.early_sure)) return Finding::much_worse;
    if (loss > doubt(settings.sure)) return Finding::worse;
    if (comparison.changed()) return Finding::incomparable;
    if (comparison.difference - comparison.undeserved > doubt(settings.sure))
        return Finding::better;
    return Finding::unclear;
}

bool surely_better(const Comparison& comparison, const TrialSettings& settings) {
    TrialSettings surer = settings;
    surer.sure = settings.early_sure;
    return find(comparison, surer) == Finding::better;
}

} // namespace intellisched
