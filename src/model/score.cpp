// SPDX-License-Identifier: MIT
#include "src/model/score.hpp"

#include "src/model/intent.hpp"

#include <algorithm>
#include <cmath>

namespace intellisched {
namespace {

using Scores = std::array<double, layout_count>;

/// The geometric mean over guests of figure / best figure, by layout; `figure` gives more for
/// better, and 0 where there is none.
template<class Figure> Result<Scores> relative(std::span<const LayoutResult, layout_count> results,
                                               Figure&& figure, std::string_view what) {
    Scores logarithms{};
    unsigned guests = 0;
    for (const auto& [name, first] : results[0]) {
        Scores values{};
        bool complete = true;
        for (std::size_t l = 0; l < layout_count; ++l) {
            const auto it = results[l].find(name);
            values[l] = it == results[l].end() ? 0 : figure(it->second);
            complete = complete && values[l] > 0;
        }
        if (!complete) continue;
        ++guests;
        const double best = *std::max_element(values.begin(), values.end());
        for (std::size_t l = 0; l < layout_count; ++l) logarithms[l] += std::log(values[l] / best);
    }
    if (guests == 0) return fail("no guest reported {} under all five layouts", what);
    for (double& value : logarithms) value = std::exp(value / guests);
    return logarithms;
}

proto::IntentScores message(Intent intent, Scores scores) {
    const double best = *std::max_element(scores.begin(), scores.end());
    proto::IntentScores out;
    out.set_intent(std::string(to_string(intent)));
    for (double score : scores) out.add_score(score / best);
    return out;
}

} // namespace

Result<std::vector<proto::IntentScores>>
scores(std::span<const LayoutResult, layout_count> results) {
    const auto work = relative(
        results, [](const GuestResult& guest) { return guest.work; }, "work");
    if (!work) return tl::unexpected(work.error());
    const auto latency = relative(
        results,
        [](const GuestResult& guest) { return guest.wake_p99_us > 0 ? 1 / guest.wake_p99_us : 0; },
        "wake-up latencies");
    if (!latency) return tl::unexpected(latency.error());
    Scores balanced{};
    for (std::size_t l = 0; l < layout_count; ++l)
        balanced[l] = std::sqrt((*work)[l] * (*latency)[l]);
    return std::vector{message(Intent::throughput, *work), message(Intent::latency, *latency),
                       message(Intent::balanced, balanced)};
}

} // namespace intellisched
